"""Starts through `exec`: each becomes one event, its end another, and no argument is in either."""

import stat

import pytest

from collectors.exec_bench import CANARY  # noqa: TID251 - tests/collectors
from meterhouse_collector.__main__ import main


@pytest.mark.parametrize(
    ("variables", "origin"),
    [({}, None), ({"CI": "true"}, "ci"), ({"CLAUDECODE": "1", "CI": "1"}, "agent"), ({"METERHOUSE_ORIGIN": "schedule"}, "schedule"),
     ({"METERHOUSE_LAUNCH_ID": "x"}, "agent"), ({"METERHOUSE_ORIGIN": "nonsense"}, None)],
)  # fmt: skip
def test_the_origin_is_what_can_be_seen_and_else_unknown(bench, variables, origin):
    bench.agent("claude")
    bench.variables.update(variables)
    bench.run("claude")
    assert bench.drops()[0].get("origin") == origin


def test_a_start_becomes_one_event_and_its_file_goes(bench):
    bench.agent("gemini")
    bench.run("gemini", CANARY)
    (path,) = (bench.laptop.spool.parent / "launches").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert CANARY not in path.read_text()
    (launch,) = bench.launches()
    assert launch["agent"] == "gemini_cli"
    assert launch["channel"] == "collector"
    assert "exit_code" not in launch
    assert not path.exists()
    bench.laptop.once()
    assert len(bench.launches()) == 1
    assert b"CANARY" not in b"".join(bench.laptop.lines())


def test_a_start_that_is_waited_for_tells_its_end_as_well(bench):
    bench.agent("claude")
    bench.run("claude", wait=True, order="3")
    begin, end = bench.launches()
    assert begin["launch_id"] == end["launch_id"]
    assert (end["exit_code"], end["duration_ms"] > 0) == (3, True)


def test_preview_shows_starts_and_takes_none(bench, capfdbinary):
    bench.agent("claude")
    bench.run("claude")
    capfdbinary.readouterr()
    main(bench.laptop.arguments("preview"))
    shown = capfdbinary.readouterr().out
    assert len(bench.drops()) == 1
    bench.laptop.once()
    assert shown == b"".join(line + b"\n" for line in bench.laptop.lines())
    assert b'"kind":"launch"' in shown


def test_damaged_files_are_counted_and_go(bench):
    folder = bench.laptop.spool.parent / "launches"
    folder.mkdir(parents=True)
    for number, text in enumerate(
        ["", "[]", "{}", '{"started_at":"x"}', '{"launch_id":"a","started_at":7}', "[" * 4000]
    ):
        (folder / f"{number:032x}.json").write_text(text)
    (folder / "notes.txt").write_text("not ours")
    assert bench.launches() == []
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    bench.laptop.file().write_text('{"id":"t","tokens":1,"at":"2026-10-01T00:00:00Z"}\n')
    bench.laptop.once()
    assert bench.laptop.dropped() == {"launch_damaged": 5, "contract": 1}
