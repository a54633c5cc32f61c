"""The parameters of the sample's story, read from `organisation.toml` into frozen values.

Every figure of the story stands in that file. Structs, not dataclasses: they refuse a misspelt key, too.
"""

import datetime as dt
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from meterhouse.errors import SettingsError

Date = dt.date


def default_folder() -> Path:
    """The checkout's `data/sample`; an installed wheel has none."""
    return Path(__file__).resolve().parents[3] / "data" / "sample"


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the file."""


class Rhythm(Told, frozen=True):
    """When people work and how use grows."""

    weekdays: list[float]
    holidays: list[Date]
    holiday: float
    at_work: float
    growth: float


class Adoption(Told, frozen=True):
    """Who starts to use agents, and when."""

    at_start: float
    never: float
    last_week: int


class Session(Told, frozen=True):
    """What happens in a session, in means and shares."""

    per_day: float
    requests: float
    request_gap_s: float
    requests_per_prompt: float
    tool_share: float
    failure_share: float
    reject_share: float
    subagent_share: float
    fork_share: float
    grown_share: float
    refused_share: float
    commit_share: float
    limit_share: float
    trailer_share: float


class Tokens(Told, frozen=True):
    """Median tokens of a request by part, and the spread of their log-normal."""

    context: int
    written: int
    uncached: int
    output: int
    spread: float


class Forge(Told, frozen=True):
    """From commits to pull requests, reviews and CI."""

    commits_per_request: float
    closed_share: float
    merge_hours: float
    ci_share: float
    ci_failure_share: float


class Runaway(Told, frozen=True):
    """The one session that costs hundreds of dollars within hours."""

    team: str
    day: Date
    hour: int
    requests: int
    gap_s: int
    model: str
    written: int
    output: int


class Move(Told, frozen=True):
    """One person's change of team."""

    origin: str
    to: str
    day: Date


class Demo(Told, frozen=True):
    """Whose home folder is laid out."""

    team: str


class Unpriced(Told, frozen=True):
    """A model without a public price, used by one agent from a day on."""

    agent: str
    model: str
    since: Date
    share: float


class Blemishes(Told, frozen=True):
    """How much of what arrives is late, doubled or dropped."""

    late_share: float
    duplicates: int
    drops: int


class Governance(Told, frozen=True):
    """What goes into governance.yaml besides the teams' budgets."""

    currency: str
    session_usd: int
    session_owner: str
    alert_probability: float
    executives: list[str]


class Team(Told, frozen=True):
    """One team: its size, money, code and habits."""

    name: str
    division: str
    cost_centre: str
    engineers: int
    managers: int
    pace: float
    budget_usd: int
    language: str
    repositories: list[str]
    agents: dict[str, float]

    @property
    def owner_role(self) -> str:
        """Who answers for the team's spend, as the roster says it."""
        return f"{self.name}-lead"

    @property
    def owner(self) -> str:
        """Address of the team's function, never of a person; only governance.yaml holds addresses."""
        return f"{self.owner_role}@example.com"


class Model(Told, frozen=True):
    """One model as an agent uses it: how often, how large, from when."""

    name: str
    weight: int
    window: int
    scale: float = 1.0
    since: Date = Date.min


class Limit(Told, frozen=True):
    """A provider's limit that an agent's files report."""

    name: str
    window_minutes: int
    plan: str


class Agent(Told, frozen=True):
    """One agent and what its session files know."""

    name: str
    provider: str
    surface: str
    tool_time: Literal["exact", "upper_bound", "unknown"]
    response_prefix: str
    writes_cache: bool
    reasoning_share: float
    tools: dict[str, int]
    edits: list[str]
    versions: dict[str, Date]
    models: list[Model]
    records_branch: bool = True
    subagent_tool: str | None = None
    subagent_model: str | None = None
    limit: Limit | None = None

    def version_on(self, day: Date) -> str | None:
        """The version in use on a day; None when the agent's files do not tell it."""
        return next((name for name, since in reversed(self.versions.items()) if since <= day), None)


class Story(Told, frozen=True):
    """The whole story."""

    seed: int
    first_day: Date
    last_day: Date
    segment_days: int
    collector_version: str
    rhythm: Rhythm
    adoption: Adoption
    session: Session
    tokens: Tokens
    forge: Forge
    runaway: Runaway
    move: Move
    demo: Demo
    unpriced: Unpriced
    blemishes: Blemishes
    governance: Governance
    teams: list[Team]
    agents: list[Agent]

    @property
    def days(self) -> list[Date]:
        """Every day of the window."""
        return [self.first_day + dt.timedelta(n) for n in range((self.last_day - self.first_day).days + 1)]

    def team(self, name: str) -> Team:
        """The team of this name."""
        return next(team for team in self.teams if team.name == name)

    def agent(self, name: str) -> Agent:
        """The agent of this name."""
        return next(agent for agent in self.agents if agent.name == name)


def read(folder: Path, seed: int | None = None) -> Story:
    """The story told by `folder/organisation.toml`, with another seed if one is given."""
    path = folder / "organisation.toml"
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); run in a checkout or name the folder") from error
    if seed is not None:
        told["seed"] = seed
    try:
        return msgspec.convert(told, Story)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}; compare with the committed file") from error
