"""Reading: growing, torn, rotated, truncated, replaced and broken session files, each read once and wholly."""

import json
import os
import time

import pytest

from collectors.laptop import Laptop, jsonl, numbers, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import cursors, outbox, reader, stream


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


def test_only_what_was_appended_is_read_again_and_state_survives(laptop):
    laptop.append(jsonl(turn(n) for n in range(3)))
    laptop.once()
    laptop.append(jsonl(turn(n) for n in range(3, 5)))
    laptop.once()
    assert numbers(laptop) == [0, 1, 2, 3, 4]
    assert [event["attempt"] for event in laptop.events()] == [1, 2, 3, 4, 5]


def test_a_second_once_on_the_same_files_ships_nothing(laptop):
    laptop.append(jsonl([turn(1)]))
    laptop.once()
    before = [(path, path.stat().st_mtime_ns) for path in sorted(laptop.root.rglob("*"))]
    assert laptop.once() == 0
    changed = {path.name for path, mtime in before if path.stat().st_mtime_ns != mtime}
    assert changed <= {"lock", "spool"}
    assert len(laptop.segments()) == 1


def test_a_torn_last_line_waits_for_its_end_at_every_byte_until_nothing_but_its_lf_is_missing(tmp_path):
    whole, last, following = jsonl([turn(1)]), jsonl([turn(2)]), jsonl([turn(3)])
    for cut in range(1, len(last)):
        laptop = Laptop(tmp_path / str(cut))
        laptop.append(whole + last[:cut])
        laptop.once()
        assert numbers(laptop) == ([1] if cut < len(last) - 1 else [1, 2]), f"cut at {cut}"
        laptop.append(last[cut:] + following)
        laptop.once()
        assert numbers(laptop) == [1, 2, 3], f"cut at {cut}"
        assert [event["attempt"] for event in laptop.events()] == [1, 2, 3], f"cut at {cut}"


def test_a_renamed_file_is_not_read_again(laptop):
    laptop.append(jsonl([turn(1), turn(2)]))
    laptop.once()
    laptop.file().rename(laptop.file("b.jsonl"))
    laptop.once()
    assert len(laptop.segments()) == 1
    laptop.append(jsonl([turn(3)]), "b.jsonl")
    laptop.once()
    assert numbers(laptop) == [1, 2, 3]
    assert laptop.events()[-1]["attempt"] == 3


def test_a_rotated_name_is_read_from_its_start(laptop):
    laptop.append(jsonl([turn(1), turn(2)]))
    laptop.once()
    laptop.file().rename(laptop.file("old.txt"))
    laptop.append(jsonl([turn(7)]))
    laptop.once()
    assert numbers(laptop) == [1, 2, 7]


def test_a_truncated_file_is_read_again_and_known_events_are_not_repeated(laptop):
    laptop.append(jsonl(turn(n) for n in range(5)))
    laptop.once()
    laptop.file().write_text(jsonl([turn(0), turn(9)]))
    laptop.once()
    assert numbers(laptop) == [0, 1, 2, 3, 4, 9]


def test_a_truncated_file_that_grew_past_its_old_size_is_recognised(laptop):
    laptop.append(jsonl(turn(n) for n in range(3)))
    laptop.once()
    laptop.file().write_text(jsonl(turn(n) for n in range(100, 110)))
    laptop.once()
    assert numbers(laptop) == [0, 1, 2, *range(100, 110)]


def test_a_replaced_file_with_the_same_beginning_goes_on_where_it_stood(laptop):
    laptop.append(jsonl(turn(n) for n in range(3)))
    laptop.once()
    copy = laptop.file("copy.tmp")
    copy.write_text(laptop.file().read_text() + jsonl([turn(3)]))
    os.replace(copy, laptop.file())
    laptop.once()
    assert numbers(laptop) == [0, 1, 2, 3]


def test_a_deleted_file_stops_nothing_and_comes_back_without_repeats(laptop):
    text = jsonl([turn(1)])
    laptop.append(text)
    laptop.append(jsonl([turn(5)]), "b.jsonl")
    laptop.once()
    laptop.file().unlink()
    laptop.append(jsonl([turn(6)]), "b.jsonl")
    laptop.once()
    laptop.append(text)
    laptop.once()
    assert sorted(numbers(laptop)) == [1, 5, 6]


def test_the_same_line_twice_is_one_event(laptop):
    laptop.append(jsonl([turn(1), turn(1), turn(2)]))
    laptop.once()
    assert numbers(laptop) == [1, 2]


