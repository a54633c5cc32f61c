"""Hostile input through the whole run: good neighbours always load, everything else is in quarantine, byte for byte."""

import base64
import gzip
import hashlib
import json
import re

import polars as pl
import pytest

from meterhouse import contract
from meterhouse.catalog import Catalog
from meterhouse.load import load
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

pytestmark = pytest.mark.fault("L5")
TEXT_TYPES = ("id", "text", "money", "share", "instant", "day")


def good(number: int) -> dict:
    return raw.event(key=("good", number), response_id=f"msg_{number:030d}", input_tokens=number)


def stored(data: DataDir, kind: str) -> pl.DataFrame:
    with Catalog(data) as catalog:
        files = catalog.files(kind)
    return pl.concat([pl.read_parquet(file) for file in files]) if files else pl.DataFrame()


def loaded(bucket, folder) -> DataDir:
    """The load alone, without the models."""
    data = DataDir(folder)
    with Catalog(data) as catalog:
        load(Storage(str(bucket)), catalog)
    return data


@pytest.fixture(scope="module")
def documents():
    rows = map(json.loads, raw.shared("hostile", "json_documents.jsonl").read_text(encoding="utf-8").splitlines())
    return {row["id"]: base64.b64decode(row["b64"]).replace(b"\n", b" ") for row in rows}


@pytest.fixture(scope="module")
def among_good(documents, tmp_path_factory):
    """Every document as a line between two good lines, run to the end."""
    root = tmp_path_factory.mktemp("documents")
    lines = [raw.line(good(0))]
    for number, document in enumerate(documents.values(), start=1):
        lines += [document, raw.line(good(number))]
    body = raw.text(lines, count=sum(bool(line.strip()) for line in lines))
    key = raw.put(root / "bucket", gzip.compress(body))
    return body, key, raw.published(root / "bucket", root / "data")


def test_all_good_lines_around_hostile_documents_are_published(among_good, documents):
    _, _, data = among_good
    found = raw.rows(data, "SELECT input_tokens FROM fct_requests ORDER BY 1")
    assert [tokens for (tokens,) in found] == list(range(len(documents) + 1))
    print(f"{len(documents)} documents between {len(found)} good lines")


def test_every_hostile_document_is_in_quarantine_with_reason_and_exact_byte_range(among_good, documents):
    body, key, data = among_good
    rows = raw.rows(data, "SELECT object_key, byte_start, byte_end, line_number, reason, sha256 FROM load_quarantine")
    expected = sorted(document for document in documents.values() if document.strip())  # a blank line is no line
    assert sorted(body[start:end] for _, start, end, *_ in rows) == expected
    for object_key, start, end, number, reason, digest in rows:
        assert object_key == key
        assert body[:start].count(b"\n") + 1 == number
        assert re.fullmatch(r"[a-z0-9_]+", reason)
        assert digest == hashlib.sha256(body[start:end]).hexdigest()
    assert raw.rows(data, "SELECT spooled - rows_loaded - rows_quarantined FROM load_ledger") == [(0,)]


def test_a_valid_document_that_is_no_event_is_called_that(among_good, documents):
    body, _, data = among_good
    reasons = {
        body[start:end]: reason
        for start, end, reason in raw.rows(data, "SELECT byte_start, byte_end, reason FROM load_quarantine")
    }
    for name, document in documents.items():
        if name.startswith("y_"):
            kind = "missing_field" if isinstance(json.loads(document), dict) else "not_an_object"
            assert reasons[document] == kind, name
        elif name.startswith("n_") and document.strip():
            assert reasons[document] in ("invalid_json", "invalid_utf8", "too_deep"), name


def test_no_row_of_the_lake_lacks_a_required_value(among_good):
    frame = stored(among_good[2], "model_request")
    required = [row.name for row in contract.kinds()["model_request"].fields if row.is_required and row.name != "kind"]
    assert frame.select(*required, "day", "received_at").null_count().sum_horizontal().sum() == 0


@pytest.fixture(scope="module")
def strings():
    rows = map(json.loads, raw.shared("hostile", "strings.jsonl").read_text(encoding="utf-8").splitlines())
    texts = [row["text"] for row in rows if "text" in row]
    return list(dict.fromkeys(texts))


def text_fields() -> list[tuple[str, contract.Field]]:
    """Each text field of the contract once, with a kind that has it."""
    found = {}
    for name, kind in contract.kinds().items():
        for row in kind.fields:
            if row.type in TEXT_TYPES and row.name not in ("kind", "event_id"):
                found.setdefault(row.name, (name, row))
    return list(found.values())


