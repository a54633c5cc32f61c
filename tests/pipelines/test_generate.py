"""A generated organisation: the same seed gives the same bytes, and a run finds exactly what its truth says."""

import hashlib
from pathlib import Path

import pytest

from meterhouse.__main__ import main
from meterhouse.errors import MeterhouseError
from meterhouse.generate import Plan, generate
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.snapshot import reading

# small, with many blemishes
PLAN = Plan(
    6, 12, 1, events_per_day=40, late_share=0.1, redelivered_share=0.3, malformed_share=0.01, parked_share=0.005
)


def digest(folder: Path) -> str:
    """Names and bytes of all files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(
        b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)
    ).hexdigest()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The organisation after one run: its truth and its data directory."""
    root = tmp_path_factory.mktemp("generated")
    truth, data = generate(PLAN, root / "raw"), DataDir(root / "data")
    outcome = run(str(root / "raw"), data)
    return truth, data, outcome


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    plans = {"a": PLAN, "b": PLAN, "c": Plan(**{**vars(PLAN), "seed": 2})}
    for name, plan in plans.items():
        generate(plan, tmp_path / name)
    a, b, c = (digest(tmp_path / name) for name in plans)
    assert a == b
    assert a != c


def test_what_is_loaded_is_what_the_truth_says(built):
    truth, _, outcome = built
    loaded = outcome.loaded
    assert loaded.objects == truth.segments
    assert loaded.rows == truth.events == sum(truth.kinds.values())
    assert loaded.duplicates == truth.duplicates > 0
    assert loaded.quarantined == sum(truth.malformed.values())
    assert loaded.parked == truth.parked > 0
    assert loaded.rows + loaded.duplicates + loaded.quarantined + loaded.parked == truth.lines
    assert loaded.problems == []


def test_lines_are_quarantined_for_the_reasons_that_the_truth_gives(built):
    truth, data, _ = built
    with reading(data) as db:
        found = dict(db.execute("SELECT reason, count(*) FROM load_quarantine GROUP BY reason").fetchall())
    assert found == truth.malformed
    assert len(found) == 4


def test_every_request_is_one_request_and_its_tokens_add_up(built):
    truth, data, _ = built
    with reading(data) as db:
        sums = ", ".join(f"CAST(sum({name}) AS BIGINT)" for name in truth.tokens)
        count, *tokens = db.execute(f"SELECT count(*), {sums} FROM fct_requests").fetchone() or ()
        unpriced = db.execute("SELECT DISTINCT model FROM fct_requests WHERE status = 'ok' AND list_cost_usd IS NULL")
        assert unpriced.fetchall() == []
    assert count == truth.kinds["model_request"]
    assert tokens == list(truth.tokens.values())


def test_every_kind_reaches_its_table_and_late_days_are_kept(built):
    truth, data, _ = built
    tables = {"prompt": "fct_prompts", "tool_call": "fct_tool_calls", "code_change": "fct_code_changes",
              "commit": "fct_commits", "session": "fct_sessions"}  # fmt: skip
    with reading(data) as db:
        found = {kind: db.execute(f"SELECT count(*) FROM {table}").fetchone() for kind, table in tables.items()}
        assert db.execute("SELECT count(*) FROM rpt_accounting WHERE residual <> 0").fetchone() == (0,)
    assert found == {kind: (truth.kinds[kind],) for kind in tables}


def test_work_is_skewed_over_people_and_rests_at_weekends(tmp_path):
    truth = generate(Plan(60, 14, 3, events_per_day=30), tmp_path)
    sizes = {}
    for path in (tmp_path / "raw").rglob("*.gz"):
        sizes[path.parent] = sizes.get(path.parent, 0) + path.stat().st_size
    ordered = sorted(sizes.values(), reverse=True)
    assert sum(ordered[: len(ordered) // 10]) > 0.25 * sum(ordered)  # a tenth of the people, a quarter of the work
    assert truth.kinds["model_request"] > truth.kinds["session"]


def test_the_command_prints_the_truth_and_refuses_a_folder_with_segments(tmp_path, capsys):
    command = ["generate", "--engineers", "2", "--days", "3", "--to", str(tmp_path)]
    assert main(command) == 0
    assert '"events":' in capsys.readouterr().out
    assert main(command) == 1
    assert "give another folder" in capsys.readouterr().err
    with pytest.raises(MeterhouseError, match="at least 1"):
        generate(Plan(0, 1, 1), tmp_path / "none")
