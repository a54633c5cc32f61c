"""OTLP bodies taken by the real decoder, dialects, inlets and privacy wall, without a spool: what the tests of dialects share."""

import json

from meterhouse_collector.cursors import copy_cursors
from meterhouse_collector.inlet import Inlets
from meterhouse_collector.otlp import receive
from meterhouse_collector.otlp.body import loads
from meterhouse_collector.otlp.records import signal_of
from meterhouse_collector.outbox import Outbox
from meterhouse_collector.privacy import Publisher


class Out(Outbox):
    """Keeps the lines in memory."""

    def __init__(self):
        super().__init__(copy_cursors(""))
        self.lines = []

    def _keep(self, entries):
        self.lines += [entry.line for entry in entries]


class Pushed:
    """Bodies taken one after the other, by one person."""

    def __init__(self, key=None):
        self.out = Out()
        self.inlets = Inlets(self.out, Publisher("p-1", "names", key))
        self.outcomes = []

    def take(self, *bodies):
        for body in bodies:
            decoded = loads(body) if isinstance(body, bytes) else body
            self.outcomes.append(receive(self.inlets, signal_of(decoded) or "logs", decoded))
        self.inlets.commit()
        return self

    @property
    def events(self):
        return [json.loads(line) for line in self.out.lines]

    def requests(self):
        """Answered requests as the provider bills them: model, input without cache, cache read, cache write, output."""
        return [
            (
                event["model"],
                event["input_tokens"] - event.get("cache_read_tokens", 0) - event.get("cache_write_tokens", 0),
                event.get("cache_read_tokens", 0),
                event.get("cache_write_tokens", 0),
                event["output_tokens"],
            )
            for event in self.events
            if event["kind"] == "model_request" and event["status"] == "ok"
        ]


def bodies_of(path):
    """The bodies of a recorded file, one a line."""
    return [line for line in path.read_bytes().split(b"\n") if line]
