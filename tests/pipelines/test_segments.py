"""Objects to lines: whatever the bytes are, nothing raises, limits hold, and byte ranges are exact."""

import gzip
import tracemalloc
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from meterhouse import segments
from meterhouse.segments import read_segment

GOOD = (
    b'{"meterhouse_segment":1,"sender":"aa","epoch":"bb","seq":4,"count":2,"dropped":{"too_old":3}}\n{"a":1}\n{"b":2}\n'
)
TWO = [b'{"a":1}', b'{"b":2}']


def lines(segment):
    return [row.data for row in segment.lines]


def damage(segment):
    return [(row.reason, row.start, row.end) for row in segment.damage]


PACKED = {
    "s.jsonl": GOOD,
    "s.jsonl.gz": gzip.compress(GOOD),
    "s.jsonl.zst": zstandard.compress(GOOD),
    "members.jsonl.gz": gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:]),
    "frames.jsonl.zst": zstandard.compress(GOOD[:50]) + zstandard.compress(GOOD[50:]),
    "empty_members.jsonl.gz": gzip.compress(b"") * 3000 + gzip.compress(GOOD),
}


@pytest.mark.parametrize("key", PACKED)
def test_a_whole_object_gives_its_header_and_its_lines(key):
    segment = read_segment(key, PACKED[key])
    assert (segment.header.sender, segment.header.seq, segment.header.count) == ("aa", 4, 2)
    assert segment.header.dropped == {"too_old": 3}
    assert lines(segment) == TWO
    assert segment.damage == []
    assert [GOOD[row.start : row.end] for row in segment.lines] == TWO
    assert [row.number for row in segment.lines] == [2, 3]


PLAIN = {  # bytes, lines, damage
    "nothing": (b"", [], []),
    "one line feed": (b"\n", [], []),
    "blank lines": (b"\n  \n\t\r\n{}\n", [b"{}"], []),
    "last line without line feed": (b"{}\n[]", [b"{}", b"[]"], []),
    "carriage returns stay": (b"{}\r\n", [b"{}\r"], []),
    "NUL bytes": (b"\0\0\n{}\n", [b"\0\0", b"{}"], []),
    "UTF-16": ("{}\n".encode("utf-16-le"), [b"{\0}\0", b"\0"], []),
    "BOM": (b"\xef\xbb\xbf{}\n", [b"\xef\xbb\xbf{}"], []),
    "no header": (b"{}\n", [b"{}"], []),
    "header only": (GOOD.split(b"\n")[0] + b"\n", [], []),
    "header that is no JSON": (b'{"meterhouse_segment":1,\n{}\n', [b"{}"], [("bad_header", 0, 24)]),
    "header of wrong types": (b'{"meterhouse_segment":1,"seq":"4"}\n{}\n', [b"{}"], [("bad_header", 0, 34)]),
    "header with a fraction": (b'{"meterhouse_segment":1,"count":2.0}\n{}\n', [b"{}"], [("bad_header", 0, 36)]),
    "header with a huge count": (b'{"meterhouse_segment":1,"count":%d}\n{}\n' % 2**70, [b"{}"], [("bad_header", 0, 55)]),
    "header with a negative count": (b'{"meterhouse_segment":1,"count":-1}\n{}\n', [b"{}"], [("bad_header", 0, 35)]),
    "header with half a character": (b'{"meterhouse_segment":1,"sender":"\\ud800"}\n', [], [("bad_header", 0, 42)]),
    "header with a terminal code": (b'{"meterhouse_segment":1,"sender":"\\u001b[2J"}\n', [], [("bad_header", 0, 45)]),
    "header of depth 100,000": (
        b'{"meterhouse_segment":' + b"[" * 10**5 + b"\n{}\n", [b"{}"], [("bad_header", 0, 10**5 + 22)]),
    "second header": (GOOD + GOOD, [*TWO, GOOD.split(b"\n")[0], *TWO], []),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_plain_bytes_are_split_and_the_rest_is_named(name):
    data, expected, broken = PLAIN[name]
    segment = read_segment("s.jsonl", data)
    assert (lines(segment), damage(segment)) == (expected, broken)


def crc_broken(data):
    return data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]


PACK = gzip.compress(GOOD)
BROKEN = {  # key, bytes, lines that stay, reason
    "wrong CRC": ("s.jsonl.gz", crc_broken(PACK), [], "corrupt_compression"),
    "CRC wrong in the second member": (
        "s.jsonl.gz",
        PACK + crc_broken(gzip.compress(b"[]\n")),
        TWO,
        "trailing_garbage",
    ),
    "cut before the trailer": ("s.jsonl.gz", PACK[:-8], TWO, "cut_compression"),
    "cut in the trailer": ("s.jsonl.gz", PACK[:-3], TWO, "cut_compression"),
    "cut in the header": ("s.jsonl.gz", PACK[:7], [], "cut_compression"),
    "trailing garbage": ("s.jsonl.gz", PACK + b"garbage", TWO, "trailing_garbage"),
    "no gzip at all": ("s.jsonl.gz", GOOD, [], "corrupt_compression"),
    "zstd under a gzip name": ("s.jsonl.gz", zstandard.compress(GOOD), [], "corrupt_compression"),
    "no zstd at all": ("s.jsonl.zst", GOOD, [], "corrupt_compression"),
    "cut zstd": ("s.jsonl.zst", zstandard.compress(GOOD)[:-4], [], "cut_compression"),
    "one byte": ("s.jsonl.gz", b"\x1f", [], "cut_compression"),
}