def least(kind: str) -> dict:
    """An event of the kind with nothing but what it must have."""
    values = {"count": 1, "instant": "2026-03-02T10:00:00Z", "day": "2026-03-02", "money": "1"}
    fields = contract.kinds()[kind].fields
    return {row.name: values.get(row.type, "x") for row in fields if row.is_required} | {"kind": kind}


def test_hostile_strings_in_every_text_field_are_data_or_refused_by_pattern(strings, tmp_path):
    lines, expected = [], {}
    for kind, field in text_fields():
        base = least(kind)
        for number, text in enumerate(strings):
            name = f"{field.name}-{number}"
            lines.append(raw.line(base | {"event_id": name, field.name: text}))
            if field.type in ("id", "text"):
                expected[name] = bool(re.fullmatch(field.pattern[1:-1], text)) and len(text) <= 200
    raw.segment(tmp_path / "bucket", lines)
    data = loaded(tmp_path / "bucket", tmp_path / "data")
    kept = {}
    for kind, field in text_fields():
        if field.type in ("id", "text"):
            frame = stored(data, kind).filter(pl.col("event_id").str.starts_with(f"{field.name}-"))
            kept |= dict(frame.select("event_id", field.name).iter_rows())
    assert {name for name, is_good in expected.items() if is_good} == set(kept)
    assert all(strings[int(name.rpartition("-")[2])] == value for name, value in kept.items()), "not byte-equal"
    with Catalog(data) as catalog:
        reasons = dict(catalog.db.execute("SELECT reason, count(*) FROM load_quarantine GROUP BY 1").fetchall())
    assert set(reasons) == {"bad_format", "out_of_range"}
    assert sum(reasons.values()) + sum(stored(data, kind).height for kind in contract.kinds()) == len(lines)
    print(f"{len(strings)} strings in {len(text_fields())} fields: {len(kept)} loaded, {reasons}")


def test_hostile_strings_as_names_and_words_do_not_stop_the_models(strings, tmp_path):
    lines = []
    words = [text for text in strings if 0 < len(text) <= 200]
    for kind in ("model_request", "tool_call", "code_change", "prompt", "session", "commit", "pull_request"):
        base = raw.event(kind)
        names = [row.name for row in contract.kinds()[kind].fields
                 if row.type in ("id", "text") and row.name not in ("kind", "event_id", "source", "channel")]  # fmt: skip
        for number, text in enumerate(words):
            one = base | {"event_id": f"{kind}-{number}", names[number % len(names)]: text}
            lines.append(raw.line(one))
    raw.segment(tmp_path / "bucket", lines)
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    ((spooled, accounted),) = raw.rows(
        data, "SELECT spooled, rows_loaded + rows_quarantined + rows_duplicate FROM load_ledger"
    )
    assert spooled == accounted == len(lines)
    assert raw.rows(data, "SELECT count(*) > 100 FROM fct_requests") == [(True,)]


def test_hostile_strings_as_kinds_are_parked_or_refused(strings, tmp_path):
    raw.segment(
        tmp_path / "bucket", [raw.event() | {"kind": text, "event_id": f"k{n}"} for n, text in enumerate(strings)]
    )
    data = loaded(tmp_path / "bucket", tmp_path / "data")
    with Catalog(data) as catalog:
        (parked,) = catalog.db.execute("SELECT count(*) FROM load_parked").fetchone()
        ledger = catalog.db.execute("SELECT rows_parked, rows_parked + rows_quarantined FROM load_ledger").fetchone()
        kinds = {kind for (kind,) in catalog.db.execute("SELECT kind FROM load_parked").fetchall()}
    assert ledger == (parked, len(strings))
    assert kinds < set(strings)


def test_hostile_strings_as_object_names_are_names_like_any_other(strings, tmp_path):
    folder = tmp_path / "bucket" / "raw" / "v1" / "direct" / raw.SENDER
    folder.mkdir(parents=True)
    count = 0
    for number, text in enumerate(strings):
        name = text.replace("/", "_")[:60] + ".jsonl"
        if len(name.encode()) < 250 and name.isprintable() and not (folder / name).exists():
            (folder / name).write_bytes(raw.line(good(number)) + b"\n")
            count += 1
    data = loaded(tmp_path / "bucket", tmp_path / "data")
    with Catalog(data) as catalog:
        assert catalog.db.execute("SELECT count(*), sum(rows_loaded) FROM load_ledger").fetchall() == [(count, count)]
    print(f"{count} names")


def test_a_name_that_no_object_store_can_hold_is_named_in_one_line(tmp_path):
    raw.put(tmp_path / "bucket", gzip.compress(raw.text([])), name="tab\there.jsonl.gz")
    done = raw.command("run", "--plain", "--raw", str(tmp_path / "bucket"), "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "here.jsonl.gz" in done.stderr
    assert done.stderr.count("\n") == 1
