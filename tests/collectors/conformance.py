"""Reads session files with the sources alone, without spool and cursors, and returns the events that would be spooled.

Every source's tests use it, so that all keep the same promises: what a line says depends on the lines before it only,
state survives JSON, markers hide nothing, no content comes out, and hostile values break nothing.
"""

import copy
import itertools
import json
import os
import shutil
from pathlib import Path

from meterhouse_collector import events
from meterhouse_collector.here import Here

FIXTURES = Path(__file__).parent / "fixtures"
SHARED = Path(__file__).resolve().parents[2] / "../shared/fixtures"
CANARY = "CANARY-"
WRITTEN = 1795168815  # 2026-11-20T10:00:15Z


def shared(*parts: str) -> Path:
    """A folder of recorded sessions that are not ours to ship; the test is skipped, loudly, where they are absent."""
    folder = SHARED.joinpath(*parts).resolve()
    if not folder.exists():
        import pytest  # the rest of this module also runs on interpreters without it

        pytest.skip(f"{folder}: recorded sessions are not here; this promise is NOT tested")
    return folder


def cases(agent: str) -> list:
    """Our own fixtures of one agent: a folder per trap."""
    return sorted(path.name for path in (FIXTURES / agent).iterdir() if path.is_dir())


def read_home(source, home: Path, env=None) -> list:
    """Events of all files of one source below a home folder, in the order of reading."""
    return [event for path in source.find(home, env or {}) for event in read_file(source, path, home)]


def written(folder: Path, target: Path) -> Path:
    """A copy of a fixture whose files were last written at a known time, which some sources tell."""
    shutil.copytree(folder, target)
    for path in target.rglob("*"):
        os.utime(path, (WRITTEN, WRITTEN))
    return target


def read_case(source, folder: Path) -> list:
    """Events of all session files in one fixture's folder."""
    files = sorted(path for path in folder.rglob("*.json*") if path.name != "expected.jsonl")
    return [event for path in files for event in read_file(source, path)]


def read_file(source, path: Path, home: Path = Path("/nowhere"), markers: bool = True) -> list:
    """Events of one file."""
    if path.suffix == ".json":
        return list(_events(source, enumerate(source.explode(json.loads(path.read_bytes()))), {}, Here(path, home)))
    return list(read_bytes(source, path.read_bytes(), {}, path, home=home, markers=markers))


def read_bytes(source, data: bytes, state: dict, path: Path, start: int = 0, home=Path("/nowhere"), markers=True):
    """Events of the complete lines from an offset on; `state` is carried on in place."""
    wanted = getattr(source, "MARKERS", ()) if markers else ()
    return _events(source, _records(data, start, wanted), state, Here(path, home))


def read_in_steps(source, sizes: list, data: bytes, path: Path) -> list:
    """As a file that grows to each size in turn, cut anywhere, with state kept as JSON in between."""
    found, state, offset = [], {}, 0
    for size in sizes:
        found += read_bytes(source, data[:size], state, path, offset)
        offset = max(offset, data.rfind(b"\n", 0, size) + 1)
        state = json.loads(json.dumps(state))
    return found


def of_kind(found: list, kind: str) -> list:
    """The events of one kind, each id once, as the load keeps them."""
    return list({event["event_id"]: event for event in reversed(found) if event["kind"] == kind}.values())[::-1]


def json_values():
    """Any JSON value, small; what the json module takes for JSON includes NaN and halves of characters."""
    from hypothesis import strategies as st

    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4), max_leaves=8
    )  # fmt: skip


def expect(found: list, path: Path) -> None:
    """The events must be those of the file, in order; with ACCEPT=1 in the environment the file is written instead."""
    text = "".join(events.line(event).decode() + "\n" for event in found)
    if os.environ.get("ACCEPT"):
        path.write_text(text, encoding="utf-8")
    assert text.splitlines() == path.read_text(encoding="utf-8").splitlines(), (
        f"{path}: look, then accept with ACCEPT=1"
    )


def canaried(record, names: set, numbers=None):
    """The record with every text replaced by a canary of its own, except under the names that hold no content."""
    numbers = numbers or itertools.count()
    if isinstance(record, dict):
        return {name: value if name in names and isinstance(value, str) else canaried(value, names, numbers)
                for name, value in record.items()}  # fmt: skip
    if isinstance(record, list):
        return [canaried(item, names, numbers) for item in record]
    return f"{CANARY}{next(numbers)}" if isinstance(record, str) else record


def drafts(source, records: list, path: Path) -> list:
    """Drafts of hostile records, as bytes; one may break the contract, and is then dropped, but nothing may raise."""
    lines, state = [], {}
    for record in records:
        for draft in source.read(record, state, Here(path, Path("/nowhere"))):
            lines.append(repr((draft.key, draft.occurred_at)).encode("utf-8", "replace"))
            try:
                event = events.make(draft.kind, source=source.NAME, channel="transcript", occurred_at=draft.occurred_at,
                                    key=draft.key, **draft.values)  # fmt: skip
            except events.ContractError:
                continue
            lines.append(events.line(event))
    lines.append(json.dumps(state).encode())
    return lines


def places(record, path=()) -> list:
    """The way to every value of a record."""
    inner = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    return [path, *(place for name, value in inner for place in places(value, (*path, name)))]


def replaced(record, place: tuple, value):
    """A copy of the record with another value in one place."""
    if not place:
        return value
    changed = copy.deepcopy(record)
    target = changed
    for name in place[:-1]:
        target = target[name]
    target[place[-1]] = value
    return changed


def lines_of(path: Path) -> list:
    """The records of a log."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]


def _records(data: bytes, start: int, wanted: tuple):
    position = 0
    for line in data[: data.rfind(b"\n") + 1].split(b"\n"):
        at, position = position, position + len(line) + 1
        if at >= start and line.strip() and (not wanted or any(marker in line for marker in wanted)):
            yield at, json.loads(line)


def _events(source, records, state: dict, here: Here):
    for here.offset, record in records:
        for draft in source.read(record, state, here):
            yield events.make(draft.kind, source=source.NAME, channel="transcript", occurred_at=draft.occurred_at,
                              key=draft.key, **draft.values)  # fmt: skip
