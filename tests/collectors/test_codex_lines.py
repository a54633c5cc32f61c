"""What holds for every line of a Codex rollout: no content leaves, tailing changes nothing, hostile JSON breaks nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codex_files import TRAPS, events_of, rollouts  # noqa: TID251 - the folder of these tests
from collectors.conformance import SHARED, read_file, read_in_steps, shared  # noqa: TID251
from meterhouse_collector import events
from meterhouse_collector.here import Here
from meterhouse_collector.sources import codex

CANARY = "canary"


def test_no_canary_comes_out():
    found = [event for path in rollouts(TRAPS) for event in events_of(path)]
    assert any(CANARY in path.read_text().lower() for path in rollouts(TRAPS))
    assert CANARY not in b"\n".join(map(events.line, found)).decode().lower()


CONTENT = {"aggregated_output", "arguments", "cmd", "command", "content", "cwd", "input", "last_agent_message", "message",
           "output", "path", "prompt", "query", "stderr", "stdout", "summary_text", "text", "unified_diff"}  # fmt: skip


def content_of(value, inside=False):
    if isinstance(value, dict):
        for name, item in value.items():
            if name.startswith("/"):
                yield name
            yield from content_of(item, inside or name in CONTENT)
    elif isinstance(value, list):
        for item in value:
            yield from content_of(item, inside)
    elif inside and isinstance(value, str):
        yield from value.splitlines()


def test_nothing_that_people_or_agents_wrote_comes_out_of_real_sessions():
    for path in rollouts(shared("codex"), shared("captures/codex-edit")):
        found = [{**event, "repository": "", "branch": ""} for event in events_of(path)]  # both are meant to come out
        shipped = b"\n".join(map(events.line, found)).decode()
        written = {
            text.strip() for line in path.read_bytes().splitlines() for text in content_of(json.loads(line)["payload"])
        }
        told = {text for text in written if len(text) > 12 and text in shipped}
        known = {
            text for text in told if text.replace("call_", "").replace("-", "").isalnum()
        }  # ids that answers quote
        assert told == known, path.name
        assert "/home/" not in shipped


def every_file():
    paths = rollouts(TRAPS)
    return paths + rollouts(*(SHARED / name for name in ("codex", "captures/codex-edit") if (SHARED / name).is_dir()))


@pytest.mark.parametrize("path", every_file(), ids=lambda path: path.stem[-12:])
def test_reading_is_the_same_line_by_line_with_the_state_kept_as_json(path):
    data, found = path.read_bytes(), events_of(path)
    ends = [index + 1 for index, byte in enumerate(data) if byte == ord("\n")]
    assert found
    assert read_in_steps(codex, ends, data, path) == found
    assert read_file(codex, path, markers=False) == found


def test_every_value_that_is_told_obeys_the_contract():
    for path in every_file():
        state, here = {}, Here(path, Path("/nowhere"))
        for line in path.read_bytes().splitlines():
            for draft in codex.read(json.loads(line), state, here):
                made = events.make(draft.kind, source="codex", channel="transcript", occurred_at=draft.occurred_at,
                                   key=draft.key, **draft.values)  # fmt: skip
                assert {name for name, value in draft.values.items() if value is not None} <= made.keys()


NAMES = st.sampled_from(["type", "payload", "timestamp", "id", "call_id", "info", "item", "changes", "output", "usage",
                         "total_token_usage", "input_tokens", "rate_limits", "primary", "used_percent", "source", "git",
                         "status", "duration", "exit_code", "ordinal", "thread_id", "turn_id", "name", "arguments"])  # fmt: skip
WORDS = st.sampled_from(["session_meta", "event_msg", "response_item", "turn_context", "token_count", "token_usage_record",
                         "item_completed", "function_call", "x_call", "function_call_output", "FileChange", "user_message",
                         "McpToolCall", "patch_apply_end", "2026-03-02T10:00:00Z", "task_complete", "subagent"])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=6),
    max_leaves=20,
)
HEAD = {"timestamp": "2026-03-02T10:00:00Z", "type": "session_meta", "payload": {"id": "thread", "forked_from_id": "p"}}
REAL = [json.loads(line) for path in rollouts(TRAPS) for line in path.read_bytes().splitlines()]


def survives(*records):
    state, here = {}, Here(Path("rollout"), Path("/nowhere"))
    for record in records:
        for draft in codex.read(record, state, here):
            events.event_id("codex", draft.kind, *draft.key)
        state = json.loads(json.dumps(state))


@given(st.lists(JSON, max_size=4))
def test_no_json_makes_reading_fail(records):
    survives(*records)
    survives(HEAD, *records)


def replaced(value, place, new):
    """`value` with one of its nodes, chosen by `place`, replaced."""
    if not isinstance(value, (dict, list)) or not value or place % 5 == 0:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[place % len(keys)]
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(value[key], place // len(keys), new)
    return copy


@given(st.sampled_from(range(len(REAL))), st.integers(0, 10**6), JSON)
def test_no_mutation_of_a_real_line_makes_reading_fail(index, place, new):
    before = [record for record in REAL[max(0, index - 3) : index + 3] if record is not REAL[index]]
    survives(HEAD, *before, replaced(REAL[index], place, new), REAL[index])
