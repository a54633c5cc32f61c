"""What everybody did on every day: whose sessions, on which model, with which commits.

Each person's day has its own random stream, so that a change of one person's story leaves the others' bytes alone.
"""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import replace

from msgspec import structs

from meterhouse.sample import sessions
from meterhouse.sample.drafts import Draft, instant
from meterhouse.sample.people import Person, digest, first_of, stream
from meterhouse.sample.sessions import Session
from meterhouse.sample.story import Agent, Limit, Model, Story


def of_person(story: Story, person: Person) -> Iterator[Draft]:
    """Everything one person's laptop has to tell, day by day."""
    if person.starts is None:
        return
    for day in story.days:
        if day < person.starts:
            continue
        rng = stream(story, person.key, day)
        if rng.random() < _chance(story, day):
            yield from _day(story, person, day, rng)


def runaway(story: Story, crowd: list[Person]) -> tuple[str, list[Draft]]:
    """The session that nobody stopped, and its id."""
    told = story.runaway
    agent = next(one for one in story.agents if any(model.name == told.model for model in one.models))
    person = first_of(crowd, told.team, agent.name)
    at = dt.datetime.combine(told.day, dt.time(told.hour), dt.UTC)
    rng = stream(story, "runaway")
    session = _session(story, person, agent, at, rng, digest(story.seed, "runaway", length=8))
    session = replace(session, model=next(model for model in agent.models if model.name == told.model))
    drafts = sessions.run(session, 1)
    for number in range(1, told.requests):
        at += dt.timedelta(seconds=told.gap_s + rng.randint(-9, 9))
        written = told.written + rng.randint(-4000, 4000)
        tokens = {
            "input_tokens": written + 3, "cache_read_tokens": 0, "cache_write_tokens": written,
            "cache_write_5m_tokens": written, "cache_write_1h_tokens": 0,
            "output_tokens": told.output + rng.randint(-300, 300), "web_search_requests": 0,
        }  # fmt: skip
        drafts.append(sessions.request(session, 0x1000 + number, at, tokens))
    return session.id, drafts


def _chance(story: Story, day: dt.date) -> float:
    if day in story.rhythm.holidays:
        return story.rhythm.holiday
    return story.rhythm.at_work * story.rhythm.weekdays[day.weekday()]


def _day(story: Story, person: Person, day: dt.date, rng: random.Random) -> Iterator[Draft]:
    count = 1 + sum(rng.random() < (story.session.per_day - 1) / 2 for _ in range(2))
    hours = sorted(rng.triangular(7.2, 18.5, 10.2) for _ in range(count))
    for number, hour in enumerate(hours):
        at = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(seconds=int(hour * 3600))
        agent = story.agent(person.agent) if rng.random() < 0.85 else rng.choice(story.agents)
        session = _session(story, person, agent, at, rng, number)
        yield from _work(session, max(1, round(rng.gammavariate(3, _requests(story, person, day) / 3))))


def _requests(story: Story, person: Person, day: dt.date) -> float:
    """Mean requests of a session: the person's pace, growing over the window, lower while they learn."""
    grown = 1 + story.rhythm.growth * ((day - story.first_day).days / len(story.days) - 0.5)
    learning = 0.7 if (day - (person.starts or day)).days < 14 else 1.0
    return story.session.requests * person.pace * grown * learning


def _session(
    story: Story, person: Person, agent: Agent, at: dt.datetime, rng: random.Random, number: object
) -> Session:
    team = story.team(person.team_on(at.date()))
    return Session(
        story=story,
        person=person,
        agent=agent,
        model=_model(story, agent, at.date(), rng),
        id=sessions.digest_id(story.seed, person.key, at.date(), number),
        started=at,
        repository=rng.choice(team.repositories),
        branch=rng.choice(["main", f"feature/{team.name}-{rng.randint(1, 40)}"]),
        language=team.language,
        rng=rng,
    )


def _model(story: Story, agent: Agent, day: dt.date, rng: random.Random) -> Model:
    known = [model for model in agent.models if model.since <= day]
    chosen = rng.choices(known, [model.weight for model in known])[0]
    odd = story.unpriced
    if agent.name == odd.agent and day >= odd.since and rng.random() < odd.share:
        return structs.replace(chosen, name=odd.model)
    return chosen


def _work(session: Session, requests: int) -> Iterator[Draft]:
    """A session with what may come of it: sub-agent, fork, commit."""
    rng, means = session.rng, session.story.session
    drafts = sessions.run(session, requests)
    yield from drafts
    if session.agent.subagent_tool and rng.random() < means.subagent_share:
        yield from _subagent(session, drafts[-1].at)
    if session.agent.subagent_tool and rng.random() < means.fork_share:
        yield from sessions.fork(session, drafts, 1 + requests // 3)
    if session.agent.limit and rng.random() < means.limit_share:
        yield _limit(session, session.agent.limit, drafts[-1].at)
    changes = [draft for draft in drafts if draft.kind == "code_change" and draft.values["decision"] == "accept"]
    if changes and rng.random() < means.commit_share:
        yield _commit(session, changes, drafts[-1].at + dt.timedelta(seconds=rng.randint(30, 900)))


def _subagent(session: Session, at: dt.datetime) -> Iterator[Draft]:
    """A sub-agent thread has its own session; the call that started it is a tool of the parent."""
    call = session.native("call_", 0xA000)
    yield session.draft(
        "tool_call", at, call, tool_call_id=call, tool_name=session.agent.subagent_tool,
        success=True, decision="accept", decision_source="config",
    )  # fmt: skip
    model = structs.replace(session.model, name=session.agent.subagent_model, window=200_000, scale=0.5)
    own = f"agent-a{digest(session.id, 'subagent', length=16)}"
    yield from sessions.run(
        replace(session, id=own, parent=session.id, model=model, started=at), session.rng.randint(2, 6)
    )


def _limit(session: Session, limit: Limit, at: dt.datetime) -> Draft:
    """What the file says about the provider's limit."""
    used = f"{session.rng.uniform(0.2, 0.98):.2f}"
    return session.draft(
        "rate_limit", at, session.native("limit_", 0), used, limit_name=limit.name,
        limit_window_minutes=limit.window_minutes, limit_used_share=used, plan=limit.plan,
        provider=session.agent.provider, session_started_at=None,
    )  # fmt: skip


def _commit(session: Session, changes: list[Draft], at: dt.datetime) -> Draft:
    """The commit of a session's edits; not every line of it is the agent's."""
    rng = session.rng
    sha = digest("commit", session.id, length=40)
    names_agent = rng.random() < session.story.session.trailer_share
    values = {
        "commit_sha": sha,
        "committed_at": instant(at),
        "parent_count": 1,
        "lines_added": sum(change.values["lines_added"] for change in changes) + rng.randint(0, 12),
        "lines_removed": sum(change.values["lines_removed"] for change in changes) + rng.randint(0, 5),
        "files_changed": len(changes),
        "binary_files": 0,
        "ai_agents": [session.agent.name] if names_agent else None,
        "ai_evidence": ["trailer"] if names_agent else None,
        "is_revert": False,
        "native_id": sha,
        "person_key": session.person.key,
        "repository": f"github.com/example/{session.repository}",
        "branch": session.branch,
    }
    return Draft("commit", "git", "git", at, (sha,), values)
