"""The plan of a generated organisation: its size, and the shares that make its traffic look real. Nothing here names a real person."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Plan:
    """How large, how long, which seed; shares are of events, segments or sessions as named. Same plan, same bytes."""

    engineers: int
    days: int
    seed: int
    first_day: date = date(2026, 9, 1)  # prices and models below are of that autumn
    events_per_day: float = 100.0  # mean an engineer and plain working day; the median is about half of it
    segment_days: int = 1  # a sender seals one segment each so many days
    late_share: float = 0.02  # days of a sender that arrive 1 to 10 days late
    redelivered_share: float = 0.01  # segments sent again under another name
    malformed_share: float = 0.0001  # lines beside the good ones that break the contract
    parked_share: float = 0.00002  # lines of a later version of the contract


@dataclass(frozen=True)
class Agent:
    """One agent as its files tell it; shares weigh models."""

    name: str
    version: str
    surface: str
    provider: str
    response_prefix: str
    writes_cache: bool
    weight: float
    models: tuple[tuple[str, float], ...]


AGENTS = (
    Agent("claude_code", "2.1.197", "cli", "anthropic", "msg_", True, 0.55,
          (("claude-opus-4-8", 0.3), ("claude-sonnet-5", 0.55), ("claude-haiku-4-5", 0.15))),
    Agent("codex", "0.169.0", "codex-tui", "openai", "resp_", False, 0.3,
          (("gpt-5.2-codex", 0.7), ("gpt-5.2", 0.3))),
    Agent("gemini_cli", "0.31.0", "cli", "gcp.gemini", "gem_", False, 0.15,
          (("gemini-3-pro-preview", 0.6), ("gemini-2.5-flash", 0.4))),
)  # fmt: skip
WEEKDAYS = (1.0, 1.08, 1.1, 1.05, 0.85, 0.1, 0.08)  # Monday to Sunday
HOURS = (0.1, 0.05, 0.05, 0.05, 0.05, 0.1, 0.3, 0.9, 2.2, 3.6, 4.0, 3.4, 1.9, 3.0, 3.9, 4.0, 3.4, 2.3, 1.2, 0.9, 0.8,
         0.6, 0.4, 0.2)  # fmt: skip  # of the local day
OFFSETS = (-8, -5, 0, 1, 1, 1, 5)  # hours from UTC
SESSION_REQUESTS = 25.0  # mean; the spread is log-normal
EVENTS_PER_REQUEST = 2.0  # with tools, changes, prompts and the session's share
ACTIVITY_SPREAD = 1.0  # sigma of the log-normal over people
POWER_SHARE, POWER_FACTOR = 0.02, 6.0
TEAM_SIZE, DIVISION_SIZE = 9, 12
