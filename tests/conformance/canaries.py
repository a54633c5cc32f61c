"""Canaries: strings planted wherever an agent, gateway or vendor could keep content, and the one search for them afterwards.

What may stay is a short list of names: ids, times, versions, models and the closed vocabularies that a parser must see to work.
"""

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import zstandard

MARK = re.compile(rb"canary", re.IGNORECASE)
# parts of the database beside them; a place on the laptop, which its own state may hold
PASSED_OVER = ("-wal", "-shm", ".project_root")
SQLITE = b"SQLite format 3\x00"
FACTS = {
    "timestamp", "type", "subtype", "role", "model", "version", "cli_version", "originator", "entrypoint", "source", "status",
    "thread_source", "model_provider", "stop_reason", "service_tier", "speed", "kind", "startTime", "lastUpdated", "tier",
    "gitBranch", "branch", "repository_url", "commit_hash", "operation", "permissionMode", "promptSource", "history_mode",
    "decision", "effort", "inference_geo", "agentType", "provider", "providerType", "stopReason", "toolName", "tool", "action",
    "finish", "repository", "repositoryHost", "copilotVersion", "tool_name", "function_name", "unit", "currency", "source_type",
    "customer_type", "starting_at", "ending_at", "date", "day", "sku", "unitType", "product", "repoName", "branchName", "call_type",
    "custom_llm_provider", "endTime", "created_at", "finish_reason", "commitHash", "commitTs", "download_links",
    "team_alias", "alias", "key_alias", "line_item", "cost_type", "token_type", "next_page", "data_refreshed_at", "report_day",
    "reasoning_effort", "error_type", "model_group", "request_tags", "tags", "model_name",
    "error_class", "user_api_key_alias", "user_api_key_team_alias", "plan_type", "git_branch", "deciding_policies", "llm_provider-request-id",
}  # fmt: skip
FACTS_OF = {  # words that are a closed vocabulary of one agent and text in another, by the beginning of the origin
    "claude": {"error"},
    "amp": {"clientVersion", "clientType"},
    "omnigent": {"wrapper"},  # the label that says how an agent was run; other labels are text
    "codex": {"reason", "codex_error_info", "model_reasoning_effort"},
}
_IDENTITY = re.compile(r"(^|_)(id|uuid|sha)$|[a-z](Id|ID|UUID|Uuid|IDs)$")
_PERSONAL = re.compile(
    r"user|account|organi[sz]ation|e?mail|(^|\.)host|machine|login|author|client|tenant", re.IGNORECASE
)
_NUMBER_OR_TIME = re.compile(
    r"-?\d+(\.\d+)?(e-?\d+)?|\d{4}-\d\d-\d\d([T ][\d:.]+(Z|[+-]\d\d:?\d\d)?)?|true|false", re.IGNORECASE
)


def is_fact(name: str, origin: str) -> bool:
    """Whether a value under this name is no content; a person's or machine's own name or id is content."""
    last = name.rpartition(".")[2]
    if last == "name" or _IDENTITY.search(last):
        return not _PERSONAL.search(name)
    return last in FACTS or any(last in names for who, names in FACTS_OF.items() if origin.startswith(who))


