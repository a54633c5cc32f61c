"""A server that pulls vendors' reports, for tests: its folders, its environment, and a clock on which waiting takes no time."""

import gzip
import json
from datetime import datetime, timedelta

from collectors.vendor_apis import KEY  # noqa: TID251 - tests/collectors
from meterhouse_collector.__main__ import main
from meterhouse_collector.commands import pull as command
from meterhouse_collector.web import Clock


class StoppedClock(Clock):
    """Stands still but for sleeping; every look is a microsecond later, so that two fetches differ."""

    def __init__(self, at):
        self.at = datetime.fromisoformat(at.replace("Z", "+00:00"))
        self.slept = []

    def now(self):
        self.at += timedelta(microseconds=1)
        return self.at

    def elapsed(self):
        return self.at.timestamp()

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


class Server:
    """Pulls one vendor into a folder as a user would, in this process."""

    def __init__(self, root, monkeypatch, vendor, url, at, account=None, pseudonym_key="k" * 20):
        self.vendor, self.to, self.spool = vendor, root / "bucket", root / "state" / "spool"
        self.home = root / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.clock = StoppedClock(at)
        monkeypatch.setattr(command, "Clock", lambda: self.clock)
        variables = {"KEY": KEY, "URL": url, "ACCOUNT": account or ""}
        for name, value in variables.items():
            monkeypatch.setenv(f"METERHOUSE_{vendor.upper()}_{name}", value)
        monkeypatch.setenv("METERHOUSE_PSEUDONYM_KEY", pseudonym_key)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def arguments(self, *more):
        place = ["--home", str(self.home), "--spool", str(self.spool), "--to", str(self.to)]
        return ["pull", self.vendor, *place, *more]

    def pull(self, *more):
        return main(self.arguments(*more))

    def lines(self):
        """Every shipped event line, in the order of shipping."""
        found = []
        for path in sorted(self.to.rglob("*.jsonl.gz")):
            found += gzip.decompress(path.read_bytes()).splitlines()[1:]
        return found

    def events(self, kind=None):
        """All shipped events, or those of one kind."""
        return [event for event in map(json.loads, self.lines()) if kind in (None, event["kind"])]

    def current(self, kind):
        """Events of a kind that the newest fetch of their window gave."""
        newest = {(row["report"], row["window_start"]): row["fetched_at"] for row in self.events("vendor_window")}
        return [
            row for row in self.events(kind) if newest.get((row["report"], row["window_start"])) == row["fetched_at"]
        ]
