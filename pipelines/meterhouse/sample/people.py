"""The people of the sample organisation, derived from the seed: pseudonyms, teams, habits.

No names and no addresses of persons: a person is a key, as in every table of Meterhouse.
"""

import datetime as dt
import hashlib
import random
from dataclasses import dataclass, replace

from meterhouse.sample.story import Story, Team

ROLES = {"engineer": 6, "senior_engineer": 3, "staff_engineer": 1}


@dataclass(frozen=True)
class Person:
    """One person: pseudonym, device, place, and how they work."""

    key: str
    sender: str
    team: str
    role: str
    is_engineer: bool
    agent: str
    starts: dt.date | None
    pace: float
    moves_to: str | None = None
    moves_on: dt.date = dt.date.max

    def team_on(self, day: dt.date) -> str:
        """The team the roster names for a day."""
        return self.moves_to if self.moves_to and day >= self.moves_on else self.team


def digest(*parts: object, length: int) -> str:
    """So many hexadecimal digits that depend on the parts alone."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:length]


def stream(story: Story, *names: object) -> random.Random:
    """A stream of random numbers of its own for each name; seeding by text is stable across Python versions."""
    return random.Random("|".join(map(str, (story.seed, *names))))  # noqa: S311 - a story, not a secret


def people(story: Story) -> list[Person]:
    """Everybody on the roster, in the order of teams; the same for the same seed."""
    rng = stream(story, "people")
    crowd = [_person(story, team, n, rng) for team in story.teams for n in range(team.engineers + team.managers)]
    mover = first_of(crowd, story.move.origin)
    return [replace(one, moves_to=story.move.to, moves_on=story.move.day) if one is mover else one for one in crowd]


def first_of(crowd: list[Person], team: str, agent: str | None = None) -> Person:
    """The first engineer of a team who has used agents, or this agent, from the first day on."""
    begun = min(one.starts for one in crowd if one.starts)
    for one in crowd:
        if one.team == team and one.is_engineer and one.starts == begun and agent in (None, one.agent):
            return one
    raise LookupError(f"{team}: nobody there uses {agent or 'an agent'} from the start; take another seed")


def _person(story: Story, team: Team, number: int, rng: random.Random) -> Person:
    is_engineer = number < team.engineers
    key = digest(story.seed, "person", team.name, number, length=32)
    return Person(
        key=key,
        sender=digest(story.seed, "sender", key, length=16),
        team=team.name,
        role=rng.choices(list(ROLES), list(ROLES.values()))[0] if is_engineer else "product_manager",
        is_engineer=is_engineer,
        agent=rng.choices(list(team.agents), list(team.agents.values()))[0],
        starts=_start(story, rng),
        pace=team.pace * rng.lognormvariate(0.0, 0.35) * (1.0 if is_engineer else 0.3),
    )


def _start(story: Story, rng: random.Random) -> dt.date | None:
    chance, day = rng.random(), rng.randrange(1, story.adoption.last_week * 7)
    if chance < story.adoption.at_start:
        return story.first_day
    if chance > 1 - story.adoption.never:
        return None
    return story.first_day + dt.timedelta(day)
