"""Rule files: what their headers must say, and what becomes of their rows."""

import pytest

from meterhouse.alerts.rules import find, read_rule
from meterhouse.errors import ModelError
from meterhouse.snapshot import reading


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("severity: loud", "severity is 'loud'; it is one of info, warning, critical"),
        ("notify: everyone", "notify is 'everyone'; it is one of budget_owner, limit_owner"),
        ("subject: ''", "header key 'subject' is missing"),
        ("colour: red", "unknown header key 'colour'"),
    ],
)
def test_a_rule_says_what_is_wrong_with_it(tmp_path, words, message):
    good = {"description": "d", "severity": "info", "notify": "budget_owner", "key": "[team]", "subject": "s",
            "detail": "d", "next_step": "n", "see": "SELECT 1"}  # fmt: skip
    name, _, value = words.partition(": ")
    header = "\n".join(f"{key}: {text}" for key, text in (good | {name: value}).items())
    path = tmp_path / "rule.sql"
    path.write_text(f"/*\n{header}\n*/\nSELECT 'a' AS team, [] AS causes")
    with pytest.raises(ModelError, match=message):
        read_rule(path)


def test_no_two_scopes_share_a_key(fresh, tmp_path):
    path = tmp_path / "rule.sql"
    words = "description: d\nseverity: info\nnotify: budget_owner\nsubject: s\ndetail: d\nnext_step: n\nsee: s"
    path.write_text(f"/*\n{words}\nkey: [team, month]\n*/\nSELECT unnest(['a:b', 'a']) AS team, "
                    "unnest(['c', 'b:c']) AS month, [] AS causes")  # fmt: skip
    with reading(fresh[1]) as db:
        assert [row.alert.dedup_key for row in find(db, [read_rule(path)])] == ["rule:a%3Ab:c", "rule:a:b%3Ac"]


def test_words_that_name_no_column_are_an_error(fresh, tmp_path):
    path = tmp_path / "rule.sql"
    words = "description: d\nseverity: info\nnotify: budget_owner\nsubject: '{size}'\ndetail: d\nnext_step: n\nsee: s"
    path.write_text(f"/*\n{words}\nkey: [team]\n*/\nSELECT 'a' AS team, [] AS causes")
    with reading(fresh[1]) as db, pytest.raises(ModelError, match="use 'size', which the SELECT lacks"):
        find(db, [read_rule(path)])
