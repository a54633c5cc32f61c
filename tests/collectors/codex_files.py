"""Where the Codex tests find their rollouts, and how they look at what comes out."""

from pathlib import Path

from collectors.conformance import of_kind, read_file, read_home  # noqa: TID251 - the folder of these tests
from meterhouse_collector.sources import codex

TRAPS = Path(__file__).parent / "fixtures" / "codex"  # one CODEX_HOME per trap of the format, canaries for content


def events_of(path):
    return read_file(codex, path)


def events_under(home):
    return read_home(codex, Path("/nowhere"), {"CODEX_HOME": str(home)})


def rollouts(*roots):
    return [path for root in roots for path in sorted(root.rglob("rollout-*"))]


def pick(found, *names):
    return [tuple(event.get(name) for name in names) for event in found]


def outcomes_of(found):
    """Per call the last observation that knows an outcome, else the one that saw the call."""
    calls = sorted(of_kind(found, "tool_call"), key=lambda event: "success" in event)
    names = ("tool_name", "success", "exit_code", "duration_ms", "decision")
    return dict(zip((event["native_id"] for event in calls), pick(calls, *names), strict=True))
