"""What every source of session files promises, on the fixtures of all: a folder `fixtures/<agent>` brings an agent in here."""

import importlib
import json
import pkgutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance  # noqa: TID251 - the folder of these tests
from meterhouse_collector import sources
from meterhouse_collector.here import Here

SOURCES = {name: importlib.import_module(f"{sources.__name__}.{name}") for _, name, _ in pkgutil.iter_modules(sources.__path__)}  # fmt: skip
CASES = sorted((path.parts[-3], path.parts[-2]) for path in conformance.FIXTURES.glob("*/*/expected.jsonl")
               if path.parts[-3] in SOURCES and not hasattr(SOURCES[path.parts[-3]], "select"))  # fmt: skip
AGENTS = sorted(name for name, source in SOURCES.items()
                if not hasattr(source, "select") and (conformance.FIXTURES / name).is_dir())  # fmt: skip


def folder(agent, case):
    return conformance.FIXTURES / agent / case


def files(agent):
    """Logs of an agent's fixtures, a line a record, and documents that are rewritten whole."""
    return [path for path in sorted((conformance.FIXTURES / agent).rglob("*.json*")) if path.name != "expected.jsonl"]


def logs(agent):
    return [path for path in files(agent) if path.suffix == ".jsonl"]


def records_of(agent, path):
    """What the source is handed of a file, in order."""
    if path.suffix == ".json":
        return list(SOURCES[agent].explode(json.loads(path.read_bytes())))
    return conformance.lines_of(path)


@pytest.mark.parametrize(("agent", "case"), CASES)
def test_every_trap_gives_the_events_that_were_reviewed(agent, case, tmp_path):
    written = conformance.written(folder(agent, case), tmp_path / case)
    conformance.expect(conformance.read_case(SOURCES[agent], written), folder(agent, case) / "expected.jsonl")


@pytest.mark.parametrize(("agent", "case"), CASES)
def test_no_fixture_lets_content_out(agent, case):
    assert "CANARY" not in json.dumps(conformance.read_case(SOURCES[agent], folder(agent, case)))


@pytest.mark.parametrize("agent", AGENTS)
def test_there_is_content_to_let_out(agent):
    assert any("CANARY" in path.read_text() for path in files(agent))


@pytest.mark.parametrize("agent", AGENTS)
def test_what_waits_for_its_outcome_is_kept_without_the_name_that_its_id_may_be_made_of(agent):
    for path in files(agent):
        state, here = {}, Here(path, Path("/nowhere"))
        for record in records_of(agent, path):
            list(SOURCES[agent].read(record, state, here))
            waiting = json.dumps([state.get("calls"), state.get("tools")])
            assert "CANARY" not in waiting.upper(), f"{path}: {record}"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_log_read_while_it_grows_says_the_same_as_the_whole(agent):
    for path in logs(agent):
        whole = path.read_bytes()
        at_once = conformance.read_in_steps(SOURCES[agent], [len(whole)], whole, path)
        assert conformance.read_in_steps(SOURCES[agent], range(1, len(whole) + 301, 301), whole, path) == at_once, path
        assert conformance.read_file(SOURCES[agent], path, markers=False) == at_once, f"{path}: a marker hides a line"


@pytest.mark.parametrize("agent", AGENTS)
@given(data=st.data())
def test_no_value_in_no_place_of_a_line_breaks_the_source(agent, data):
    path = data.draw(st.sampled_from(files(agent)).filter(lambda path: records_of(agent, path)))
    records = records_of(agent, path)
    position = data.draw(st.integers(0, len(records) - 1))
    place = data.draw(st.sampled_from(conformance.places(records[position])).filter(bool))  # the reader sees to objects
    records[position] = conformance.replaced(records[position], place, data.draw(conformance.json_values()))
    conformance.drafts(SOURCES[agent], records[: position + 4], path)
