"""Lines that are no good: broken, too long, torn or without a marker; each costs itself alone and is counted."""

import pytest

from collectors.laptop import Laptop, jsonl, numbers, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import stream


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


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


def test_a_last_line_without_lf_costs_nothing_when_it_is_no_object(laptop):
    laptop.append(jsonl([turn(1)]) + "[" * 100_000 + '{"id"}')
    laptop.once()
    laptop.append("\n" + jsonl([turn(2)]))
    laptop.once()
    assert numbers(laptop) == [1, 2]


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
