"""`import`: recorded bodies become events once, however they were written down and however often they are read."""

import gzip
import json

import pytest

from collectors.conformance import FIXTURES  # noqa: TID251 - tests/collectors
from collectors.laptop import Laptop  # noqa: TID251
from collectors.pushed import Pushed, bodies_of  # noqa: TID251
from meterhouse_collector.__main__ import main

RECORDED = FIXTURES / "otlp" / "genai" / "bodies.jsonl"


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


@pytest.fixture
def load(laptop, monkeypatch):
    """Imports files, with the person of `Pushed`."""
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    place = ["--home", str(laptop.home), "--spool", str(laptop.spool)]
    return lambda *files: main(["import", *place, "otlp", *map(str, files), "--to", str(laptop.to)])


def test_a_recorded_file_gives_the_events_of_its_bodies_and_nothing_the_second_time(laptop, load):
    assert load(RECORDED) == 0
    assert laptop.events() == Pushed().take(*bodies_of(RECORDED)).events
    segments = len(laptop.segments())
    assert load(RECORDED) == 0
    assert len(laptop.segments()) == segments


def test_bodies_may_be_packed_or_one_a_file_over_many_lines(laptop, load, tmp_path):
    packed, whole = tmp_path / "logs_385216904.json.gz", tmp_path / "whole.json"
    packed.write_bytes(gzip.compress(RECORDED.read_bytes()))
    assert load(packed) == 0
    assert laptop.events() == Pushed().take(*bodies_of(RECORDED)).events
    whole.write_text(json.dumps(json.loads(bodies_of(FIXTURES / "otlp" / "codex" / "bodies.jsonl")[0]), indent=2))
    assert load(whole) == 0
    assert {event["agent"] for event in laptop.events()} > {"codex"}


def test_bodies_may_stand_in_a_list(laptop, load, tmp_path):
    listed = tmp_path / "bodies.json"
    listed.write_text(json.dumps([json.loads(body) for body in bodies_of(RECORDED)]))
    assert load(listed) == 0
    assert laptop.events() == Pushed().take(*bodies_of(RECORDED)).events


def test_a_line_that_is_no_body_is_counted_and_told_and_the_rest_is_read(laptop, load, tmp_path, capsys):
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_bytes(RECORDED.read_bytes() + b'{"cut":\n[]\n' + RECORDED.read_bytes())
    assert load(mixed) == 0
    assert laptop.events() == Pushed().take(*bodies_of(RECORDED)).events
    assert laptop.dropped()["otlp_broken"] == 2
    assert f"{mixed}: 2 bodies are no OTLP/JSON" in capsys.readouterr().err


def test_a_file_that_is_not_there_or_cut_is_told_in_one_line(load, tmp_path, capsys):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(RECORDED.read_bytes())[:-30])
    for path in (tmp_path / "absent.jsonl", cut):
        assert load(path) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"{path}: cannot be read")
        assert said.count("\n") == 1


def test_a_kind_that_does_not_exist_is_wrong_usage(laptop):
    with pytest.raises(SystemExit) as ended:
        main(["import", "nonsense"])
    assert ended.value.code == 2