def test_a_batch_that_ends_in_the_middle_of_a_file_neither_skips_nor_repeats(laptop, monkeypatch):
    monkeypatch.setattr(outbox, "BATCH", 7)
    monkeypatch.setattr(cursors, "RECENT", 1)
    laptop.append(jsonl(turn(n) for n in range(100)))
    laptop.once()
    assert numbers(laptop) == list(range(100))
    assert [event["attempt"] for event in laptop.events()] == list(range(1, 101))


def test_a_document_that_is_rewritten_gives_only_its_new_records(laptop):
    laptop.file("a.json").write_text(json.dumps({"turns": [turn(1), turn(2)]}))
    laptop.once()
    laptop.file("a.json").write_text(json.dumps({"turns": [turn(1), turn(2), turn(3)]}, indent=1))
    laptop.once()
    assert numbers(laptop) == [1, 2, 3]
    assert laptop.events()[-1]["attempt"] == 3


def test_a_document_caught_while_it_is_written_waits_for_the_next_pass_and_is_counted_once_it_rests(
    laptop, monkeypatch
):
    monkeypatch.setattr(reader.Reader, "comes_again", True)
    path = laptop.file("a.json")
    for text in ("", json.dumps({"turns": [turn(1)]})[:-5]):
        path.write_text(text)
        laptop.once()
        assert (numbers(laptop), laptop.dropped()) == ([], {})
    path.write_text(json.dumps({"turns": [turn(1)]}))
    laptop.once()
    assert (numbers(laptop), laptop.dropped()) == ([1], {})
    path.write_text(json.dumps({"turns": [turn(1), turn(2)]})[:-5])
    for changed in (time.time() - 60, time.time() + 60):  # a clock that was set back must not make it wait for ever
        os.utime(path, (changed, changed))
        laptop.once()
    laptop.append(jsonl([turn(5)]), "b.jsonl")  # drops leave with the next events
    laptop.once()
    assert (numbers(laptop), laptop.dropped()) == ([1, 5], {"not_json": 2})


def test_a_half_written_document_is_counted_and_read_when_whole(laptop):
    laptop.file("a.json").write_text(json.dumps({"turns": [turn(1)]})[:-5])
    laptop.append(jsonl([turn(5)]), "b.jsonl")
    laptop.once()
    assert (numbers(laptop), laptop.dropped()) == ([5], {"not_json": 1})
    laptop.file("a.json").write_text(json.dumps({"turns": [turn(1)]}))
    laptop.once()
    assert numbers(laptop) == [5, 1]


def test_a_source_whose_state_another_version_wrote_is_fed_from_the_start(laptop, monkeypatch):
    laptop.append(jsonl(turn(n) for n in range(3)))
    laptop.once()
    monkeypatch.setattr(reader, "__version__", "99.0")
    monkeypatch.setattr(cursors, "RECENT", 1)  # so that not the memory of ids keeps repeats away
    laptop.append(jsonl([turn(3)]))
    laptop.once()
    assert numbers(laptop) == [0, 1, 2, 3]
    assert laptop.events()[-1]["attempt"] == 4


def test_a_read_error_in_the_middle_of_a_file_neither_skips_nor_repeats_nor_confuses_state(laptop, monkeypatch, capfd):
    monkeypatch.setattr(stream, "BLOCK", 1000)
    laptop.append(jsonl(turn(n) for n in range(3)))
    laptop.once()
    laptop.append(jsonl(turn(n) for n in range(3, 50)))

    class FailingLines(stream.Lines):
        def _whole(self, text):
            yield from super()._whole(text)
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(reader, "Lines", FailingLines)
        assert laptop.once() == 0
        assert "1 files could not be read" in capfd.readouterr().err
    laptop.once()
    assert numbers(laptop) == list(range(50))
    assert [event["attempt"] for event in laptop.events()] == list(range(1, 51))


def test_memory_of_event_ids_is_bounded():
    assert cursors.RECENT > outbox.BATCH
    cursor = cursors.Cursor("x", "diary")
    for number in range(cursors.RECENT + 10):
        assert cursor.first(f"{number:032x}"[::-1])
    assert len(cursor.recent) == cursors.RECENT


def test_a_fifo_or_a_folder_with_a_session_name_is_left_alone(laptop):
    os.mkfifo(laptop.file("pipe.jsonl"))
    laptop.file("folder.jsonl").mkdir()
    laptop.append(jsonl([turn(1)]))
    laptop.once()
    assert numbers(laptop) == [1]
