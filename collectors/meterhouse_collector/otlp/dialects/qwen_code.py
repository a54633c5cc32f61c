"""Qwen Code over OTLP: its own event names, and response ids of the provider; arguments come in full and are not read.

Whether `output_token_count` holds the thoughts depends on the back end: the stated total tells.
"""

from typing import Any, Dict, Iterator, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.json_values import total
from meterhouse_collector.otlp.records import Record

from ._gemini import Family, read_event

NAME = "qwen_code"
BUILT_IN = frozenset((
    "agent", "ask_user_question", "cron_create", "cron_delete", "cron_list", "edit", "exit_plan_mode", "glob",
    "grep_search", "list_directory", "lsp", "read_file", "read_many_files", "run_shell_command", "save_memory", "skill",
    "task", "todo_write", "web_fetch", "web_search", "write_file",
))  # fmt: skip


def claims(record: Record) -> bool:
    """By its scope or service."""
    return record.scope == "qwen-code" or record.service == "qwen-code" or record.name.startswith("qwen-code.")


def read(record: Record, here: Any) -> Iterator[Draft]:
    """Drafts of one event, and the session's begin."""
    session_id = record.attributes.ident("session.id")
    version = record.resource.ident("service.version")
    if record.name == "session.start" and record.at and session_id:
        values = {"agent": NAME, "session_id": session_id, "native_id": session_id, "session_started_at": record.at}
        yield Draft("session", (session_id, *record.key), record.at, {**values, "agent_version": version})
    for draft in read_event(_FAMILY, record, here):
        yield draft._replace(values={**draft.values, "agent_version": version})


def _tokens(record: Record) -> Dict[str, Optional[int]]:
    given = record.attributes
    read, answer, thoughts = (given.count(f"{name}_token_count") for name in ("input", "output", "thoughts"))
    apart = thoughts is not None and given.count("total_token_count") == total(read, answer, thoughts) != total(
        read, answer
    )
    return {
        "input_tokens": read,  # the cache included
        "cache_read_tokens": given.count("cached_content_token_count"),
        "output_tokens": total(answer, thoughts) if apart else answer,
        "reasoning_tokens": thoughts,
    }


_FAMILY = Family(NAME, "qwen-code.", None, BUILT_IN, (), _tokens)