@pytest.mark.fault("L8")
@pytest.mark.parametrize("name", BROKEN)
def test_of_a_broken_stream_only_trusted_whole_lines_stay(name):
    key, data, expected, reason = BROKEN[name]
    segment = read_segment(key, data)
    assert lines(segment) == expected
    assert [row.reason for row in segment.damage] == [reason]


def test_gzip_of_gzip_is_lines_of_no_meaning_and_no_error():
    segment = read_segment("s.jsonl.gz", gzip.compress(gzip.compress(GOOD)))
    assert segment.header is None
    assert not set(TWO) & set(lines(segment))


def test_an_empty_object_is_no_damage():
    assert read_segment("s.jsonl.gz", b"") == segments.Segment()


@pytest.mark.parametrize("cut", range(len(GOOD)))
def test_a_stream_cut_after_any_byte_keeps_exactly_the_lines_that_had_ended(cut):
    packer = zlib.compressobj(wbits=31)
    data = packer.compress(GOOD[:cut]) + packer.flush(zlib.Z_SYNC_FLUSH)
    segment = read_segment("s.jsonl.gz", data)
    whole = GOOD[:cut].count(b"\n")
    assert lines(segment) == TWO[: max(whole - 1, 0)]
    assert [(row.reason, row.start, row.end) for row in segment.damage] == [
        ("cut_compression", GOOD[:cut].rfind(b"\n") + 1, cut)
    ]
    if whole:
        assert segment.damage[0].events == 2 - len(lines(segment)), "the header announces two events"


BOMBS = {
    "zeros": ("s.jsonl.gz", lambda: gzip.compress(bytes(2**26)), "inflates_too_much"),
    "zeros in zstd": ("s.jsonl.zst", lambda: zstandard.compress(bytes(2**28)), "inflates_too_much"),
    "many members": ("s.jsonl.gz", lambda: gzip.compress(bytes(2**20)) * 64, "inflates_too_much"),
    "blank lines": ("s.jsonl.gz", lambda: gzip.compress(b"\n" * 2**24), "inflates_too_much"),
    "lines of one byte": ("s.jsonl", lambda: b"1\n" * (segments.MAX_LINES + 9), "too_many_lines"),
    "too many compressed bytes": ("s.jsonl.gz", lambda: bytes(segments.MAX_COMPRESSED + 1), "object_too_large"),
}


@pytest.mark.fault("L6")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_hits_a_limit(name, monkeypatch):
    monkeypatch.setattr(segments, "MAX_LINES", 1000)
    key, make, reason = BOMBS[name]
    data = make()
    tracemalloc.start()
    segment = read_segment(key, data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row.reason for row in segment.damage] == [reason]
    assert len(lines(segment)) <= 1000
    assert peak < 64 * 2**20, "a bomb takes no more memory than a common segment"


@pytest.mark.fault("L6")
def test_a_line_of_100_mb_is_set_aside_and_its_neighbours_are_read():
    data = b"{}\n" + b"x" * 10**8 + b"\n[]\n"
    segment = read_segment("s.jsonl", data)
    assert lines(segment) == [b"{}", b"[]"]
    assert damage(segment) == [("line_too_long", 3, 3 + 10**8)]


@given(st.binary(max_size=300), st.sampled_from(["s.jsonl", "s.jsonl.gz", "s.jsonl.zst"]))
def test_no_bytes_raise(data, key):
    segment = read_segment(key, data)
    for row in segment.lines:
        assert b"\n" not in row.data
        assert row.end - row.start == len(row.data)


@given(st.data())
def test_one_flipped_bit_never_gives_a_line_that_was_not_there(data):
    position = data.draw(st.integers(0, len(PACK) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    broken = PACK[:position] + bytes([PACK[position] ^ bit]) + PACK[position + 1 :]
    assert set(lines(read_segment("s.jsonl.gz", broken))) <= set(TWO)


@given(
    st.lists(st.sampled_from([b"", b" ", b"{}", b"x" * 9, b"y" * 10, b"z" * 11, b"z" * 25]), max_size=40), st.booleans()
)
def test_long_objects_are_cut_between_lines_and_every_line_has_its_place(texts, is_ended):
    data = b"\n".join(texts) + b"\n" * is_ended
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "MAX_LINE", 10)
        segment = read_segment("s.jsonl", data)
    split = data.split(b"\n")
    starts = [sum(len(text) + 1 for text in split[:number]) for number in range(len(split))]
    told = [(number, start, text) for number, (start, text) in enumerate(zip(starts, split, strict=True), start=1)]
    assert [(row.number, row.start, row.data) for row in segment.lines] == [
        row for row in told if row[2].strip() and len(row[2]) <= 10
    ]
    assert [(row.number, row.start, row.end) for row in segment.damage] == [
        (number, start, start + len(text)) for number, start, text in told if len(text) > 10
    ]
    assert all(body.end - body.start <= 11 for body in segment.bodies)


@pytest.mark.fault("L6")
def test_a_line_that_is_too_long_beyond_the_last_that_counts_is_no_line_of_its_own(monkeypatch):
    monkeypatch.setattr(segments, "MAX_LINES", 3)
    data = b"{}\n" * 3 + b"x" * (segments.MAX_LINE + 1) + b"\nx\n"
    segment = read_segment("s.jsonl", data)
    assert lines(segment) == [b"{}"] * 3
    assert [(row.reason, row.start, row.end, row.number) for row in segment.damage] == [
        ("too_many_lines", 9, len(data), 4)
    ]
