"""Omnigent over OTLP: verdicts of its policies, which it stores nowhere else; usage spans repeat the agents' own reports.

A dry evaluation (`policy.read_only`) decides nothing, and the `policy:<name>` spans are parts of one `policy.evaluate`.
`policy.reason` is text and is not read.
"""

from typing import Any, Iterator

from meterhouse_collector.events import Draft
from meterhouse_collector.otlp.records import Record

from ._shared import tool_of

NAME = "omnigent"
_SERVICES = ("omni-server", "omni-runner", "omni-harness", "omni-host", "omnigent")
_BUILT_IN = frozenset(("Bash", "Edit", "Glob", "Grep", "MultiEdit", "NotebookEdit", "Read", "Task", "WebFetch", "WebSearch",
                       "Write", "apply_patch", "exec_command", "shell"))  # fmt: skip
_VERDICTS = {"ALLOW": "allow", "DENY": "deny", "ASK": "ask"}


def claims(record: Record) -> bool:
    """By its services, or by the one span that only it sends."""
    return record.service.startswith(_SERVICES) or (record.signal == "traces" and record.name == "policy.evaluate")


def read(record: Record, here: Any) -> Iterator[Draft]:
    """One decision of one evaluation; all policies that decided it are named, the first as its id."""
    given = record.attributes
    verdict = _VERDICTS.get((given.text("policy.decision") or "").upper())
    if record.name != "policy.evaluate" or record.at is None or verdict is None or given.flag("policy.read_only"):
        return
    name, deciding = given.text("policy.tool_name"), given.texts("policy.deciding_policies")
    policy = deciding[0] if deciding else (given.text("policy.deciding_policies") or "").split(",")[0].strip("[]\"' ")
    values = {
        "agent": NAME, "session_id": given.ident("session.id"), "policy_id": policy or "none", "policy_verdict": verdict,
        "decision_source": "policy", "native_id": record.span_id,
        **(tool_of(name, _BUILT_IN, name.startswith("mcp__"), here) if name else {}),
    }  # fmt: skip
    yield Draft("policy_decision", (values["session_id"], *record.key), record.at, values)
