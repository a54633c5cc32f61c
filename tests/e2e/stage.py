"""One real agent on its own stage: a scratch home, the provider, the collector. The real home is never touched.

Two collectors look on, each with a spool and a bucket of its own, so that channels can be loaded alone: `once` reads session files
after every launch, `run` takes what the agent exports.
"""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

from e2e.agents import SESSION
from e2e.provider import LIMIT, Provider, Script, Step
from e2e.scenarios import Scenario

SECONDS = 900  # for one launch, far beyond what it takes
GIT = ("git", "-c", "user.name=dev", "-c", "user.email=dev@example.com", "-c", "init.defaultBranch=main")


class StageError(Exception):
    """The agent, or a collector, could not do what it was told; says which and why."""


class Stage:
    """A context manager around one agent. `sessions` says which scenario a session belongs to."""

    def __init__(self, agent: ModuleType, binary: Path, work: Path) -> None:
        self.agent, self.binary, self.work = agent, binary, work
        self.home, self.nobody = work / "home", work / "nobody"
        for folder in (self.home, self.nobody):
            folder.mkdir(parents=True)
        self.provider = Provider(work / "truth.jsonl")
        self.sessions: dict[str, str] = {}
        self.receiver: subprocess.Popen[bytes] | None = None
        self.otlp, self.url, self.open = "http://127.0.0.1:9", "", ExitStack()

    def __enter__(self) -> "Stage":
        try:
            if "otlp" in self.agent.KNOWS:
                self._listen()
            self.open.enter_context(self.provider)
            self.url = self.provider.url
            if hasattr(self.agent, "serve"):
                where = self.binary.parents[3]
                served = self.agent.serve(where, self.work, self.url, _free_port(), self.bucket("gateway"))
                self.url = self.open.enter_context(served)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._hush()
        self.open.close()

    def bucket(self, channel: str) -> Path:
        """Where the segments of a channel are."""
        return self.work / f"bucket-{channel}"

    def environment(self) -> dict[str, str]:
        """All that the agent sees: nothing of ours, and one proxy, which leads nowhere."""
        way_out = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), self.provider.url)
        inside = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
        plain = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TERM": "dumb", "LANG": "C.UTF-8", "CI": "1"}
        return {**plain, **way_out, **inside, **self.agent.configure(self.home, self.url, self.otlp)}

    def play(self, scenario: Scenario) -> None:
        """Run all launches of a scenario, collecting after each."""
        repository = self.home / "src" / scenario.name
        repository.mkdir(parents=True)
        for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "begin"]):
            subprocess.run([*GIT, *words], cwd=repository, check=True, env={**os.environ, "HOME": str(self.home)})
        for launch in scenario.launches:
            steps = [[_placed(step, repository) for step in part] for part in (launch.main, launch.sub)]
            self.provider.follow(scenario.name, Script(self.agent.speak, *steps))
            try:
                last = next((one for one, name in reversed(self.sessions.items()) if name == scenario.name), "")
                words = self.agent.command(f"E2E {scenario.name} {launch.way}", launch.way)
                words = [last if word == SESSION else word for word in words]
                self._launch(words, repository, LIMIT in launch.main)
            finally:
                self._read(scenario.name)

    def _read(self, scenario: str) -> None:
        """Collect the session files; sessions that are new are the scenario's."""
        known = set(self.bucket("transcript").rglob("*.gz"))
        self._collect("once", "--home", str(self.home), channel="transcript")
        for segment in set(self.bucket("transcript").rglob("*.gz")) - known:
            for event in _events(segment):
                if session := event.get("session_id"):
                    self.sessions.setdefault(session, scenario)

    def finish(self) -> None:
        """Take what the agent exported last, and what its gateway wrote."""
        self.open.close()
        if self.receiver:
            self._hush()
            self._collect("once", "--home", str(self.nobody), channel="otlp")

    def _launch(self, words: list[str], folder: Path, may_fail: bool) -> None:
        log = self.work / "agent.log"
        try:
            done = subprocess.run([str(self.binary), *words], cwd=folder, env=self.environment(), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=SECONDS, check=False)  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StageError(f"{self.binary.name} {' '.join(words)}: {error}") from error
        with log.open("a") as file:
            file.write(f"$ {' '.join(words)}\n{done.stdout}\n{done.stderr}\n")
        if done.returncode and not may_fail:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or [""]
            raise StageError(f"{self.binary.name}: exit {done.returncode}, {last[0][:160]}; all it said is in {log}")

    def _words(self, channel: str, *words: str) -> list[str]:
        spool = str(self.work / f"spool-{channel}" / "spool")
        return [
            sys.executable,
            "-m",
            "meterhouse_collector",
            *words,
            "--spool",
            spool,
            "--to",
            str(self.bucket(channel)),
        ]

    def _collect(self, *words: str, channel: str) -> None:
        done = subprocess.run(self._words(channel, *words), capture_output=True, text=True, check=False)
        if done.returncode:
            raise StageError(f"meterhouse-collector {' '.join(words)}: {done.stderr.strip()[-400:]}")

    def _listen(self) -> None:
        folder = self.work / "spool-otlp"
        folder.mkdir()
        port = _free_port()
        (folder / "collector.json").write_text(json.dumps({"otlp_port": port}))
        log = self.work / "receiver.log"
        with log.open("w") as file:
            self.receiver = subprocess.Popen(self._words("otlp", "run", "--home", str(self.nobody)), stderr=file)
        end = time.monotonic() + 30
        while not (found := re.search(r"listening for OTLP on (http://\S+)", log.read_text())):
            if self.receiver.poll() is not None or time.monotonic() > end:
                raise StageError(f"meterhouse-collector run: does not listen for OTLP; see {log}")
            time.sleep(0.1)
        self.otlp = found[1]

    def _hush(self) -> None:
        if self.receiver and self.receiver.poll() is None:
            self.receiver.send_signal(signal.SIGTERM)
            self.receiver.wait(timeout=60)


def _placed(step: Step, repository: Path) -> Step:
    if isinstance(step, str):
        return step
    return [
        (name, {**values, "path": str(repository / values["path"])} if "path" in values else values)
        for name, values in step
    ]


def _events(segment: Path) -> list[dict[str, Any]]:
    with gzip.open(segment, "rt") as lines:
        return [json.loads(line) for line in lines]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
