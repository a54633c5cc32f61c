"""What a hostile or broken network can do to a pull: nothing to the key, nothing to what is known, nothing but one line to read."""

import copy
import datetime
import ipaddress
import json
import ssl
from decimal import Decimal

import pytest

from collectors import fixtures_vendors as made  # noqa: TID251 - tests/collectors
from collectors import vendor_apis  # noqa: TID251
from collectors.puller import Server  # noqa: TID251
from collectors.vendor_apis import KEY, Loopback  # noqa: TID251
from meterhouse_collector import outbox, vendors
from meterhouse_collector import spool as spools
from meterhouse_collector.errors import SpoolFullError, WindowError
from meterhouse_collector.inlet import Inlet
from meterhouse_collector.publishable import publishable
from meterhouse_collector.vendors import Api

NOW = "2026-11-04T06:00:00Z"
DATA = {"usage": {made.DAY: [made.usage(f"model-{number}") for number in range(5)]}}
ONE_DAY = ("--reports", "anthropic_usage", "--since", made.DAY, "--until", made.DAY)
HOSTILE = [None, [], {}, [[]], "", "x" * 300, "\ud800", "-1", -1, True, 0.5, 10**30, {"day": []}, "1e999999999"]


def certificate(folder):
    """A certificate for this machine that nobody vouches for, with its key in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    signed = built.add_extension(address, False).sign(key, hashes.SHA256())
    path = folder / "loopback.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def test_a_certificate_that_nobody_vouches_for_gets_no_request_until_it_is_trusted(tmp_path, monkeypatch, capfd):
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with Loopback(vendor_apis.anthropic(DATA)) as api:
        api._server.socket = context.wrap_socket(api._server.socket, server_side=True)
        server = Server(tmp_path, monkeypatch, "anthropic", api.url.replace("http:", "https:"), NOW)
        assert server.pull(*ONE_DAY) == 1
        assert "shows a certificate that is not trusted" in capfd.readouterr().err
        assert api.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert server.pull(*ONE_DAY) == 0
    assert len(server.current("vendor_usage")) == 5


def test_a_redirect_to_another_host_is_not_followed_and_one_within_the_host_is(tmp_path, monkeypatch, capfd):
    routes = vendor_apis.anthropic(DATA, size=9)
    path = f"{vendor_apis.ADMIN}/usage_report/messages"
    with Loopback(routes) as other, Loopback(routes) as api:
        server = Server(tmp_path, monkeypatch, "anthropic", api.url, NOW)
        api.faults = [(302, {"Location": f"{other.url}{path}"})]
        assert server.pull(*ONE_DAY) == 1
        assert other.requests == []
        assert "redirects to another host, which gets no key" in capfd.readouterr().err
        api.faults = [(302, {"Location": f"{path}?starting_at={made.DAY}"})]
        assert server.pull(*ONE_DAY) == 0
        assert api.headers[-1]["X-Api-Key"] == KEY
    assert len(server.current("vendor_usage")) == 5


@pytest.mark.parametrize("moment", range(1, 7))
def test_stopped_between_two_rows_the_fetch_does_not_count_and_the_next_one_does(tmp_path, monkeypatch, moment):
    commit, calls = Inlet.commit, []

    def stop(inlet):
        calls.append(1)
        if len(calls) == moment:
            raise KeyboardInterrupt
        commit(inlet)

    with Loopback(vendor_apis.anthropic(DATA)) as api, monkeypatch.context() as patch:
        server = Server(tmp_path, monkeypatch, "anthropic", api.url, NOW)
        patch.setattr(outbox, "BATCH", 1)
        patch.setattr(Inlet, "commit", stop)
        assert server.pull(*ONE_DAY) == 130
        patch.setattr(Inlet, "commit", commit)
        assert server.pull(*ONE_DAY) == 0
    assert len(server.current("vendor_usage")) == 5
    assert len({event["event_id"] for event in server.events()}) == len(server.lines())


def test_a_spool_that_is_full_in_the_middle_of_a_window_is_emptied_and_the_window_goes_on(tmp_path, monkeypatch):
    def full(spool):
        if spools.list_waiting(spool.folder):
            raise SpoolFullError("full")

    monkeypatch.setattr(outbox, "BATCH", 2)
    monkeypatch.setattr(spools, "SEAL_EVENTS", 2)
    monkeypatch.setattr(spools.Spool, "check_room", full)
    with Loopback(vendor_apis.anthropic(DATA)) as api:
        server = Server(tmp_path, monkeypatch, "anthropic", api.url, NOW)
        assert server.pull(*ONE_DAY) == 0
    assert len(server.current("vendor_usage")) == 5
    assert len({event["event_id"] for event in server.events()}) == len(server.lines()) == 6


def test_a_limit_that_github_says_is_spent_is_waited_for(tmp_path, monkeypatch):
    with Loopback(vendor_apis.copilot({})) as api:
        server = Server(tmp_path, monkeypatch, "copilot", api.url, NOW, account="acme")
        reset = int(server.clock.elapsed()) + 90
        api.faults = [(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)})]
        assert server.pull("--reports", "copilot_seats") == 0
        assert 89 <= server.clock.slept[0] <= 92


class Answers:
    """A vendor's copy asked without a network, its answers changed on the way."""

    def __init__(self, routes, change):
        self.routes, self.change = routes, change

    def get(self, path, params=()):
        return self.post(path, None, {name: str(value) for name, value in params})

    def post(self, path, body, query=None):
        return self.change(json.loads(json.dumps(self.routes[path](query, body)), parse_float=Decimal))

    def documents(self, link):
        route = self.routes.get(link.partition("?")[0])
        if route is None:
            raise WindowError("a download link answers 404")
        return [self.change(json.loads(route(None, None), parse_float=Decimal))]


