"""What the tests of `exec` share: a home, a PATH with fake agents, and a receiver that only listens."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from collectors.laptop import LAUNCH, Laptop  # noqa: TID251 - tests/collectors

AGENT = Path(__file__).with_name("fake_agent.py")
OURS = re.compile(r"^(METERHOUSE|CLAUDE|OTEL|CODEX|GEMINI|QWEN|COPILOT|ANTHROPIC|OPENAI|GOOGLE|CI$|GITHUB|GITLAB)")
CANARY = "CANARY-7f3a argument"


class Bench:
    """A home, a PATH with fake agents, and a receiver that only listens."""

    def __init__(self, root):
        self.home, self.bin, self.report = root / "home", root / "bin", root / "report.json"
        self.laptop = Laptop(root)
        self.bin.mkdir()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.variables = {}
        self.python = sys.executable
        self.settings(otlp_endpoint=self.endpoint)

    def settings(self, **values):
        self.laptop.spool.parent.mkdir(exist_ok=True)
        (self.laptop.spool.parent / "collector.json").write_text(json.dumps(values))

    def agent(self, name, package=None, version=None):
        folder = self.bin if package is None else self.bin.parent / "lib" / "node_modules" / package
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "cli.py" if package else folder / name
        path.write_text(f"#!{sys.executable}\n" + AGENT.read_text())
        path.chmod(0o755)
        if package:
            (folder / "package.json").write_text(json.dumps({"name": package, "version": version}))
            (self.bin / name).symlink_to(path)
        return self.bin / name

    def start(self, *arguments, wait=False, order="0", **popen):
        environment = {key: value for key, value in os.environ.items() if not OURS.match(key)}
        environment |= {"HOME": str(self.home), "PATH": f"{self.bin}:{os.environ['PATH']}"}
        environment |= {"FAKE_REPORT": str(self.report), "FAKE_AGENT": order, **self.variables}
        command = [
            self.python,
            LAUNCH[1],
            "exec",
            "--spool",
            str(self.laptop.spool),
            *(["--wait"] if wait else []),
            "--",
        ]
        popen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen}
        return subprocess.Popen([*command, *arguments], env=environment, **popen)

    def run(self, *arguments, **more):
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=60)
        assert err == b""
        return process.returncode, out

    def seen(self):
        return json.loads(self.report.read_text())

    def drops(self):
        return [json.loads(path.read_text()) for path in sorted((self.laptop.spool.parent / "launches").glob("*.json"))]

    def launches(self):
        self.laptop.once()
        return [event for event in self.laptop.events() if event["kind"] == "launch"]
