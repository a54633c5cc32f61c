"""Generates an organisation of any size as real segments with its truth: for tests, bench, and for trying Meterhouse out.

The same plan gives the same bytes: each block of people draws from a random stream of its own. `sample/` tells a story
instead, with every corner in it, at the size of a demo.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from meterhouse.errors import MeterhouseError
from meterhouse.generate import plan as figures
from meterhouse.generate.activity import TOKENS, events
from meterhouse.generate.fleet import Crowd, crowd, sessions
from meterhouse.generate.lines import encode
from meterhouse.generate.plan import Plan
from meterhouse.generate.segments import PARKED, Sealer, blemish

__all__ = ["Plan", "Truth", "generate"]
BLOCK_EVENTS = 200_000  # made at once: bounds memory, and is part of the random streams' identity


@dataclass(frozen=True)
class Truth:
    """What a load must find: events once each, by kind; lines that are duplicate, malformed (by reason) or parked."""

    events: int
    kinds: dict[str, int]
    tokens: dict[str, int]
    duplicates: int
    malformed: dict[str, int]
    parked: int
    lines: int
    segments: int
    bytes: int
    """Decompressed, without headers."""
    first_day: str
    days: int

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def generate(plan: Plan, to: Path) -> Truth:
    """Write `raw/` and `roster/` of the planned organisation below the folder `to`; gives the truth about it.

    Raises MeterhouseError when `to` holds segments already, for the truth would not be about them.
    """
    if plan.engineers < 1 or plan.days < 1:
        raise MeterhouseError("--engineers, --days: must be at least 1; give larger numbers")
    if (to / "raw").exists():
        raise MeterhouseError(f"{to}: holds segments already; give another folder")
    kinds: Counter[str] = Counter()
    tokens: Counter[str] = Counter(dict.fromkeys(TOKENS, 0))
    people = []
    with Sealer(plan, to) as sealer:
        for rng, block in _blocks(plan):
            people.append(block)
            found = sessions(rng, plan, block)
            parts = []
            for one in events(rng, plan, found):
                kinds[one.kind] += one.frame.height
                if one.kind == "model_request":
                    tokens.update({name: int(one.frame[name].sum()) for name in TOKENS})
                person = found.person[one.session]
                parts.append(pl.DataFrame({"person": person, "at_us": one.at_us, "line": encode(one.kind, one.frame)}))
            sealer.seal(rng, block, blemish(rng, plan, pl.concat(parts)))
            print(f"{kinds.total():,} events of {block.numbers[-1] + 1:,} engineers", file=sys.stderr)
    _roster(people, to / "roster")
    malformed = {fate: count for fate, count in sorted(sealer.fates.items()) if fate not in ("good", PARKED)}
    return Truth(
        sealer.fates["good"], dict(sorted(kinds.items())), dict(tokens), sealer.duplicates, malformed,
        sealer.fates[PARKED], sealer.lines, sealer.segments, sealer.size, plan.first_day.isoformat(), plan.days,
    )  # fmt: skip


def _blocks(plan: Plan) -> Iterator[tuple[np.random.Generator, Crowd]]:
    """Blocks of people, each with a random stream of its own."""
    size = max(1, int(BLOCK_EVENTS / (plan.events_per_day * plan.days)))
    for start in range(0, plan.engineers, size):
        rng = np.random.default_rng([plan.seed, start])
        yield rng, crowd(rng, np.arange(start, min(start + size, plan.engineers)))


def _roster(people: list[Crowd], folder: Path) -> None:
    """Who is in which team; teams own the budget of nobody, which is the user's to write."""
    folder.mkdir(parents=True, exist_ok=True)
    teams: dict[int, None] = {}
    with (folder / "people.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("person_key", "team", "role", "is_engineer", "valid_from", "valid_to"))
        for block in people:
            for number, key in zip(block.numbers.tolist(), block.person_key, strict=True):
                teams[number // figures.TEAM_SIZE] = None
                out.writerow((key, f"team-{number // figures.TEAM_SIZE:05d}", "engineer", "true", "2026-01-01", ""))
    with (folder / "teams.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("team", "division", "cost_centre", "owner", "valid_from", "valid_to"))
        for team in teams:
            division = team // figures.DIVISION_SIZE
            out.writerow((f"team-{team:05d}", f"division-{division:03d}", f"CC-{division:04d}", "", "2026-01-01", ""))
