"""Pulling made-up rows of a vendor for one day, for the tests of what they become."""

import pytest

from collectors import fixtures_vendors as made  # noqa: TID251 - tests/collectors
from collectors import vendor_apis  # noqa: TID251
from collectors.puller import Server  # noqa: TID251
from collectors.vendor_apis import Loopback  # noqa: TID251

NOW = "2026-11-04T06:00:00Z"


@pytest.fixture
def pulled(tmp_path, monkeypatch):
    """Pull one day of made-up data; gives what is current, the server, and the vendor's copy."""

    def pull(vendor, data, kind="vendor_usage", report=None, account=None, code=0, **options):
        with Loopback(getattr(vendor_apis, vendor)(data, **options)) as api:
            server = Server(tmp_path, monkeypatch, vendor, api.url, NOW, account)
            chosen = ["--reports", report] if report else []
            assert server.pull("--since", made.DAY, "--until", made.DAY if report else made.NEXT, *chosen) == code
        return server.current(kind), server, api

    return pull