def leaves(document, path=()):
    yield path
    for key, value in (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    ):
        yield from leaves(value, (*path, key))


def replaced(document, path, value):
    if not path:
        return value
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def copies():
    start = 1793577600
    user = {"day": made.DAY, "user_login": "octo", "loc_added_sum": 1, "ai_credits_used": 1.5, "pull_requests": {"total_created_by_copilot": 1},
            "totals_by_cli": {"session_count": 1, "token_usage": {"output_tokens_sum": 2}}}  # fmt: skip
    part = json.dumps(user).encode()
    seat = {"assignee": {"id": 1, "login": "octo"}, "plan_type": "business", "last_activity_at": "2026-11-01T10:00:00Z"}
    line = {"amount": {"value": 0.1, "currency": "usd"}, "line_item": "m, input_tokens"}
    amounts = {"currency": "USD", "list_amount": "2", "amount": "1"}
    return {
        "anthropic": vendor_apis.anthropic({
            "usage": {made.DAY: [made.usage()]}, "cost": {made.DAY: [made.cost()]}, "claude_code": [made.claude_code()],
            "analytics_usage": [made.analytics("usage", **made.usage())], "analytics_cost": [made.analytics("cost", **amounts)]}),
        "openai": vendor_apis.openai({name: {start: [{"input_tokens": 1, "batch": True}]} for name in ("completions", "embeddings", "moderations")}
                                     | {"costs": {start: [line]}}),
        "cursor": vendor_apis.cursor({"events": [made.event()], "daily": [made.editor()], "members": [made.member()], "commits": [made.commit()]}),
        "copilot": vendor_apis.copilot({"users": {made.DAY: [part]}, "organization": {made.DAY: [part]}, "seats": [seat],
                                        "credits": {made.DAY: [{"grossAmount": 1.5, "netAmount": 1, "user": "octo"}]}}),
    }  # fmt: skip


@pytest.mark.parametrize("name", vendors.names())
def test_any_json_anywhere_gives_a_window_or_fails_it(name):
    day, routes = datetime.date.fromisoformat(made.DAY), copies()[name]
    for report in vendors.open_vendor(name).reports:
        seen = []
        whole = Answers(routes, lambda document, seen=seen: seen.append(document) or document)
        window = report.fetch(Api(whole, "acme", b"k" * 20), day)
        assert window.rows, report.name
        outcomes = set()
        for number, document in enumerate(seen):
            for path in leaves(document):
                for value in HOSTILE:
                    outcomes.add(_outcome(report, routes, day, number, path, value))
        assert outcomes <= {"window", "failed", "absent"}
        assert {"window", "failed"} <= outcomes


def _outcome(report, routes, day, number, path, value):
    asked = []

    def change(document):
        asked.append(1)
        return replaced(document, path, value) if len(asked) == number + 1 else document

    try:
        window = report.fetch(Api(Answers(routes, change), "acme", b"k" * 20), day)
        for row in window.rows if window else ():
            json.dumps([made_row.values for made_row in publishable(row)])
    except WindowError:
        return "failed"
    return "window" if window else "absent"
