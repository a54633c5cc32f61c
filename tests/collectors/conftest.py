"""What several tests start from: a vendor's rows pulled for one day, a bench for `exec`, a home to plant secrets in."""

import pytest

from collectors import fixtures_vendors as made  # noqa: TID251 - tests/collectors
from collectors import vendor_apis  # noqa: TID251
from collectors.exec_bench import Bench  # noqa: TID251
from collectors.planted_home import Home  # noqa: TID251
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


@pytest.fixture
def bench(tmp_path):
    """Fake agents on a PATH of their own."""
    made = Bench(tmp_path)
    yield made
    made.listener.close()


@pytest.fixture
def home(tmp_path):
    """A home folder without anything in it."""
    return Home(tmp_path)
