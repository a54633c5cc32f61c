"""What happens in sessions: requests with a growing cached context, prompts, tool calls, changes, commits, pull requests.

Every request is generated once, so totals over model_request lines are the truth about tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from meterhouse.generate.fleet import DAY_US, Sessions, epoch_day
from meterhouse.generate.lines import texts
from meterhouse.generate.plan import Plan

TOOLS = ("Bash", "Read", "Edit", "Grep", "Write")
TOOL_SHARES = (0.34, 0.28, 0.22, 0.1, 0.06)
LANGUAGES = ("python", "typescript", "java", "go")
REFUSED_SHARE, TOOL_SHARE, PROMPT_SHARE, COMMIT_SHARE, PULL_SHARE = 0.004, 0.55, 0.2, 0.3, 0.06
GAP_S = 45
TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")


@dataclass(frozen=True)
class Events:
    """Events of one kind: columns of the contract, and whose they are. `session` counts in the block's sessions."""

    kind: str
    frame: pl.DataFrame
    session: np.ndarray
    at_us: np.ndarray


def events(rng: np.random.Generator, plan: Plan, block: Sessions) -> Iterator[Events]:
    """All events of a block's sessions, one frame a kind."""
    session = np.repeat(np.arange(len(block.requests)), block.requests)
    first = np.repeat(np.cumsum(block.requests) - block.requests, block.requests)
    at = block.started_us[session] + _running(np.maximum(1, rng.exponential(GAP_S * 1000, len(session))), first) * 1000
    end = (epoch_day(plan) + plan.days) * DAY_US - 60_000_000
    inside = at < end  # a session that would outlast the window is cut
    session, first, at, is_first = session[inside], first[inside], at[inside], (np.arange(len(at)) == first)[inside]
    yield _sessions(rng, block)
    yield _requests(rng, block, session, at, inside)
    yield _prompts(rng, block, session, at, is_first)
    yield from _tools(rng, block, session, at)
    yield from _code(rng, block, end)


