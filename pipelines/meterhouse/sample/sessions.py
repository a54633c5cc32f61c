"""One session of an agent as its file would tell it: prompts, requests, tool calls, changes, commit.

A copy (streamed twice, or carried into a fork) keeps the provider's id and gets another event id; it is marked,
so that the truth in expected.json needs no resolution of its own.
"""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from meterhouse.sample.drafts import Draft, instant
from meterhouse.sample.people import Person, digest
from meterhouse.sample.story import Agent, Model, Story


@dataclass(frozen=True)
class Session:
    """What all events of one session share."""

    story: Story
    person: Person
    agent: Agent
    model: Model
    id: str
    started: dt.datetime
    repository: str
    branch: str
    language: str
    rng: random.Random = field(repr=False)
    parent: str | None = None

    def draft(self, kind: str, at: dt.datetime, native: str, *grows: Any, **values: Any) -> Draft:
        """An event of this session's file; `grows` are counts that may still grow under the same native id."""
        shared = {
            "agent": self.agent.name,
            "agent_version": self.agent.version_on(self.started.date()),
            "surface": self.agent.surface,
            "session_id": self.id,
            "parent_session_id": self.parent,
            "session_started_at": instant(self.started),
            "repository": f"github.com/example/{self.repository}",
            "branch": self.branch if self.agent.records_branch else None,
            "is_subagent": True if self.parent else None,
            "native_id": native,
            "person_key": self.person.key,
        }
        key = (self.id, native, *grows)
        return Draft(kind, self.agent.name, "transcript", at, key, {**shared, **values})

    def native(self, prefix: str, number: int) -> str:
        """An id in the agent's style; structured, so that the sample compresses well."""
        return f"{prefix}{self.id.replace('-', '')[-16:]}{number:04x}"


def run(session: Session, requests: int) -> list[Draft]:
    """All events of a session with so many requests, in the order of its file."""
    started_by = "subagent" if session.parent else "fresh"
    first = session.draft(
        "session", session.started, session.id,
        started_by=started_by, provider=session.agent.provider, model=session.model.name,
    )  # fmt: skip
    return [first, *_turns(session, requests, 0, session.started)]


def fork(session: Session, history: list[Draft], requests: int) -> list[Draft]:
    """A fork: history copied under a new session id with the old native ids, then work of its own."""
    started = history[-1].at + dt.timedelta(minutes=11)
    forked = replace(session, id=digest_id(session.id, "fork"), started=started)
    own = {"session_id": forked.id, "session_started_at": instant(started), "parent_session_id": session.id}
    copies = [
        replace(old, key=(forked.id, *old.key[1:]), values={**old.values, **own}, is_copy=True)
        for old in history
        if old.kind != "session" and old.source == session.agent.name
    ]
    first = forked.draft(
        "session", started, forked.id, started_by="fork", parent_session_id=session.id,
        provider=session.agent.provider, model=session.model.name,
    )  # fmt: skip
    fresh = [
        replace(new, values={**new.values, "parent_session_id": session.id})
        for new in _turns(forked, requests, len(history), started)
    ]
    return [first, *copies, *fresh]


def digest_id(*parts: object) -> str:
    """A session id in the form of a UUID."""
    text = digest(*parts, length=32)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _turns(session: Session, requests: int, number: int, at: dt.datetime) -> Iterator[Draft]:
    rng, means = session.rng, session.story.session
    context = _size(session, session.story.tokens.context)
    for turn in range(requests):
        number += 1
        at += dt.timedelta(seconds=1 + int(rng.expovariate(1 / means.request_gap_s)))
        if not session.parent and (turn == 0 or rng.random() < 1 / means.requests_per_prompt):
            yield session.draft("prompt", at, session.native("p", number))
            at += dt.timedelta(seconds=rng.randint(2, 40))
        if rng.random() < means.refused_share:
            yield _refused(session, number, at)
            continue
        written = _size(session, session.story.tokens.written)
        yield from _request(session, number, at, min(context, session.model.window - written), written)
        context += written
        if rng.random() < means.tool_share:
            at += dt.timedelta(seconds=rng.randint(1, 9))
            yield from _tool(session, number, at)


