"""Tool calls and code changes of Codex: one outcome per call, lines once per file, from whatever record tells them."""

from collections import Counter
from pathlib import Path

import pytest

from collectors.codex_files import TRAPS, events_under, outcomes_of, pick  # noqa: TID251 - the folder of these tests
from collectors.conformance import of_kind  # noqa: TID251
from collectors.pushed import Pushed  # noqa: TID251
from meterhouse_collector.here import Here
from meterhouse_collector.sources.codex.tools import tool_call, tool_item

HERE = Here(Path("rollout"), Path("/nowhere"))
OWN = HERE.tool_key("canary_7f3a_tool:0")  # an id that an engine made of the tool's name
OUTCOMES = {
    "c_ok": ("exec_command", True, 0, 1500, None),
    "c_fail": ("shell", False, 2, 400, None),
    "c_running": ("exec_command", None, None, None, None),
    "c_plan": ("update_plan", None, None, None, None),
    "c_no": ("exec_command", False, None, None, "reject"),
    "c_mcp": ("mcp_tool", False, None, 1500, None),
    OWN: ("custom_tool", None, None, None, None),
    "c_event": ("shell", False, 1, 4, None),
    "p_event": ("apply_patch", True, None, None, None),
    "p_text": ("apply_patch", True, 0, 0, None),
    "p_shell": ("shell", True, 0, 0, None),
    "p_bad": ("apply_patch", False, None, None, None),
    "ws_1": ("web_search", None, None, None, None),
    "i_cmd": ("exec_command", False, 3, 2850, None),
    "i_no": ("exec_command", False, None, None, "reject"),
    "i_mcp": ("mcp_tool", True, None, 2, None),
    "i_spawn": ("spawn_agent", True, None, None, None),
    "i_patch": ("apply_patch", True, None, None, None),
    "i_declined": ("apply_patch", False, None, None, "reject"),
    "i_failed": ("apply_patch", False, None, None, None),
    "i_shell": ("exec_command", True, 0, None, None),
}


def test_every_call_has_its_outcome_from_whatever_record_tells_it():
    found = events_under(TRAPS / "tools_legacy") + events_under(TRAPS / "tools_items")
    assert outcomes_of(found) == OUTCOMES
    told = Counter(event["native_id"] for event in of_kind(found, "tool_call") if "success" in event)
    assert max(told.values()) == 1


def test_a_tool_that_is_not_built_in_is_known_by_its_key_only():
    found = events_under(TRAPS / "tools_legacy") + events_under(TRAPS / "tools_items")
    keys = {event["native_id"]: event["tool_key"] for event in of_kind(found, "tool_call") if "tool_key" in event}
    assert keys == {
        "c_mcp": HERE.tool_key("tickets/lookup"),
        "i_mcp": HERE.tool_key("tickets/lookup"),
        OWN: HERE.tool_key("canary_7f3a_tool"),
    }


def test_an_id_made_of_a_tools_name_is_hashed_alike_by_call_outcome_and_export():
    call = {"type": "function_call", "call_id": "functions.lookup:0", "name": "lookup", "namespace": "mcp__tickets"}
    item = {"type": "McpToolCall", "id": "functions.lookup:0", "server": "tickets", "tool": "lookup"}
    told = [fact.values["native_id"] for fact in (*tool_call(call, {}, HERE), *tool_item(item, {}, HERE))]
    exported = {"event.name": "codex.tool_decision", "event.timestamp": "2026-10-01T10:00:00.000Z", "conversation.id": "s",
                "call_id": "functions.lookup:0", "tool_name": "mcp__tickets__lookup", "decision": "approved"}  # fmt: skip
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in exported.items()]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "codex_exec"}}]}
    record = {"observedTimeUnixNano": "1790848800000000001", "attributes": attributes}
    scope = {"scope": {"name": "codex_otel.log_only"}, "logRecords": [record]}
    events = Pushed().take({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}).events
    told += [event["native_id"] for event in of_kind(events, "tool_call")]
    assert told == [HERE.tool_key("functions.lookup:0")] * 3


PATCH = [("create", "markdown", 2, 0), ("delete", "go", 0, 3), ("update", "python", 1, 2)]
IN_TEXT = [("create", "markdown", 2, 0), ("delete", "go", 0, None), ("update", "python", 1, 2)]
TWO_FILES = [("update", "python", 2, 1), ("create", "typescript", 1, 0)]
CHANGES = {
    "tools_legacy": {"p_event": ("accept", PATCH), "p_text": ("accept", IN_TEXT), "p_shell": ("accept", IN_TEXT)},
    "tools_items": {
        "i_patch": ("accept", TWO_FILES),
        "i_declined": ("reject", TWO_FILES),
        "i_shell": ("accept", [("create", "python", 1, 0)]),
    },
}


@pytest.mark.parametrize("trap", CHANGES)
def test_the_lines_of_a_patch_are_counted_once_per_file(trap):
    changes = of_kind(events_under(TRAPS / trap), "code_change")
    found = {}
    for event in changes:
        lines = pick([event], "operation", "language", "lines_added", "lines_removed")
        found.setdefault(event["tool_call_id"], (event["decision"], []))[1].extend(lines)
    order = {call: (decision, sorted(lines, key=str)) for call, (decision, lines) in found.items()}
    assert order == {call: (decision, sorted(lines, key=str)) for call, (decision, lines) in CHANGES[trap].items()}
    assert len({event["native_id"] for event in changes}) == len(changes)


def test_file_changes_in_the_form_of_early_versions_have_their_lines():
    changes = {
        "/w/a.py": {"add": {"content": "x\ny\n"}},
        "/w/b.js": {"update": {"unified_diff": "@@ -1 +1,2 @@\n-a\n+b\n+c\n", "move_path": "/w/c.js"}},
        "/w/d.go": {"delete": {"content": "1\n2\n3"}},
        "/w/e": {"delete": {}},
        "/w/f": {"chmod": 7},
    }
    state = {"session": {"session_id": "t"}}
    payload = {"type": "patch_apply_end", "call_id": "c", "success": True, "changes": changes}
    facts = list(tool_item(payload, state, HERE))
    names = ("operation", "lines_added", "lines_removed")
    assert [tuple(fact.values[name] for name in names) for fact in facts if fact.kind == "code_change"] == [
        ("create", 2, 0), ("update", 2, 1), ("delete", 0, 3), ("delete", None, None), (None, None, None)
    ]  # fmt: skip