class Canaries:
    """Replaces strings in values, files and databases; each canary says whose it is and the name it was under."""

    def __init__(self) -> None:
        self.count = 0
        self.origin = "nobody"

    def new(self, prefix: str = "", name: str = "") -> str:
        """A string that is nowhere else."""
        self.count += 1
        return f"{prefix}canary{re.sub('[^A-Za-z]', '', self.origin + name)}{self.count:06d}"

    def plant(self, value: Any, name: str = "") -> Any:
        """The value with a canary for every string that is no fact, also inside JSON that a string holds."""
        if isinstance(value, dict):
            if value.keys() >= {"key", "value"}:  # an attribute of OTLP is named beside its value
                return {**value, "value": self.plant(value["value"], str(value["key"]))}
            return {
                self.new() if "/" in str(key) else key: self.plant(item, _inner(name, key))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.plant(item, name) for item in value]
        if not isinstance(value, str) or not value or _NUMBER_OR_TIME.fullmatch(value):
            return value
        if value[0] in "{[" and (inner := _decoded(value)) is not None:
            return json.dumps(self.plant(inner, name))
        return value if is_fact(name, self.origin) else self._text(value, name)

    def _text(self, value: str, name: str) -> str:
        if "@" in value:
            return f"{self.new(name=name)}@example.com"
        return "\n".join(
            self.new(line[:1], name) for line in value.split("\n")
        )  # a diff keeps what makes its lines count

    def fill(self, folder: Path) -> None:
        """Plant in every file of a folder, in place."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            if not path.exists() or path.name.endswith(PASSED_OVER):
                continue
            data = path.read_bytes()
            if data.startswith(SQLITE):
                self._database(path)
            elif path.suffix == ".json" and (document := _decoded(data)) is not None:
                path.write_text(json.dumps(self.plant(document)))
            else:
                path.write_bytes(b"\n".join(map(self._line, data.split(b"\n"))))

    def _line(self, line: bytes) -> bytes:
        """A line of a log; one that is no JSON keeps its text, which is content too."""
        record = _decoded(line)
        if record is None:
            return line + self.new(" ").encode() if line.strip() else line
        return json.dumps(self.plant(record)).encode()

    def _database(self, path: Path) -> None:
        """Plant in every text of every table; triggers would copy what is about to be replaced."""
        with closing(sqlite3.connect(path, isolation_level=None)) as store:
            store.create_function("planted", 2, self._cell)
            store.execute("PRAGMA ignore_check_constraints = ON")
            names = "SELECT name FROM sqlite_master WHERE type = ?"
            for (trigger,) in store.execute(names, ("trigger",)).fetchall():
                store.execute(f'DROP TRIGGER "{trigger}"')
            for _, table, kind, *_ in store.execute("PRAGMA table_list").fetchall():
                if kind != "table" or table.startswith("sqlite_"):
                    continue
                columns = [column for _, column, *_ in store.execute(f'PRAGMA table_info("{table}")').fetchall()]
                for column in columns:
                    is_named_beside = column == "value" and "key" in columns
                    name = '"key"' if is_named_beside else f"'{column}'"
                    store.execute(f"""UPDATE "{table}" SET "{column}" = planted({name}, "{column}")
                                      WHERE typeof("{column}") IN ('text', 'blob')""")  # fmt: skip

    def _cell(self, name: str, cell: str | bytes) -> Any:
        """A text or the text in bytes, also in a frame (0x00, codec, bytes) as Omnigent packs them; other bytes are ids."""
        if isinstance(cell, str):
            return self.plant(cell, name)
        is_packed = cell[:2] == b"\x00\x01"
        data = zstandard.decompress(cell[2:]) if is_packed else cell[2:] if cell[:1] == b"\x00" else cell
        if not data.isascii() or not data.decode().isprintable():
            return cell
        planted = self.plant(data.decode(), name).encode()
        return b"\x00\x01" + zstandard.compress(planted) if is_packed else cell[: len(cell) - len(data)] + planted


def _inner(name: str, key: str) -> str:
    """OTLP wraps a value in its type's name."""
    return name if str(key).endswith("Value") or key == "values" else str(key)


def _decoded(text: Any) -> Any:
    """The object or list that a text holds, or None."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def leaks(work: Path) -> list[str]:
    """Where below a folder a canary is, with its beginning: names of files, bytes, compressed bytes, and cells of tables."""
    return [f"{name}: {data[place.start() : place.start() + 40]!r}" for name, data in _everything(work)
            if (place := MARK.search(data))]  # fmt: skip


def _everything(work: Path) -> Iterator[tuple[str, bytes]]:
    for path in (path for path in work.rglob("*") if path.is_file() and not path.is_symlink()):
        data = path.read_bytes()
        yield str(path), str(path.relative_to(work)).encode()
        yield str(path), data
        if path.suffix == ".gz":
            yield str(path), gzip.decompress(data)
        elif path.suffix == ".parquet":
            yield str(path), pl.read_parquet(path).write_ndjson().encode()
        elif path.suffix == ".duckdb":
            with duckdb.connect(path, read_only=True) as db:
                for schema, table in db.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall():
                    yield f"{path} {table}", str(db.execute(f'FROM "{schema}"."{table}"').fetchall()).encode()