def _size(session: Session, median: int, limit: int = 400_000) -> int:
    drawn = median * session.model.scale * session.rng.lognormvariate(0.0, session.story.tokens.spread)
    return max(1, min(limit, int(drawn)))


def _request(session: Session, number: int, at: dt.datetime, context: int, written: int) -> Iterator[Draft]:
    """One response; streamed twice now and then, first with part of its output."""
    output = _size(session, session.story.tokens.output, 60_000)
    tokens = _tokens(session, max(0, context), written, output)
    if session.agent.writes_cache and session.rng.random() < session.story.session.grown_share:
        partial = request(session, number, at - dt.timedelta(seconds=2), {**tokens, "output_tokens": 1 + output // 9})
        yield replace(partial, is_copy=True)
    yield request(session, number, at, tokens)


def _tokens(session: Session, context: int, written: int, output: int) -> dict[str, Any]:
    rng, agent = session.rng, session.agent
    uncached = _size(session, session.story.tokens.uncached)
    if not agent.writes_cache:  # what is new to the cache is read as plain input
        reasoning = int(output * agent.reasoning_share * rng.random())
        return {
            "input_tokens": context + uncached + written // 2,
            "cache_read_tokens": context,
            "output_tokens": output,
            "reasoning_tokens": reasoning,
        }
    hour = written if rng.random() < 0.1 else 0
    return {
        "input_tokens": context + written + uncached,
        "cache_read_tokens": context,
        "cache_write_tokens": written,
        "cache_write_5m_tokens": written - hour,
        "cache_write_1h_tokens": hour,
        "output_tokens": output,
        "web_search_requests": 1 if rng.random() < 0.004 else 0,
    }


def request(session: Session, number: int, at: dt.datetime, tokens: dict[str, Any]) -> Draft:
    """The observation of one response with these tokens."""
    agent = session.agent
    native = session.native(agent.response_prefix, number)
    is_anthropic = agent.provider == "anthropic"
    return session.draft(
        "model_request", at, native, *tokens.values(),
        status="ok", provider=agent.provider, model=session.model.name,
        response_id=native if agent.response_prefix else None,
        provider_request_id=session.native("req_", number) if is_anthropic else None,
        service_tier="standard" if is_anthropic else None, speed="standard" if is_anthropic else None,
        query_source="subagent" if session.parent else "main", **tokens,
    )  # fmt: skip


def _refused(session: Session, number: int, at: dt.datetime) -> Draft:
    return session.draft(
        "model_request", at, session.native("refused_", number),
        status="rate_limited", http_status=429, error_class="rate_limit", provider=session.agent.provider,
    )  # fmt: skip


def _tool(session: Session, number: int, at: dt.datetime) -> Iterator[Draft]:
    """One tool call and, when it edits, the change it made or would have made."""
    rng, agent, means = session.rng, session.agent, session.story.session
    name = rng.choices(list(agent.tools), list(agent.tools.values()))[0]
    call = session.native("call_", number)
    is_rejected = rng.random() < means.reject_share
    succeeds = not is_rejected and rng.random() >= means.failure_share
    yield session.draft(
        "tool_call", at, call, tool_call_id=call, tool_name=name, success=succeeds,
        tool_key=digest("tool", session.repository, length=16) if name == "mcp_tool" else None,
        decision="reject" if is_rejected else "accept", decision_source="user" if is_rejected else "config",
        duration_ms=None if agent.tool_time == "unknown" else 10 * int(rng.lognormvariate(4.2, 1.3)),
        is_duration_upper_bound=True if agent.tool_time == "upper_bound" else None,
    )  # fmt: skip
    if name in agent.edits and (succeeds or is_rejected):
        added = int(rng.lognormvariate(2.6, 1.1))
        yield session.draft(
            "code_change", at, call, tool_call_id=call, tool_name=name, decision="reject" if is_rejected else "accept",
            operation="create" if name.lower().startswith("write") else "update", language=session.language,
            lines_added=added, lines_removed=int(added * rng.random() * 0.7), files_changed=1,
        )  # fmt: skip