def _running(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Running total within each session."""
    total = np.cumsum(values.astype(np.int64))
    return total - (total - values.astype(np.int64))[first]


def _common(rng: np.random.Generator, block: Sessions, session: np.ndarray, at: np.ndarray) -> pl.DataFrame:
    shared = block.shared.drop("provider", "model", "response_prefix")[session]
    return shared.with_columns(
        event_id=texts(rng, len(session), 32), occurred_at=pl.Series(at).cast(pl.Datetime("us", "UTC"))
    )


def _sessions(rng: np.random.Generator, block: Sessions) -> Events:
    session = np.arange(len(block.requests))
    frame = _common(rng, block, session, block.started_us).with_columns(
        block.shared["model"],
        block.shared["provider"],
        started_by=pl.lit("fresh"),
        native_id=block.shared["session_id"],
    )
    return Events("session", frame, session, block.started_us)


def _requests(
    rng: np.random.Generator, block: Sessions, session: np.ndarray, at: np.ndarray, inside: np.ndarray
) -> Events:
    count = len(session)
    tokens = _tokens(rng, block, session, inside)
    is_refused = pl.Series(rng.random(count) < REFUSED_SHARE)
    names = block.shared["provider", "model", "response_prefix"][session]
    response = names["response_prefix"] + texts(rng, count, 24)
    answered = ~is_refused
    frame = _common(rng, block, session, at).with_columns(
        names["provider"], names["model"],
        pl.Series("native_id", response),
        _kept(response.alias("response_id"), answered),
        _kept(texts(rng, count, 20, "req_").alias("provider_request_id"), pl.Series(block.writes_cache[session])),
        pl.Series("status", ["ok", "rate_limited"])[is_refused.cast(pl.Int32)],
        _kept(pl.repeat(429, count, eager=True).alias("http_status"), is_refused),
        *(_kept(pl.Series(name, values), answered) for name, values in tokens.items()),
        query_source=pl.lit("main"),
    )  # fmt: skip
    return Events("model_request", frame, session, at)


def _tokens(
    rng: np.random.Generator, block: Sessions, session: np.ndarray, inside: np.ndarray
) -> dict[str, np.ndarray]:
    """Each request reads what those before it wrote, until the window is compacted; agents without cache writes re-read."""
    starts = np.repeat(np.cumsum(block.requests) - block.requests, block.requests)
    written = np.minimum(rng.lognormal(7.2, 1.0, len(starts)), 60_000).astype(np.int64)
    context = ((18_000 + _running(written, starts) - written) % 180_000)[inside]
    written = written[inside]
    uncached = rng.integers(3, 1200, len(session))
    output = np.maximum(1, np.minimum(rng.lognormal(5.6, 1.1, len(session)), 32_000)).astype(np.int64)
    writes = block.writes_cache[session]
    return dict(zip(TOKENS, (context + written + uncached, context, np.where(writes, written, 0), output), strict=True))


def _kept(values: pl.Series, mask: pl.Series) -> pl.Series:
    return pl.select(pl.when(mask).then(values).alias(values.name)).to_series()


def _prompts(
    rng: np.random.Generator, block: Sessions, session: np.ndarray, at: np.ndarray, is_first: np.ndarray
) -> Events:
    chosen = np.flatnonzero(is_first | (rng.random(len(session)) < PROMPT_SHARE))
    when = at[chosen] - 1_000
    frame = _common(rng, block, session[chosen], when).with_columns(
        native_id=texts(rng, len(chosen), 16, "p"), origin=pl.lit("person")
    )
    return Events("prompt", frame, session[chosen], when)


def _tools(rng: np.random.Generator, block: Sessions, session: np.ndarray, at: np.ndarray) -> Iterator[Events]:
    chosen = np.flatnonzero(rng.random(len(session)) < TOOL_SHARE)
    owner, when = session[chosen], at[chosen] + rng.integers(100, 20_000, len(chosen)) * 1000
    tool = rng.choice(len(TOOLS), len(chosen), p=TOOL_SHARES)
    call = texts(rng, len(chosen), 24, "call_")
    names = pl.Series("tool_name", TOOLS)[tool]
    succeeds = rng.random(len(chosen)) > 0.06
    frame = _common(rng, block, owner, when).with_columns(
        names, pl.Series("native_id", call), pl.Series("tool_call_id", call),
        pl.Series("success", succeeds), decision=pl.lit("accept"), decision_source=pl.lit("config"),
        duration_ms=pl.Series(rng.lognormal(4.2, 1.3, len(chosen)).astype(np.int64)),
    )  # fmt: skip
    yield Events("tool_call", frame, owner, when)
    edits = np.flatnonzero(succeeds & np.isin(tool, [TOOLS.index("Edit"), TOOLS.index("Write")]))
    added = rng.lognormal(2.6, 1.1, len(edits)).astype(np.int64)
    changes = _common(rng, block, owner[edits], when[edits]).with_columns(
        names[edits], pl.Series("native_id", call[edits]), pl.Series("tool_call_id", call[edits]),
        pl.Series("lines_added", added), pl.Series("lines_removed", added // 3),
        pl.Series("language", LANGUAGES)[owner[edits] % len(LANGUAGES)],
        decision=pl.lit("accept"), operation=pl.lit("update"), files_changed=pl.lit(1),
    )  # fmt: skip
    yield Events("code_change", changes, owner[edits], when[edits])


def _code(rng: np.random.Generator, block: Sessions, end: int) -> Iterator[Events]:
    """Commits by git, pull requests by the forge; both know person, repository and branch, but no session."""
    chosen = np.flatnonzero(rng.random(len(block.requests)) < COMMIT_SHARE)
    when = np.minimum(block.started_us[chosen] + block.requests[chosen] * GAP_S * 1_000_000, end)
    added = rng.lognormal(3.5, 1.2, len(chosen)).astype(np.int64)
    commits = _authored(rng, block, chosen, when, "git").with_columns(
        commit_sha=texts(rng, len(chosen), 40), parent_count=pl.lit(1), lines_added=pl.Series(added),
        lines_removed=pl.Series(added // 4), files_changed=pl.Series(1 + added // 40),
        ai_agents=pl.concat_list(block.shared["agent"][chosen]), ai_evidence=pl.lit(["co_author_trailer"]),
    )  # fmt: skip
    yield Events("commit", commits, chosen, when)
    pulls = np.flatnonzero(rng.random(len(block.requests)) < PULL_SHARE)
    opened = block.shared["session_started_at"][pulls]
    when = np.minimum(block.started_us[pulls] + 7_200_000_000, end)
    frame = _authored(rng, block, pulls, when, "forge").with_columns(
        pull_request_number=pl.Series(rng.integers(1, 90_000, len(pulls))), pull_request_state=pl.lit("merged"),
        opened_at=opened, merge_sha=texts(rng, len(pulls), 40),
    )  # fmt: skip
    yield Events("pull_request", frame, pulls, when)


def _authored(
    rng: np.random.Generator, block: Sessions, session: np.ndarray, at: np.ndarray, witness: str
) -> pl.DataFrame:
    common = _common(rng, block, session, at)["event_id", "occurred_at", "person_key", "repository", "branch"]
    return common.with_columns(source=pl.lit(witness), channel=pl.lit(witness))
