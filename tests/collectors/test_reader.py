"""Reading: growing, torn, rotated, truncated, replaced and broken session files, each read once and wholly."""

import json
import os
import shutil
import subprocess

import pytest

from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import cursors, outbox, reader, stream


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


def numbers(laptop):
    return [int(name.split("-")[1]) for name in laptop.ids()]


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


def test_a_last_line_without_lf_costs_nothing_when_it_is_no_object(laptop):
    laptop.append(jsonl([turn(1)]) + "[" * 100_000 + '{"id"}')
    laptop.once()
    laptop.append("\n" + jsonl([turn(2)]))
    laptop.once()
    assert numbers(laptop) == [1, 2]


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


BAD_LINES = {
    "no JSON": (b'{"tokens": nope}\n', "not_json"),
    "a cut object": (b'{"tokens": 1, "id": "x\n', "not_json"),
    "an array": (b'[{"tokens": 1}, {"tokens": 2}, "tokens", {"tokens":3}]\n', "not_json"),
    "deep nesting": (b'{"tokens":' + b"[" * 100_000 + b"\n", "not_json"),
    "a record that the source trips over": (b'{"boom": 1, "text": "CANARY-7f3a"}\n', "source_error"),
    "a record without what the source needs": (b'{"tokens": 1}\n', "source_error"),
    "a draft that breaks the contract": (
        b'{"tokens": 1, "id": "x", "at": "never"}\n', "contract"),
    "a draft with a field that is none": (
        b'{"tokens": 1, "id": "x", "at": "2026-10-01T00:00:00Z", "extra": {"prompt": "CANARY-7f3a"}}\n', "contract"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_costs_itself_alone_and_is_counted(laptop, capfd, line, reason):
    laptop.file().write_bytes(
        jsonl([turn(1)]).encode() + line.replace(b'"tokens": ', b'"tokens":') + jsonl([turn(2)]).encode()
    )
    assert laptop.once() == 0
    assert numbers(laptop) == [1, 2]
    assert laptop.dropped() == {reason: 1}
    assert "CANARY" not in capfd.readouterr().err


def test_invalid_utf_8_and_a_byte_order_mark_are_tolerated(laptop):
    first = jsonl([turn(1, text="x")]).encode().replace(b'"x"', b'"\xff\xfe\x80"')
    laptop.file().write_bytes(b"\xef\xbb\xbf" + first + jsonl([turn(2)]).encode())
    laptop.once()
    assert numbers(laptop) == [1, 2]


def test_lines_without_a_marker_are_passed_over_without_decoding(laptop):
    laptop.append("this is not JSON and nobody minds\n" + jsonl([turn(1)]))
    laptop.once()
    assert numbers(laptop) == [1]
    assert laptop.dropped() == {}


def test_a_line_over_the_limit_is_skipped_and_counted_wherever_the_blocks_end(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK", 64)
    text = b"a" * 10 + b"\n" + b"b" * 500 + b"\n" + b"c" * 200 + b"\n" + b"d\n" + b"e" * 900
    path = tmp_path / "x"
    path.write_bytes(text)
    with open(path, "rb") as file:
        lines = stream.Lines(file, 0, limit=250)
        assert list(lines) == [(0, b"a" * 10), (512, b"c" * 200), (713, b"d")]
    assert (lines.too_long, lines.end) == (1, 715)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1 << 20])
def test_lines_are_the_same_for_every_block_size(tmp_path, monkeypatch, block):
    monkeypatch.setattr(stream, "BLOCK", block)
    path = tmp_path / "x"
    path.write_bytes(b"one\n\ntwo two\nthree\n" + b"x" * 30 + b"\ntorn")
    with open(path, "rb") as file:
        lines = stream.Lines(file, 0)
        assert list(lines) == [(0, b"one"), (5, b"two two"), (13, b"three"), (19, b"x" * 30)]
    assert lines.end == 50


def test_a_document_that_is_rewritten_gives_only_its_new_records(laptop):
    laptop.file("a.json").write_text(json.dumps({"turns": [turn(1), turn(2)]}))
    laptop.once()
    laptop.file("a.json").write_text(json.dumps({"turns": [turn(1), turn(2), turn(3)]}, indent=1))
    laptop.once()
    assert numbers(laptop) == [1, 2, 3]
    assert laptop.events()[-1]["attempt"] == 3


def test_a_half_written_document_is_counted_and_read_when_whole(laptop):
    laptop.file("a.json").write_text(json.dumps({"turns": [turn(1)]})[:-5])
    laptop.append(jsonl([turn(5)]), "b.jsonl")
    laptop.once()
    assert (numbers(laptop), laptop.dropped()) == ([5], {"not_json": 1})
    laptop.file("a.json").write_text(json.dumps({"turns": [turn(1)]}))
    laptop.once()
    assert numbers(laptop) == [5, 1]


DECODERS = {"the program": "zstd", "the package": "zstandard"}


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_an_archived_session_is_read_and_repeats_nothing(laptop, monkeypatch, decoder):
    if shutil.which("zstd") is None:
        pytest.skip("the zstd program is not installed")
    monkeypatch.setattr(stream, "decoder", lambda: decoder)
    laptop.append(jsonl([turn(1), turn(2)]))
    laptop.append(jsonl([turn(3)]), "b.jsonl")
    laptop.once()
    laptop.append(jsonl([turn(4)]))
    subprocess.run(["zstd", "-q", "--rm", laptop.file()], check=True)
    laptop.once()
    assert sorted(numbers(laptop)) == [1, 2, 3, 4]


def test_an_archive_without_a_decoder_is_reported_never_skipped_silently(laptop, monkeypatch, capsys):
    monkeypatch.setattr(stream, "decoder", lambda: None)
    laptop.file("a.jsonl.zst").write_bytes(b"(\xb5/\xfd")
    laptop.append(jsonl([turn(1)]), "b.jsonl")
    assert laptop.once() == 0
    assert numbers(laptop) == [1]
    from meterhouse_collector.__main__ import main

    assert main(laptop.arguments("doctor")) == 1
    assert main(laptop.arguments("status")) == 0
    shown = capsys.readouterr().out
    assert shown.count("without a decoder") == 2
    assert "zstd archives and no decoder" in shown


def test_a_damaged_archive_is_reported_and_read_once_it_is_whole(laptop):
    if shutil.which("zstd") is None:
        pytest.skip("the zstd program is not installed")
    whole = subprocess.run(
        ["zstd", "-qc"], input=jsonl(turn(n) for n in range(2000)).encode(), stdout=subprocess.PIPE, check=True
    )
    laptop.file("a.jsonl.zst").write_bytes(whole.stdout[:-20])
    laptop.once()
    laptop.file("a.jsonl.zst").write_bytes(whole.stdout)
    laptop.once()
    assert numbers(laptop) == list(range(2000))


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
