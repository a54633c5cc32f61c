"""A provider on the loopback that answers real agents from a script and notes what it billed. It never repeats a response id.

It is their proxy too, and refuses whatever is meant for elsewhere: no agent gets out.

Each request belongs to one of three conversations: `main` (tools, no mark of a sub-agent), `sub` (its user's text holds the mark) and
`aux` (no tools: titles, routing). Main and sub follow their scripts; whatever comes beyond a script is answered in words, and billed.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from e2e.wire import FORMATS, Billed, Call, Event

SUB = "E2E-SUBTASK"  # in the prompt that the script gives a sub-agent
LIMIT = "limit"  # a step that refuses with 429
Step = str | list[tuple[str, dict[str, str]]]  # words, LIMIT, or actions by name
Speak = Callable[[str, dict[str, str], list[str]], Call]  # an action in the agent's own tools


@dataclass
class Script:
    """What is left to say to each conversation, and how the agent at the other end names its tools."""

    speak: Speak
    main: list[Step]
    sub: list[Step] = field(default_factory=list)


class Provider:
    """A context manager; `url` is where it listens. `truth` grows by a row a request, in memory and in the file."""

    def __init__(self, truth: Path) -> None:
        self.file = truth
        self.truth: list[dict[str, Any]] = []
        self.others: list[str] = []  # requests for anything but an answer
        self.strangers: list[str] = []  # hosts that an agent wanted to reach, in vain
        self.scenario, self.script = "", Script(lambda *_: Call("", {}), [])
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Provider":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def follow(self, scenario: str, script: Script) -> None:
        """Answer from this script from now on; a scenario that is new begins with the same numbers as all others."""
        with self._lock:
            self.scenario, self.script = scenario, script

    def answer(self, form: Any, path: str, body: Any) -> tuple[Any, Billed | None, str, list[Call]]:
        """What was asked and what to say; no `Billed` is a refusal."""
        with self._lock:
            asked = form.asked(path, body)
            role = "aux" if not asked.tools else "sub" if any(SUB in text for text in asked.texts) else "main"
            steps = {"aux": [], "main": self.script.main, "sub": self.script.sub}[role]
            step = steps.pop(0) if steps else "Done."
            billed = _bill(form, asked.model, sum(row["scenario"] == self.scenario for row in self.truth))
            if step == LIMIT:
                self._note({"id": None, "request_id": billed.request_id, "model": asked.model, "status": 429}, role)
                return asked, None, "", []
            tools = 0 if isinstance(step, str) else len(step)
            self._note({**asdict(billed), "status": 200, "api": form.api, "tools": tools}, role)
            if isinstance(step, str):
                return asked, billed, step, []
            return asked, billed, "", [self.script.speak(name, values, asked.tools) for name, values in step]

    def _note(self, row: dict[str, Any], role: str) -> None:
        self.truth.append({**row, "scenario": self.scenario, "role": role})
        with self.file.open("a") as file:
            file.write(json.dumps(self.truth[-1]) + "\n")


def _bill(form: Any, model: str, number: int) -> Billed:
    """Numbers that differ within a run and repeat from run to run: equal numbers in two sessions are two requests."""
    output = 40 + 7 * number
    ids = form.prefix + uuid.uuid4().hex, "req_" + uuid.uuid4().hex
    written = 50 + 3 * number if form.api == "anthropic" else 0
    return Billed(*ids, model, 100 + 13 * number, 1000 + 37 * number, written, output, 0 if written else output // 4)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        """Lists of models, and whatever agents look up besides."""
        provider = self.server.provider
        if "//" in self.path and not self.path.startswith(provider.url):
            provider.strangers.append(self.path)
            return self._send(403, {})
        provider.others.append(f"GET {self.path}")
        return self._send(200, {"object": "list", "data": [], "models": []})

    def do_CONNECT(self) -> None:
        """As a proxy it leads to itself alone: some agents ask a proxy even for the loopback, and nobody gets any further."""
        if f"http://{self.path}" == self.server.provider.url:
            self.send_response(200, "Connection established")
            self.end_headers()
            self.close_connection = False  # even when the client says close: what it asks comes through this tunnel
            return None
        self.server.provider.strangers.append(self.path)
        self.close_connection = True
        return self._send(403, {})

    def do_POST(self) -> None:
        """Answers, counts of tokens, and whatever agents tell their provider besides."""
        body = self._body()
        path = self.path.partition("?")[0]
        form = next((form for form in FORMATS if path.endswith(form.ends)), None)
        if form is None:
            self.server.provider.others.append(f"POST {path}")
            counted = path.endswith(("count_tokens", ":countTokens"))
            return self._send(200, {"input_tokens": 100, "totalTokens": 100} if counted else {})
        asked, billed, text, calls = self.server.provider.answer(form, path, body)
        if billed is None:
            return self._send(429, form.refusal(), {"retry-after": "1"})
        names = {"request-id": billed.request_id, "x-request-id": billed.request_id}
        if asked.is_stream:
            return self._stream(form.events(billed, text, calls), names)
        return self._send(200, form.body(billed, text, calls), names)

    def _body(self) -> Any:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            return json.loads(raw)
        except ValueError:
            return {}

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        kind = {"Content-Type": "application/json", "Content-Length": str(len(raw))}
        for name, value in {**kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, events: Iterable[Event], headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {"Content-Type": "text/event-stream", "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for name, data in events:
            line = data if isinstance(data, str) else json.dumps(data)
            self.wfile.write((f"event: {name}\n" if name else "").encode() + f"data: {line}\n\n".encode())
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing: the truth file is the log."""


class _Server(ThreadingHTTPServer):
    provider: Provider
