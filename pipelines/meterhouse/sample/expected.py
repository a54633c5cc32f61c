"""What the loaded tables must say, counted from the story itself and not from the lines that tell it.

Copies, redelivered and damaged lines are left out by construction, so these figures test resolution and loading.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from meterhouse.sample.blemishes import DAMAGE, UNKNOWN
from meterhouse.sample.drafts import Draft
from meterhouse.sample.people import Person
from meterhouse.sample.story import Story

TOKENS = (
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "output_tokens", "reasoning_tokens", "web_search_requests",
)  # fmt: skip


def truth(story: Story, crowd: list[Person], drafts: list[Draft], lines: int, dropped: int) -> dict[str, Any]:
    """The document of expected.json."""
    real = [draft for draft in drafts if not draft.is_copy]
    requests = [draft for draft in real if draft.kind == "model_request"]
    return {
        "lines": lines,
        "loaded": len(drafts),
        "duplicates": story.blemishes.duplicates,
        "quarantined": _count(reason for reason, _ in DAMAGE.values()),
        "parked": dict.fromkeys(UNKNOWN, 1),
        "lines_with_extra_fields": 1,
        "dropped_by_collectors": dropped,
        "events": _count(draft.kind for draft in drafts),
        "people": len(crowd),
        "engineers": sum(one.is_engineer for one in crowd),
        "people_active": len({draft.values["person_key"] for draft in requests}),
        "people_active_by_week": _active_by_week(real),
        "sessions": _count(draft.values["agent"] for draft in real if draft.kind == "session"),
        "prompts": sum(draft.kind == "prompt" for draft in real),
        "requests": _count(draft.values["agent"] for draft in requests),
        "requests_refused": sum(draft.values["status"] != "ok" for draft in requests),
        "requests_unpriced": sum(draft.values.get("model") == story.unpriced.model for draft in requests),
        "tokens": {name: sum(draft.values.get(name) or 0 for draft in requests) for name in TOKENS},
        **_work(real),
    }


def _work(real: list[Draft]) -> dict[str, Any]:
    """Tools, code, commits and the forge."""
    tools = [draft.values for draft in real if draft.kind == "tool_call"]
    accepted = [d.values for d in real if d.kind == "code_change" and d.values["decision"] == "accept"]
    commits = [draft.values for draft in real if draft.kind == "commit"]
    return {
        "tool_calls": len(tools),
        "tool_calls_rejected": sum(call["decision"] == "reject" for call in tools),
        "tool_calls_failed": sum(call["decision"] == "accept" and not call["success"] for call in tools),
        "code_changes_accepted": len(accepted),
        "lines_added": sum(change["lines_added"] for change in accepted),
        "lines_removed": sum(change["lines_removed"] for change in accepted),
        "commits": len(commits),
        "commits_with_ai_evidence": sum(bool(commit["ai_evidence"]) for commit in commits),
        "pull_requests": _count(d.values["pull_request_state"] for d in real if d.kind == "pull_request"),
    }


def _active_by_week(real: list[Draft]) -> dict[str, int]:
    """People with at least one prompt, by ISO week."""
    seen = {(iso_week(draft), draft.values["person_key"]) for draft in real if draft.kind == "prompt"}
    return _count(week for week, _ in seen)


def iso_week(draft: Draft) -> str:
    """The week of an event, such as 2026-W46."""
    year, week, _ = draft.at.isocalendar()
    return f"{year}-W{week:02d}"


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
