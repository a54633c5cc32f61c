"""Any set of witnesses counts each request once, exactly as far as it can know, in any order and however often loaded."""

import itertools
from pathlib import Path

import pytest

from conformance.ends import FIXTURES, needs_fixtures
from conformance.witnesses import Runs, captures, generated, judge
from meterhouse.snapshot import reading

pytestmark = needs_fixtures


def _all() -> list[tuple[str, tuple[str, ...]]]:
    return [(runs.name, channels) for runs in captures() for channels in runs.subsets] if FIXTURES.is_dir() else []


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that each channel is collected once."""
    return tmp_path_factory.mktemp("witnesses")


@pytest.mark.parametrize(("name", "channels"), _all())
def test_a_set_of_channels_is_exact_for_what_it_can_know(name: str, channels: tuple[str, ...], work: Path, record_property) -> None:  # fmt: skip
    runs = next(runs for runs in captures() if runs.name == name)
    verdict = judge(runs, channels, work / name)
    record_property("printed", verdict.line())
    assert verdict.difference == ""


@pytest.mark.parametrize("agent", ["claude", "codex", "gemini", "qwen"])
def test_generated_runs_with_forks_resumes_and_equal_numbers_are_exact(agent: str, work: Path, record_property) -> None:
    runs = next(runs for runs in generated(work / agent) if runs.name.startswith(agent))
    verdicts = [judge(runs, channels, work / runs.name) for channels in runs.subsets]
    record_property("printed", "\n".join(verdict.line() for verdict in verdicts))
    assert [verdict.difference for verdict in verdicts] == [""] * len(verdicts)


@pytest.mark.parametrize("name", [runs.name for runs in captures() if len(runs.known) > 1] if FIXTURES.is_dir() else [])
def test_prompts_tools_and_lines_are_those_of_the_files_however_many_channels_tell_of_them(
    name: str, work: Path
) -> None:
    runs = next(runs for runs in captures() if runs.name == name)
    found = []
    for channels in (("transcript",), tuple(runs.known)):
        with reading(runs.load(channels, work / f"{name}-work")) as db:
            found.append(db.execute(
                "SELECT (SELECT count(*) FROM fct_prompts), (SELECT count(*) FROM fct_tool_calls), (SELECT sum(lines_added) FROM "
                "fct_code_changes WHERE decision = 'accept'), (SELECT sum(lines_removed) FROM fct_code_changes WHERE decision = 'accept')"
            ).fetchone())  # fmt: skip
    assert found[0] == found[1]


def three_ways() -> Runs:
    return next(runs for runs in captures() if runs.name == "claude-gateway-edit")


def test_seventeen_observations_are_six_requests(work: Path) -> None:
    runs = three_ways()
    with reading(runs.load(tuple(runs.known), work / runs.name)) as db:
        found = db.execute("SELECT count(*), sum(observation_count), max(channel_count) FROM fct_requests").fetchone()
        differing = db.execute("SELECT * FROM int_request_disagreements").fetchall()
    assert found == (6, 17, 3)
    assert differing == []


def test_the_order_of_the_channels_and_loading_twice_change_nothing(work: Path) -> None:
    runs = three_ways()
    tables = []
    for order in itertools.permutations(runs.known):
        data = runs.load(order, work / runs.name, in_turn=True)
        with reading(data) as db:
            tables.append([db.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
                           for name in ("fct_requests", "int_request_links", "fct_sessions", "rpt_coverage")])  # fmt: skip
    assert all(table == tables[0] for table in tables)
