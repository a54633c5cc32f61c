"""A laptop for tests: a home folder with a made-up agent's files, a spool and a destination folder, driven as a user would."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

from meterhouse_collector import sources
from meterhouse_collector.__main__ import main

HERE = Path(__file__).parent
LAUNCH = [sys.executable, str(HERE / "launch.py")]
MADE_UP = str(HERE / "made_up")
CANARY = "CANARY-7f3a prompt text"


def turn(number, **more):
    """One line of the made-up agent."""
    at = f"2026-10-{1 + number // 86400 % 28:02d}T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
    return {"id": f"turn-{number}", "tokens": number, "at": at, "text": CANARY, **more}


def jsonl(turns):
    """The lines of turns, as an agent would append them."""
    return "".join(json.dumps(one) + "\n" for one in turns)


class Laptop:
    """Folders below one temporary folder; `once` and the like run in this process, `start` is a process of its own."""

    def __init__(self, root):
        if MADE_UP not in sources.__path__:
            sources.__path__.append(MADE_UP)
        self.root = root
        self.home, self.spool, self.to = root / "home", root / "state" / "spool", root / "lake"
        (self.home / ".diary").mkdir(parents=True)

    def file(self, name="a.jsonl"):
        return self.home / ".diary" / name

    def append(self, text, name="a.jsonl"):
        with open(self.file(name), "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)

    def arguments(self, command, to=None):
        place = ["--home", str(self.home), "--spool", str(self.spool)]
        shipping = ["--to", str(to or self.to)] if command in ("once", "run", "doctor") else []
        return [command, *place, *shipping]

    @property
    def settings(self):
        return self.spool.parent / "collector.json"

    def write_settings(self, **values):
        self.settings.parent.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(json.dumps(values))

    def once(self, to=None):
        return main(self.arguments("once", to))

    def start(self, command="run", to=None, **variables):
        if command == "run" and not self.settings.exists():  # no test takes the port of a developer's own collector
            self.write_settings(otlp_port=0)
        environment = {**os.environ, "METERHOUSE_PERSON": "p-1", **variables}
        return subprocess.Popen(
            [*LAUNCH, *self.arguments(command, to)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def segments(self):
        """Header and event lines of every shipped segment, by epoch and number."""
        found = []
        for path in sorted(self.to.rglob("*.jsonl.gz")):
            header, *lines = gzip.decompress(path.read_bytes()).splitlines()
            found.append((json.loads(header), lines))
        return found

    def lines(self):
        return [line for _, lines in self.segments() for line in lines]

    def events(self):
        return [json.loads(line) for line in self.lines()]

    def ids(self):
        """Native ids of all shipped events, in order."""
        return [event.get("native_id", event["kind"]) for event in self.events()]

    def native_ids(self):
        """Like `ids`, without heartbeats."""
        return [name for name in self.ids() if name != "heartbeat"]

    def dropped(self):
        """Drops by reason over all segments."""
        total = {}
        for header, _ in self.segments():
            for reason, count in header["dropped"].items():
                total[reason] = total.get(reason, 0) + count
        return total


def numbers(laptop):
    """Numbers of all shipped turns, in order."""
    return [int(name.split("-")[1]) for name in laptop.ids()]
