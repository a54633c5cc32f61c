"""Gemini CLI over OTLP: one `gemini_cli.api_response` a response, auxiliary calls included, which its files leave out.

`output_token_count` leaves the thoughts out and `input_token_count` what tools fed in; ours hold both.
"""

from typing import Any, Dict, Iterator, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.json_values import total
from meterhouse_collector.otlp.records import Record
from meterhouse_collector.sources.gemini_cli.tools import BUILT_IN

from ._gemini import Family, read_event

NAME = "gemini_cli"


def claims(record: Record) -> bool:
    """Also the `gen_ai` events of the same scope, which repeat the responses."""
    return record.scope == "gemini-cli" or record.service == "gemini-cli" or record.name.startswith("gemini_cli.")


def read(record: Record, here: Any) -> Iterator[Draft]:
    """Drafts of one event; spans repeat what events say."""
    yield from read_event(_FAMILY, record, here)


def _tokens(record: Record) -> Dict[str, Optional[int]]:
    given = record.attributes
    thoughts = given.count("thoughts_token_count")
    return {
        "input_tokens": total(given.count("input_token_count"), given.count("tool_token_count") or 0),
        "cache_read_tokens": given.count("cached_content_token_count"),
        "cache_write_tokens": 0,  # the API caches by itself and charges no writes
        "output_tokens": total(given.count("output_token_count"), thoughts or 0),
        "reasoning_tokens": thoughts,
    }


_FAMILY = Family(NAME, "gemini_cli.", "gcp.gemini", BUILT_IN, ("run_shell_command",), _tokens)
