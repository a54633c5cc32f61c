"""Copilot over OTLP, in the terminal and in VS Code: `chat` spans; `invoke_agent` repeats the sum of its children and is ignored."""

from typing import Any, Dict, Iterator

from meterhouse_collector.events import Draft
from meterhouse_collector.otlp.records import Record

from ._genai import CALLS, TOOL, draft_key, operation, request_values, session_id, tool_values

NAME = "copilot_cli"
_SURFACES = {"github-copilot": "cli", "copilot-chat": "vscode"}
_BUILT_IN = frozenset((
    "apply_patch", "ask_user", "bash", "create", "edit", "fetch_copilot_cli_documentation", "glob", "grep", "list_bash",
    "powershell", "read_bash", "report_intent", "show_file", "skill", "stop_bash", "store_memory", "str_replace_editor",
    "task", "update_todo", "view", "web_fetch", "web_search", "write_bash",
))  # fmt: skip


def claims(record: Record) -> bool:
    """By its service or scope."""
    return record.service in _SURFACES or record.scope.startswith(("github.copilot", "copilot-chat"))


def read(record: Record, here: Any) -> Iterator[Draft]:
    """Drafts of one span; log events repeat what spans say."""
    what = operation(record)
    if record.signal != "traces" or record.at is None:
        return
    values: Dict[str, Any] = {
        "agent": NAME,
        "agent_version": record.resource.ident("service.version"),
        "surface": _SURFACES.get(record.service),
        "session_id": session_id(record),
        "prompt_id": record.attributes.ident("github.copilot.interaction_id"),
    }
    if what in CALLS:
        values.update(request_values(record))
        yield Draft("model_request", draft_key(record, values), record.at, values)
    elif what == TOOL:
        values.update(tool_values(record, _BUILT_IN, here))
        yield Draft("tool_call", draft_key(record, values), record.at, values)
