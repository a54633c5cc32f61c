"""Pull requests, reviews and CI runs over the commits, as the forge's own collector would ship them.

Each state of a pull request is an event of its own; nothing is known before it happens, nor after the last day.
"""

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from meterhouse.sample.drafts import Draft, instant
from meterhouse.sample.people import Person, digest, stream
from meterhouse.sample.story import Story

SOURCE = "github"
FIRST_NUMBER = 300


def events(story: Story, crowd: list[Person], commits: list[Draft]) -> list[Draft]:
    """Everything the forge saw until the end of the window."""
    rng = stream(story, "forge")
    numbers: dict[str, int] = defaultdict(lambda: FIRST_NUMBER)
    drafts = []
    for batch in _batches(story, commits, rng):
        repository = batch[0].values["repository"]
        numbers[repository] += 1
        drafts += _pull_request(story, crowd, batch, numbers[repository], rng)
    end = dt.datetime.combine(story.last_day, dt.time.max, dt.UTC)
    return [draft for draft in drafts if draft.at <= end]


def _batches(story: Story, commits: list[Draft], rng: random.Random) -> list[list[Draft]]:
    """Commits of one person in one repository, cut into pull requests, in the order of opening."""
    ordered: dict[tuple[str, str], list[Draft]] = defaultdict(list)
    for commit in commits:
        ordered[commit.values["person_key"], commit.values["repository"]].append(commit)
    batches = []
    for rows in ordered.values():
        while rows:
            size = 1 + int(rng.expovariate(1 / (story.forge.commits_per_request - 0.5)))
            batches.append(rows[:size])
            rows = rows[size:]
    return sorted(batches, key=lambda batch: (batch[-1].at, batch[-1].values["commit_sha"]))


def _pull_request(
    story: Story, crowd: list[Person], batch: list[Draft], number: int, rng: random.Random
) -> Iterator[Draft]:
    opened = batch[-1].at + dt.timedelta(minutes=rng.randint(4, 90))
    ended = opened + dt.timedelta(seconds=int(3600 * story.forge.merge_hours * rng.lognormvariate(0.0, 1.0)))
    is_merged = rng.random() >= story.forge.closed_share
    shared = _shared(batch, number, opened)
    author, head = batch[0].values["person_key"], batch[-1].values["commit_sha"]
    yield _draft("pull_request", opened, (number, "open"), {**shared, "pull_request_state": "open"})
    reviewer = _reviewer(crowd, author, opened.date(), rng)
    reviewed = opened + (ended - opened) * 0.8
    yield _review(shared, number, reviewer, "approved" if is_merged else "changes_requested", reviewed)
    if rng.random() < 0.3:
        yield _review(shared, number, reviewer, "commented", opened + (ended - opened) * 0.5)
    if rng.random() < story.forge.ci_share:
        yield from _ci(story, shared, head, opened, rng)
    state = "merged" if is_merged else "closed"
    merged = {"merged_at": instant(ended), "merge_sha": digest("merge", head, length=40)} if is_merged else {}
    yield _draft(
        "pull_request", ended, (number, state),
        {**shared, **merged, "pull_request_state": state, "closed_at": instant(ended)},
    )  # fmt: skip


def _shared(batch: list[Draft], number: int, opened: dt.datetime) -> dict[str, Any]:
    agents = sorted({name for commit in batch for name in commit.values["ai_agents"] or []})
    return {
        "repository": batch[0].values["repository"],
        "pull_request_number": number,
        "person_key": batch[0].values["person_key"],
        "opened_at": instant(opened),
        "ready_at": instant(opened),
        "head_sha": batch[-1].values["commit_sha"],
        "lines_added": sum(commit.values["lines_added"] for commit in batch),
        "lines_removed": sum(commit.values["lines_removed"] for commit in batch),
        "files_changed": max(commit.values["files_changed"] for commit in batch),
        "ai_agents": agents or None,
        "ai_evidence": ["trailer"] if agents else None,
        "is_bot": False,
    }


def _draft(kind: str, at: dt.datetime, key: tuple[Any, ...], values: dict[str, Any]) -> Draft:
    return Draft(kind, SOURCE, "forge", at, (values["repository"], *key), values)


def _reviewer(crowd: list[Person], author: str, day: dt.date, rng: random.Random) -> str:
    team = next(person for person in crowd if person.key == author).team_on(day)
    mates = [one.key for one in crowd if one.team_on(day) == team and one.key != author and one.is_engineer]
    return rng.choice(mates)


def _review(shared: dict[str, Any], number: int, reviewer: str, state: str, at: dt.datetime) -> Draft:
    values = {name: shared[name] for name in ("repository", "pull_request_number", "head_sha", "is_bot")}
    return _draft("review", at, (number, reviewer, state), {**values, "reviewer_key": reviewer, "review_state": state})


def _ci(story: Story, shared: dict[str, Any], head: str, opened: dt.datetime, rng: random.Random) -> Iterator[Draft]:
    """One run; a failure is followed by a second attempt that passes."""
    run = digest("ci", head, length=12)
    at, attempt, fails = opened, 0, True
    while fails:
        attempt += 1
        fails = attempt == 1 and rng.random() < story.forge.ci_failure_share
        took = rng.randint(90, 1500)
        at += dt.timedelta(seconds=took)
        values = {
            "repository": shared["repository"], "pull_request_number": shared["pull_request_number"],
            "ci_run_id": run, "head_sha": head, "attempt": attempt,
            "ci_conclusion": "failure" if fails else "success", "duration_ms": took * 1000,
        }  # fmt: skip
        yield _draft("ci_run", at, (run, attempt), values)
