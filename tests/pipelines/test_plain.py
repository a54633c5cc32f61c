"""Plain lines: what the pattern takes from the strict decoder keeps its value, its place and its order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse import contract, plain
from meterhouse.errors import ContractFileError
from pipelines import raw  # noqa: TID251 - the folder of these tests
from pipelines.parsing import body, parsed  # noqa: TID251

VALUES = {"count": [0, 7, 10**10 - 1, 10**10], "integer": [-3, 0], "boolean": [True, False], "money": ["0", "1.5"],
          "share": ["0.25", "1"], "instant": ["2026-03-02T10:00:00.5Z"], "day": ["2026-03-02"], "texts": [[], ["a", "é:"]],
          "id": ["x", "a b:c", "x" * 200], "text": ["é", "日本 x"]}  # fmt: skip


def every_field(kind, choice):
    """A good event of a kind in which each field has a value."""
    values = {
        field.name: VALUES[field.type][choice % len(VALUES[field.type])] for field in contract.kinds()[kind].fields
    }
    return values | {"kind": kind, "schema_version": 1}


@pytest.mark.parametrize("kind", contract.kinds())
def test_common_lines_of_each_kind_are_plain_with_every_field(kind):
    lines = [raw.line(every_field(kind, choice)) for choice in range(3)]
    frames, doubtful = plain.read([body(lines)])
    assert list(doubtful) == []
    assert frames[kind].height == len(lines)
    parsed(*lines)


changes = st.tuples(st.sampled_from(sorted(contract.kinds())), st.integers(0, 5), st.data())


@given(st.lists(changes, min_size=1, max_size=4), st.sampled_from([1, plain.SAMPLE]))
def test_plain_lines_and_doubtful_ones_keep_their_values_and_their_order(drawn, sample):
    lines = []
    for kind, choice, data in drawn:
        line = raw.line(every_field(kind, choice))
        position = data.draw(st.integers(0, len(line)))
        piece = data.draw(st.sampled_from([b"", b"", b"1", b"-", b".", b"0", b'"', b",", b":", b" ", b"\\", b"}", b"null", b"\xff",
                                           b"\xc3\xa9", b"\x00", b'"kind":"prompt",', b'"session_id":"y",', b'"mood":"y",', b'"x":']))  # fmt: skip
        lines.append(line[:position] + piece + line[position + data.draw(st.integers(0, 2)) :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "SAMPLE", sample)
        parsed(*(line.replace(b"\n", b" ") for line in lines))


@pytest.mark.parametrize(
    "line", [b'{"kind":"prompt"}', b'{"kind":"prompt","kind":"prompt"}', b'{"kind":"prompt","commit_sha":"cc"}']
)
@pytest.mark.parametrize("others", [[], [raw.line(raw.event("prompt")), raw.line(raw.event("tool_call"))]])
def test_lines_without_any_field_of_their_kind_are_refused_and_no_error(line, others):
    parsed(line)
    parsed(line, line, *others)
    parsed(line, b'{"kind":"prompt","branch":"m"}', *[line] * 600, *others)


@pytest.mark.parametrize(
    "middle", [b',"agent":"x"' * 80_000, b',"agent":"x"' * 200, b',"tags":["a"' + b',"a"' * 250_000 + b"]"]
)
def test_lines_with_more_than_a_kind_can_have_are_left_to_the_judge_at_once(middle, monkeypatch):
    monkeypatch.setattr(
        plain, "_decode", lambda *_: pytest.fail("was decoded, which takes time that grows with the square of the keys")
    )
    parsed(b'{"kind":"prompt"' + middle + b',"surface":"y"}')


def test_a_field_that_few_lines_of_many_have_keeps_its_values():
    common = [raw.event("prompt", key=(number,)) for number in range(3 * plain.SAMPLE)]
    common[-1] |= {"branch": "main"}
    lines = [raw.line(event) for event in common]
    _, doubtful = plain.read([body(lines)])
    assert [line.data for line in doubtful] == lines[-1:]
    parsed(*lines)


def test_a_key_with_other_limits_in_another_kind_is_an_error_of_the_contract(monkeypatch):
    kinds = dict(contract.kinds())
    prompt = kinds["prompt"]
    session_id = next(field for field in prompt.fields if field.name == "session_id")
    others = [field for field in prompt.fields if field != session_id]
    kinds["prompt"] = replace(prompt, fields=(*others, replace(session_id, pattern="^[a-z]$")))
    monkeypatch.setattr(contract, "kinds", lambda: kinds)
    with pytest.raises(ContractFileError, match="session_id: has other types or limits in another kind"):
        plain.forms()
