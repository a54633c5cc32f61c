"""People and their sessions: log-normal activity with a few power users, weekdays, office hours, agents and models."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from meterhouse.generate import plan as figures
from meterhouse.generate.lines import texts, uuids
from meterhouse.generate.plan import AGENTS, Plan

DAY_US = 86_400_000_000
_MODELS = tuple((agent, model, share * agent.weight) for agent in AGENTS for model, share in agent.models)


def epoch_day(plan: Plan) -> int:
    """The first day, in days since 1970."""
    return (plan.first_day - date(1970, 1, 1)).days


@dataclass(frozen=True)
class Crowd:
    """A block of engineers: their keys and devices, and what sets them apart. One array entry a person."""

    numbers: np.ndarray
    person_key: pl.Series
    sender: pl.Series
    activity: np.ndarray
    """Mean is 1 over a large crowd."""
    offset: np.ndarray
    favourite: np.ndarray
    """Number of the agent that most of the person's sessions use."""


def crowd(rng: np.random.Generator, numbers: np.ndarray) -> Crowd:
    """The people of one block."""
    count = len(numbers)
    spread = figures.ACTIVITY_SPREAD
    activity = rng.lognormal(-(spread**2) / 2, spread, count)
    is_power = rng.random(count) < figures.POWER_SHARE
    activity *= np.where(is_power, figures.POWER_FACTOR, 1.0) / (1 + figures.POWER_SHARE * (figures.POWER_FACTOR - 1))
    weights = [agent.weight for agent in AGENTS]
    return Crowd(
        numbers, texts(rng, count, 32), texts(rng, count, 16), activity,
        rng.choice(figures.OFFSETS, count), rng.choice(len(AGENTS), count, p=weights),
    )  # fmt: skip


@dataclass(frozen=True)
class Sessions:
    """The sessions of a block: what their events share as columns, and arrays for the arithmetic."""

    shared: pl.DataFrame
    person: np.ndarray
    """Place in the crowd."""
    started_us: np.ndarray
    requests: np.ndarray
    writes_cache: np.ndarray


def sessions(rng: np.random.Generator, plan: Plan, people: Crowd) -> Sessions:
    """Every session of these people in the window."""
    weekdays = [figures.WEEKDAYS[(plan.first_day + timedelta(days=day)).weekday()] for day in range(plan.days)]
    per_day = plan.events_per_day / figures.EVENTS_PER_REQUEST / figures.SESSION_REQUESTS
    counts = rng.poisson(np.outer(people.activity * per_day, weekdays))
    person, day = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices(counts.shape))
    total = len(person)
    hours = np.array(figures.HOURS)
    hour = rng.choice(24, total, p=hours / hours.sum()) - people.offset[person]
    second = hour * 3600 + rng.integers(0, 3600, total)
    first_us = epoch_day(plan) * DAY_US
    last_start = plan.days * DAY_US - 3_600_000_000
    started = np.clip(day * DAY_US + second * 1_000_000 + rng.integers(0, 1000, total) * 1000, 0, last_start) + first_us
    mean = np.log(figures.SESSION_REQUESTS) - 0.5
    requests = np.maximum(1, rng.lognormal(mean, 1.0, total)).astype(np.int64)
    model = _models(rng, people.favourite[person])
    return Sessions(_shared(rng, people, person, started, model), person, started, requests,
                    np.array([agent.writes_cache for agent, _, _ in _MODELS])[model])  # fmt: skip


def _models(rng: np.random.Generator, favourite: np.ndarray) -> np.ndarray:
    """Four of five sessions use the person's own agent."""
    weights = np.array([weight for _, _, weight in _MODELS])
    chosen = rng.choice(len(_MODELS), len(favourite), p=weights)
    for number, agent in enumerate(AGENTS):
        own = np.array([weight if row.name == agent.name else 0.0 for row, _, weight in _MODELS])
        mine = np.flatnonzero((favourite == number) & (rng.random(len(favourite)) < 0.8))
        chosen[mine] = rng.choice(len(_MODELS), len(mine), p=own / own.sum())
    return chosen


def _shared(
    rng: np.random.Generator, people: Crowd, person: np.ndarray, started: np.ndarray, model: np.ndarray
) -> pl.DataFrame:
    team = people.numbers[person] // figures.TEAM_SIZE
    service = team * 3 + rng.integers(0, 3, len(person))
    names = pl.DataFrame(
        {
            "source": [agent.name for agent, _, _ in _MODELS],
            "agent": [agent.name for agent, _, _ in _MODELS],
            "agent_version": [agent.version for agent, _, _ in _MODELS],
            "surface": [agent.surface for agent, _, _ in _MODELS],
            "provider": [agent.provider for agent, _, _ in _MODELS],
            "model": [name for _, name, _ in _MODELS],
            "response_prefix": [agent.response_prefix for agent, _, _ in _MODELS],
        }
    )[model]
    branch = pl.Series(rng.integers(1, 400, len(person)))
    instant = pl.Series(started).cast(pl.Datetime("us", "UTC")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    return names.with_columns(
        channel=pl.lit("transcript"),
        session_id=uuids(rng, len(person)),
        session_started_at=instant,
        person_key=people.person_key[person],
        repository=pl.lit("github.com/example/service-") + pl.Series(service).cast(pl.String),
        branch=pl.lit("feature/") + branch.cast(pl.String),
    )
