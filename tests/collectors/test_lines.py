"""Lines, languages and instants: the small counts that every source relies on."""

import pytest
from hypothesis import given

from collectors.conformance import json_values  # noqa: TID251 - the folder of these tests
from meterhouse_collector.lines import (
    changed_lines,
    count_diff,
    count_lines,
    count_unified_diff,
    instant,
    language_of,
    millis_between,
)

HEADER = "Index: a.sql\n===\n--- a.sql\tOriginal\n+++ a.sql\tWritten\n"


@pytest.mark.parametrize(
    ("text", "lines"), [("", 0), ("x", 1), ("x\n", 1), ("x\ny", 2), ("\n", 1), ("\n\n", 2), (None, 0), (["x"], 0)]
)
def test_a_last_line_without_line_feed_is_a_line(text, lines):
    assert count_lines(text) == lines


@pytest.mark.parametrize(
    ("diff", "changed"),
    [
        ("", (0, 0)),
        (HEADER, (0, 0)),
        (HEADER + "@@ -1,2 +1,3 @@\n a\n-b\n+c\n+d\n", (2, 1)),
        (HEADER + "@@ -1,2 +1,2 @@\n--- comment\n-b\n+++ c\n+d\n", (2, 2)),
        (HEADER + "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n", (1, 1)),
        (HEADER + "@@ -0,0 +1,2 @@\n+a\n+b\n" + HEADER + "@@ -9 +9,0 @@ def f():\n-z\n", (2, 1)),
        ("+not a hunk\n-not a hunk\n", (0, 0)),
    ],
)
def test_only_the_bodies_of_hunks_are_counted(diff, changed):
    assert count_unified_diff(diff) == changed


def test_a_diff_whose_hunks_have_no_numbers_is_counted_by_its_signs():
    assert count_unified_diff("--- a.sql\n+++ a.sql\n@@\n-a\n+b\n+c\n d\n") == (2, 1)


def test_lines_of_a_patch_are_told_by_their_first_character_alone():
    assert count_diff([" a", "-b", "--- c", "+d", "+++ e", "\\ No newline at end of file", None, 7]) == (2, 2)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [("", "a\nb\n", (2, 0)), ("a\nb\nc", "a\nx\ny\nc", (2, 1)), ("a", "a", (0, 0)), ("a\na", "a", (0, 1)), (None, 1, (0, 0))],
)  # fmt: skip
def test_lines_that_both_texts_share_at_either_end_did_not_change(old, new, changed):
    assert changed_lines(old, new) == changed


@pytest.mark.parametrize(
    ("path", "language"),
    [("a/b.py", "python"), (r"C:\x\B.TSX", "typescript"), ("Dockerfile", "dockerfile"), ("x/secret", None), (".py/secret.x", None), (None, None)],
)  # fmt: skip
def test_a_language_comes_from_the_file_type_and_a_closed_list(path, language):
    assert language_of(path) == language


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("2026-11-20T10:02:21.043Z", "2026-11-20T10:02:21.043Z"),
        ("2026-11-20 10:02:21+02:00", "2026-11-20T08:02:21Z"),
        ("2026-11-20T10:02:21.123456789-0130", "2026-11-20T11:32:21.123456Z"),
        (1795168939447, "2026-11-20T10:02:19.447000Z"),
        ("2026-02-31T10:02:21Z", None),
        ("2026-11-20T10:02:21", None),
        (float("inf"), None),
        (True, None),
        ("yesterday", None),
    ],
)
def test_an_instant_is_utc_or_nothing(given_value, expected):
    assert instant(given_value) == expected


def test_time_that_runs_backwards_has_no_length():
    assert millis_between("2026-11-20T10:00:00.5Z", "2026-11-20T10:00:02Z") == 1500
    assert millis_between("2026-11-20T10:00:02Z", "2026-11-20T10:00:00.5Z") is None
    assert millis_between(None, "2026-11-20T10:00:02Z") is None


@given(json_values())
def test_no_json_value_breaks_a_count(value):
    count_lines(value), count_unified_diff(value), count_diff(value), changed_lines(value, value), language_of(value)
    assert instant(instant(value)) == instant(value)
