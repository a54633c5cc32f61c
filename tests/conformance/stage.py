"""A laptop, an intake, a gateway and a server with all that the collector can read, full of canaries; every command's words are kept."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors import conformance, planted_home, vendor_apis  # noqa: TID251 - tests/collectors
from collectors import fixtures_vendors as made  # noqa: TID251
from collectors.test_git_source import Repository  # noqa: TID251
from conformance.canaries import Canaries
from meterhouse_collector import segment

DAY = "2026-11-02"
TOKEN = "a-token-of-sixteen-or-more"
FAKE_AGENT = Path(planted_home.__file__).with_name("fake_agent.py")
FIRST = 1793577600  # second of DAY
CALLBACK = """
import json, sys
from meterhouse_collector.gateways.litellm_callback import handler
for line in open(sys.argv[1]):
    payload = json.loads(line)
    handler.record({"standard_logging_object": payload, "messages": payload.get("messages")})
print(handler.flush())
"""
ROWS: dict[str, Any] = {  # of each vendor, one of everything
    "anthropic": {
        "usage": {DAY: [made.usage()]}, "cost": {DAY: [made.cost()]}, "claude_code": [made.claude_code()],
        "analytics_usage": [made.analytics("usage", output_tokens=5)], "analytics_cost": [made.analytics("cost", currency="USD", list_amount="200", amount="180.5")],
    },
    "openai": {
        "completions": {FIRST: [{"input_tokens": 1000, "input_cached_tokens": 400, "output_tokens": 500, "num_model_requests": 5,
                                 "model": "gpt-5.4", "project_id": "proj_1", "user_id": "u", "api_key_name": "x"}]},
        "costs": {FIRST: [{"amount": {"value": 0.1, "currency": "usd"}, "line_item": "gpt-5.4, input_tokens", "project_name": "x"}]},
    },
    "cursor": {"events": [made.event()], "daily": [made.editor()], "members": [made.member()], "commits": [made.commit()]},
    "copilot": {
        "users": {DAY: [{"day": DAY, "user_login": "octo", "user_initiated_interaction_count": 2}]},
        "organization": {DAY: [{"day": DAY, "daily_active_users": 3}]},
        "seats": [{"assignee": {"login": "octo", "email": made.EMAIL}, "plan_type": "business", "last_activity_editor": "x/1/y"}],
        "credits": {DAY: [{"sku": "copilot_ai_credit", "model": "m", "unitType": "ai-credits", "grossAmount": 1.0, "netAmount": 0}]},
    },
}  # fmt: skip


class Stage:
    """Everything that is written lies below `work`; `home` and `given` hold what is read and are not searched."""

    def __init__(self, root: Path) -> None:
        self.work, self.home, self.given = root / "work", root / "home", root / "given"
        for folder in (self.work, self.home, self.given):
            folder.mkdir()
        self.canaries = Canaries()
        self.words = ""
        self.place = ["--home", str(self.home), "--spool", str(self.work / "spool"), "--to", str(self.work / "raw")]
        self.environment = {**os.environ, "METERHOUSE_PSEUDONYM_KEY": "k" * 20, "NO_PROXY": "127.0.0.1"}

    def run(self, command: list[str], codes: tuple[int, ...] = (0,), **variables: str) -> str:
        """One command's output; all its words are kept."""
        done = subprocess.run([sys.executable, *command], cwd=self.work, capture_output=True, text=True, check=False,
                              env={**self.environment, **variables})  # fmt: skip
        assert done.returncode in codes, done.stderr
        self.words += done.stdout + done.stderr
        return done.stdout

    def collector(self, *words: str, codes: tuple[int, ...] = (0,), **variables: str) -> str:
        """One command of the collector in this place."""
        return self.run(["-m", "meterhouse_collector", words[0], *self.place, *words[1:]], codes, **variables)

    def lines(self) -> list[bytes]:
        """Event lines of every shipped segment."""
        return [line for path in sorted(self.work.rglob("*.jsonl.gz")) for line in segment.unseal(path.read_bytes())[1]]

    def told(self) -> Counter[str]:
        """Shipped events by source."""
        return Counter(json.loads(line)["source"] for line in self.lines())

    def planted(self, origin: str, records: list[Any], name: str = "records.jsonl") -> Path:
        """A file of records with canaries, one a line."""
        self.canaries.origin = origin
        path = self.given / f"{origin}-{name}"
        path.write_text("".join(json.dumps(self.canaries.plant(record)) + "\n" for record in records))
        return path

    def work_tree(self) -> None:
        """A repository whose messages, authors and files are canaries, and a session that names it."""
        self.canaries.origin = "git"
        new = self.canaries.new
        tree = Repository(self.home / "src" / "shop")
        for number in range(3):
            author = {"GIT_AUTHOR_NAME": new(), "GIT_AUTHOR_EMAIL": "me@example.com", "GIT_COMMITTER_NAME": new()}
            tree.commit(f"{new()}\n\n{new()}\n\nCo-authored-by: {new()} <{new()}@example.com>", {f"{new()}.py": new()},
                        at=f"2026-10-01T12:0{number}:00Z", **author)  # fmt: skip
        log = self.home / ".claude" / "projects" / "-src-shop" / "aaaaaaaa-9000-4000-8000-000000000001.jsonl"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(json.dumps({
            "type": "user", "sessionId": log.stem, "uuid": "u-1", "timestamp": "2026-10-01T11:00:00.000Z", "cwd": str(tree.path),
            "version": "2.1.328", "gitBranch": "main", "message": {"role": "user", "content": new()},
        }) + "\n")  # fmt: skip

    def inventory(self) -> None:
        """Settings, servers and credentials; each secret is a canary."""
        self.canaries.origin = "inventory"
        home = planted_home.Home(self.given)
        home.path, home.secret = self.home, lambda prefix="", *_: self.canaries.new(prefix)
        planted_home.plant(home)

    def launch(self) -> None:
        """An agent started through `exec`, with a canary as argument, in its environment and in its output."""
        self.canaries.origin = "exec"
        agent = self.given / "claude"
        agent.write_text(f"#!{sys.executable}\n{FAKE_AGENT.read_text()}")
        agent.chmod(0o755)
        command = ["exec", "--spool", str(self.work / "spool"), "--wait", "--", str(agent), "-p", self.canaries.new()]
        variables = {"FAKE_REPORT": str(self.given / "report.json"), "FAKE_AGENT": "0", "MY_TOKEN": self.canaries.new()}
        self.run(["-m", "meterhouse_collector", *command], HOME=str(self.home), **variables)

    def callback(self, payloads: Path) -> None:
        """The plugin inside a gateway's process, fed with what the gateway hands it."""
        folder = str(self.work / "gateway")
        self.run(
            ["-c", CALLBACK, str(payloads)],
            METERHOUSE_GATEWAY_SPOOL=folder,
            METERHOUSE_TO=str(self.work / "gateway-raw"),
        )

    def pull(self, vendor: str) -> None:
        """A vendor's answers over loopback HTTP, each with canaries."""
        routes = getattr(vendor_apis, vendor)(_bytes(self.canaries, vendor, ROWS[vendor]))
        with vendor_apis.Loopback(routes) as api:
            given = {"KEY": vendor_apis.KEY, "URL": api.url, "ACCOUNT": "acme" if vendor == "copilot" else ""}
            variables = {f"METERHOUSE_{vendor.upper()}_{name}": value for name, value in given.items()}
            self.collector("pull", vendor, "--since", DAY, "--until", DAY, **variables)

    def push(self, bodies: list[bytes]) -> None:
        """The receiver of `run` in JSON, and the intake in protobuf."""
        with self._listening("run", "otlp_port") as port:
            for body in bodies:
                post(port, "logs" if b"resourceLogs" in body[:40] else "traces", body, "application/json")
        token = self.collector("token", "add", "laptop-1").strip()
        with self._listening("serve", None) as port:
            for body in bodies:
                signal_name = "logs" if b"resourceLogs" in body[:40] else "traces"
                message = {"logs": ExportLogsServiceRequest, "traces": ExportTraceServiceRequest}[signal_name]()
                data = ParseDict(json.loads(body), message, ignore_unknown_fields=True).SerializeToString()
                post(port, signal_name, data, "application/x-protobuf", token)

    @contextmanager
    def _listening(self, command: str, setting: str | None) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        if setting:
            (self.work / "collector.json").write_text(json.dumps({setting: port}))
        where = [] if setting else ["--listen", f"127.0.0.1:{port}"]
        process = subprocess.Popen([sys.executable, "-m", "meterhouse_collector", command, *self.place, *where], cwd=self.work,
                                   env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        try:
            while b"listening" not in (line := process.stderr.readline() if process.stderr else b""):
                assert line, f"{command}: ended before it listened"
                self.words += line.decode()
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            self.words += "".join(part.decode() for part in process.communicate())


def bodies_of(path: Path) -> list[Any]:
    """The OTLP bodies of a file, one a line, without metrics."""
    return [record for record in conformance.lines_of(path) if "resourceMetrics" not in record]


def post(port: int, signal_name: str, data: bytes, kind: str, token: str | None = None) -> None:
    """One body; a refusal fails."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": kind, **({"Authorization": f"Bearer {token}"} if token else {})}
    connection.request("POST", f"/v1/{signal_name}", data, headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()


def _bytes(canaries: Canaries, vendor: str, data: Any) -> Any:
    """Rows with canaries; Copilot's reports are files of lines."""
    canaries.origin = f"{vendor}-pull"
    planted = canaries.plant(data)
    for name in ("users", "organization") if vendor == "copilot" else ():
        planted[name] = {day: [json.dumps(row).encode() + b"\n" for row in rows] for day, rows in planted[name].items()}
    return planted
