"""Lines to typed rows: every token that is no measurement is refused by name, everything else keeps its value."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse import contract
from meterhouse.parse import MAX_EXTRA
from pipelines import raw  # noqa: TID251 - the folder of these tests
from pipelines.parsing import parsed  # noqa: TID251

GOOD = raw.event()


def with_token(field: str, token: str) -> bytes:
    """The good event with one JSON token put in as it is."""
    marked = raw.line(GOOD | {field: "@@"})
    return marked.replace(b'"@@"', token.encode("utf-8", "surrogatepass"))


def verdict(line: bytes):
    found = parsed(line)
    assert sum(frame.height for frame in found.frames.values()) + len(found.rejected) + len(found.parked) == 1
    return [(row.reason, row.field) for row in found.rejected]


BAD_TOKENS = {  # field, token: reason
    ("input_tokens", "-1"): "out_of_range",
    ("input_tokens", "10000000001"): "out_of_range",
    ("input_tokens", str(2**63)): "out_of_range",
    ("input_tokens", str(2**64)): "out_of_range",
    ("input_tokens", "9" * 400): "out_of_range",
    ("input_tokens", "9" * 5000): "out_of_range",
    ("input_tokens", "1.5"): "wrong_type",
    ("input_tokens", "1.0"): "wrong_type",
    ("input_tokens", "1e2"): "wrong_type",
    ("input_tokens", "1e400"): "out_of_range",
    ("input_tokens", '"12"'): "wrong_type",
    ("input_tokens", "true"): "wrong_type",
    ("input_tokens", "[]"): "wrong_type",
    ("input_tokens", "{}"): "wrong_type",
    ("input_tokens", "NaN"): "invalid_json",
    ("input_tokens", "Infinity"): "invalid_json",
    ("input_tokens", "01"): "invalid_json",
    ("input_tokens", "+1"): "invalid_json",
    ("input_tokens", "0x10"): "invalid_json",
    ("reported_cost_usd", '"-0.01"'): "bad_format",
    ("reported_cost_usd", '"1e5"'): "bad_format",
    ("reported_cost_usd", '"NaN"'): "bad_format",
    ("reported_cost_usd", '"1.0000000000001"'): "bad_format",
    ("reported_cost_usd", '"123456789012345678901"'): "bad_format",
    ("reported_cost_usd", '"１"'): "bad_format",
    ("reported_cost_usd", "0.1"): "wrong_type",
    ("is_subagent", "1"): "wrong_type",
    ("is_subagent", '"true"'): "wrong_type",
    ("model", "5"): "wrong_type",
    ("model", '""'): "out_of_range",
    ("model", json.dumps("x" * 201)): "out_of_range",
    ("model", '"a\\nb"'): "bad_format",
    ("model", '" a"'): "bad_format",
    ("model", '"a\\n"'): "bad_format",
    ("model", '"\\ud800"'): "invalid_json",
    ("model", '"\ud800"'): "invalid_utf8",
    ("branch", '"\\u202egnp.exe"'): "bad_format",
    ("branch", '"\\u0000"'): "bad_format",
    ("occurred_at", '"2026-02-30T10:00:00Z"'): "bad_format",
    ("occurred_at", '"2026-03-02T25:00:00Z"'): "bad_format",
    ("occurred_at", '"2026-03-02T10:00:00+01:00"'): "bad_format",
    ("occurred_at", '"2026-03-02"'): "bad_format",
    ("occurred_at", '"1926-03-02T10:00:00Z"'): "bad_format",
    ("occurred_at", '"٢٠٢٦-03-02T10:00:00Z"'): "bad_format",
    ("occurred_at", "1772445600"): "wrong_type",
    ("occurred_at", "null"): "wrong_type",
    ("schema_version", "0"): "wrong_type",
    ("schema_version", "-1"): "wrong_type",
    ("schema_version", "true"): "wrong_type",
    ("schema_version", "1.0"): "wrong_type",
    ("schema_version", '"1"'): "wrong_type",
    ("schema_version", str(2**70)): "out_of_range",
    ("kind", "null"): "wrong_type",
    ("kind", "7"): "wrong_type",
    ("kind", '"a\\u001b[2J"'): "wrong_type",
    ("kind", json.dumps("k" * 201)): "wrong_type",
}


@pytest.mark.fault("L7")
@pytest.mark.parametrize(("field", "token"), BAD_TOKENS)
def test_a_token_that_is_no_value_of_its_field_is_refused_by_reason_and_field(field, token):
    ((reason, culprit),) = verdict(with_token(field, token))
    assert reason == BAD_TOKENS[field, token]
    if reason not in ("invalid_json", "invalid_utf8") and len(token) < 400 and token != "1e400":
        assert culprit == field


GOOD_TOKENS = {
    ("input_tokens", "0"): 0,
    ("input_tokens", "-0"): 0,
    ("input_tokens", "10000000000"): 10**10,
    ("input_tokens", "null"): None,
    ("reported_cost_usd", '"0"'): Decimal(0),
    ("reported_cost_usd", '"0.000000000001"'): Decimal("0.000000000001"),
    ("reported_cost_usd", '"12345678901234567890.123456789012"'): Decimal("12345678901234567890.123456789012"),
    ("is_subagent", "true"): True,
    ("branch", '"fix/\\u00e9\\ud83d\\ude00"'): "fix/é😀",
    ("model", '"=cmd|x"'): "=cmd|x",
    ("occurred_at", '"2028-02-29T23:59:59.999999Z"'): datetime(2028, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
    ("occurred_at", '"2026-03-02T10:00:00.5Z"'): datetime(2026, 3, 2, 10, 0, 0, 500000, tzinfo=UTC),
}


@pytest.mark.parametrize(("field", "token"), GOOD_TOKENS)
def test_a_value_at_the_limit_of_its_field_is_kept_exactly(field, token):
    line = with_token(field, token)
    assert verdict(line) == []
    (row,) = parsed(line).frames["model_request"].to_dicts()
    assert row.get(field) == GOOD_TOKENS[field, token]


@pytest.mark.parametrize("kind", contract.kinds())
def test_each_required_field_is_missed_by_name(kind):
    names = [row.name for row in contract.kinds()[kind].fields if row.is_required and row.name != "kind"]
    values = {"count": 1, "instant": "2026-03-02T10:00:00Z", "day": "2026-03-02", "money": "1", "share": "0.5"}
    whole = {"kind": kind} | {
        row.name: values.get(row.type, "x") for row in contract.kinds()[kind].fields if row.is_required
    }
    whole |= {"kind": kind, "schema_version": 1}
    assert verdict(raw.line(whole)) == []
    for name in names:
        assert verdict(raw.line({key: value for key, value in whole.items() if key != name})) == [
            ("missing_field", name)
        ]
    assert verdict(raw.line({key: value for key, value in whole.items() if key != "kind"})) == [
        ("missing_field", "kind")
    ]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [(["claude_code"], None), ([], None), (["a\u202eb"], "bad_format"), (["\u0007"], "bad_format"), ([""], "out_of_range"),
     (["x"] * 32, None), (["x"] * 33, "out_of_range"), ([1], "wrong_type"), ("x", "wrong_type")],
)  # fmt: skip
def test_a_list_of_texts_is_held_to_the_pattern_of_its_items(texts, reason):
    assert [row for row, _ in verdict(raw.line(raw.event("commit") | {"ai_agents": texts}))] == (
        [reason] if reason else []
    )


def test_of_repeated_keys_the_last_one_counts_and_no_second_reader_can_disagree():
    line = raw.line(GOOD)[:-1] + b',"input_tokens":7}'
    assert parsed(line).frames["model_request"]["input_tokens"].to_list() == [7]
    assert verdict(raw.line(GOOD)[:-1] + b',"input_tokens":-7}') == [("out_of_range", "input_tokens")]
    prompt = raw.line(raw.event("prompt"))
    assert list(parsed(prompt[:-1] + b',"kind":"session"}').frames) == ["session"]
    assert list(parsed(b'{"kind":"session",' + prompt[1:]).frames) == ["prompt"]
    assert verdict(prompt[:-1] + b',"kind":7}') == [("wrong_type", "kind")]
    assert [row.kind for row in parsed(prompt[:-1] + b',"kind":"dream"}').parked] == ["dream"]
    assert [row.schema_version for row in parsed(prompt[:-1] + b',"schema_version":2}').parked] == [2]


def test_unknown_fields_are_kept_and_do_not_change_the_known_ones():
    newer = GOOD | {"mood": {"deep": [1, 2.5, None, "é"]}, "energy_wh": 2**70}
    row = parsed(raw.line(newer)).frames["model_request"].to_dicts()[0]
    assert json.loads(row.pop("extra")) == {"mood": {"deep": [1, 2.5, None, "é"]}, "energy_wh": 2**70}
    plain = parsed(raw.line(GOOD)).frames["model_request"].to_dicts()[0]
    assert "extra" not in plain
    assert row == plain


def test_unknown_fields_are_bounded():
    fits = GOOD | {"pad": "x" * (MAX_EXTRA - 10)}
    assert verdict(raw.line(fits)) == []
    assert verdict(raw.line(GOOD | {"pad": "x" * MAX_EXTRA})) == [("too_many_unknown_fields", None)]
    assert verdict(raw.line(GOOD | {f"k{number}": 0 for number in range(40_000)})) == [
        ("too_many_unknown_fields", None)
    ]


def test_unknown_fields_do_not_excuse_a_broken_known_one():
    assert verdict(raw.line(GOOD | {"mood": 1, "input_tokens": -1})) == [("out_of_range", "input_tokens")]
    assert verdict(raw.line(GOOD | {"mood": 1, "model": "a\n"})) == [("bad_format", "model")]


def test_unknown_kinds_and_newer_versions_are_parked_even_when_they_would_fit():
    for change, kind, version in [
        ({"schema_version": 2}, "model_request", 2),
        ({"kind": "dream"}, "dream", 1),
        ({"kind": "dream", "schema_version": 9, "input_tokens": -4}, "dream", 9),
    ]:
        found = parsed(raw.line(GOOD | change))
        assert [(row.kind, row.schema_version) for row in found.parked] == [(kind, version)]
        assert found.frames == {}
        assert found.rejected == []


@pytest.mark.parametrize("depth", [10, 500, 980, 990, 995, 998, 1000, 1005, 5000, 10**5])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_any_depth_ends_in_a_row_or_a_reason(depth, opening):
    closing = b"]" if opening == b"[" else b"}"
    nested = opening * depth + b"1" + closing * depth
    found = parsed(raw.line(GOOD)[:-1] + b',"deep":' + nested + b"}", raw.line(GOOD))
    assert found.frames["model_request"].height + len(found.rejected) == 2
    assert {row.reason for row in found.rejected} <= {"too_deep", "too_many_unknown_fields"}
    assert next(row.reason for row in parsed(nested).rejected) in ("too_deep", "not_an_object", "missing_field")


@given(st.binary(max_size=400))
def test_no_line_raises(data):
    line = data.replace(b"\n", b" ")
    found = parsed(line)
    total = sum(frame.height for frame in found.frames.values()) + len(found.rejected) + len(found.parked)
    assert total == bool(line.strip()), "a blank line is none"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(list(GOOD)), json_values))
def test_no_value_in_any_field_raises_or_gives_half_a_row(change):
    found = parsed(json.dumps(GOOD | change).encode())
    total = sum(frame.height for frame in found.frames.values())
    assert total + len(found.rejected) + len(found.parked) == 1
    for frame in found.frames.values():
        required = [
            row.name for row in contract.kinds()["model_request"].fields if row.is_required and row.name != "kind"
        ]
        assert frame.select(required).null_count().sum_horizontal().sum() == 0


def fates(found):
    """Line numbers of what was refused or parked, and how many rows there are of each session."""
    sessions = [name for frame in found.frames.values() for name in frame["session_id"]]
    return (
        sorted(row.line.number for row in found.rejected),
        sorted(row.line.number for row in found.parked),
        sorted(sessions),
    )


def test_an_event_over_two_lines_and_two_events_on_one_are_refused_though_as_many_values_as_lines_are_there():
    head, comma, tail = raw.line(GOOD).partition(b",")
    head += comma
    two = raw.line(GOOD | {"session_id": "first"}) + b" " + raw.line(GOOD | {"session_id": "second"})
    good = raw.line(GOOD | {"session_id": "good"})
    assert fates(parsed(head, tail, two, good)) == ([1, 2, 3], [], ["good"])
    assert fates(parsed(head, tail + two, good)) == ([1, 2], [], ["good"])


def test_refused_lines_are_told_in_their_order_whichever_way_their_neighbours_took():
    prompt, session = raw.event("prompt"), raw.event("session")
    unreal = {"occurred_at": "2026-02-30T10:00:00Z"}
    found = parsed(raw.line(prompt), raw.line(session | unreal), raw.line(prompt | unreal))
    assert [row.line.number for row in found.rejected] == [2, 3]


pieces = st.sampled_from(
    [b"{", b"}", b'"a":', b"{}", b",", b" ", b'"', b"[", b"]", b'{"a":{}}', raw.line(GOOD), raw.line(GOOD)[:-1]]
)


@given(st.lists(st.lists(pieces, min_size=1, max_size=3).map(b"".join), min_size=1, max_size=4))
def test_a_line_among_others_has_the_fate_that_it_has_alone(lines):
    together, apart = fates(parsed(*lines)), [fates(parsed(line)) for line in lines]
    assert together[0] == [number for number, found in enumerate(apart, start=1) if found[0]]
    assert together[2] == sorted(name for found in apart for name in found[2])
