"""governance.yaml: money to the cent, every mistake named by its key, no address in what SQL reads."""

import tomllib
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse import governance
from meterhouse.alerts import rules
from meterhouse.errors import SettingsError
from meterhouse.governance import Budget, Governance, Limit, parse, read_governance
from meterhouse.seeds import read_seeds
from meterhouse.settings import Settings
from meterhouse.storage import Storage

GOOD = b"""
version: 1
currency: USD
budgets:
  - {team: payments, month_usd: 900.10, owner: payments-lead@example.com}
limits:
  - {name: session-cost, scope: session, usd: 150, severity: critical, owner: platform@example.com}
forecast: {alert_probability: 0.75}
recipients: {executives: [ceo@example.com, cfo@example.com]}
"""
BUDGET = "version: 1\nbudgets: [{team: a, month_usd: 5, owner: a@example.com}, {%s}]"
LIMIT = "version: 1\nlimits: [{%s}]"


def test_a_whole_file_is_read():
    assert parse(GOOD) == Governance(
        (Budget("payments", Decimal("900.10"), "payments-lead@example.com"),),
        (Limit("session-cost", "session", Decimal(150), "critical", "platform@example.com"),),
        Decimal("0.75"),
        ("ceo@example.com", "cfo@example.com"),
    )


def test_all_but_the_version_may_be_left_out():
    assert parse(b"version: 1") == Governance()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "governance.yaml: is no mapping; write key: value lines"),
        ("budgets: []", "governance.yaml: version: is missing"),
        ("version: 2", "governance.yaml: version: is 2; this Meterhouse reads version 1"),
        ("version: true", "governance.yaml: version: is True"),
        ("version: 1\nversion: 1", "key 'version' stands twice"),
        ("version: 1\ncurrency: EUR", "currency: is 'EUR'; budgets are compared with list prices in USD"),
        ("version: 1\nbudget: []", "governance.yaml: budget: is not known; the keys are version, currency, budgets"),
        ("version: 1\nbudgets: {}", "governance.yaml: budgets: is no list"),
        ("version: 1\nbudgets: [payments]", "governance.yaml: budgets[0]: is no mapping"),
        ("version: 1\nforecast: 1", "governance.yaml: forecast: is no mapping"),
        ("version: 1\nforecast: {alert_probability: 60}", "forecast.alert_probability: is 60; write a share"),
        ("version: 1\nrecipients: {executives: [Jo <jo@example.com>]}", "recipients.executives[0]: is no plain mail"),
        ("version: 1\nrecipients: {executives: ['a@b.example\\r\\nBcc: c@d.example']}", "recipients.executives[0]: is no"),
        (BUDGET % "team: b, month_usd: 5", "budgets[1].owner: is missing"),
        (BUDGET % "team: b, month_usd: 5, owner: b", "budgets[1].owner: is no plain mail address"),
        (BUDGET % "team: a, month_usd: 5, owner: b@example.com", "budgets[1].team: 'a' stands there already"),
        (BUDGET % "team: 7, month_usd: 5, owner: b@example.com", "budgets[1].team: is no text"),
        (BUDGET % "team: b, month_usd: 0, owner: b@example.com", "budgets[1].month_usd: is 0; write dollars above 0"),
        (BUDGET % "team: b, month_usd: -1, owner: b@example.com", "budgets[1].month_usd: is -1"),
        (BUDGET % "team: b, month_usd: 5.005, owner: b@example.com", "budgets[1].month_usd: is 5.005"),
        (BUDGET % "team: b, month_usd: '5', owner: b@example.com", "budgets[1].month_usd: is '5', no number"),
        (BUDGET % "team: b, month_usd: true, owner: b@example.com", "budgets[1].month_usd: is True, no number"),
        (BUDGET % "team: b, month_usd: .nan, owner: b@example.com", "budgets[1].month_usd: is '.nan', no number"),
        (BUDGET % "team: b, month_usd: 1.0e+400, owner: b@example.com", "budgets[1].month_usd: is 1.0E+400"),
        (BUDGET % "team: b, eur: 5", "budgets[1].eur: is not known; the keys are team, month_usd, owner"),
        (LIMIT % "name: x, scope: day, usd: 5, owner: b@example.com", "limits[0].scope: is 'day'; it is one of session"),
        (LIMIT % "name: x, scope: session, usd: 5, owner: b@example.com, severity: loud", "limits[0].severity: is 'loud'"),
        ("version: 1\nbudgets: [", "governance.yaml: is no YAML"),
        ("!!python/object/apply:os.getcwd []", "governance.yaml: is no YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_key(text, message):
    with pytest.raises(SettingsError) as error:
        parse(text.encode())
    assert message in str(error.value)


def test_a_file_that_is_no_text_is_named():
    with pytest.raises(SettingsError, match=r"governance\.yaml: is not UTF-8"):
        parse(b"version: 1 # \xff")


def test_without_a_file_there_is_nothing_to_govern_and_that_is_said_once(tmp_path, capsys):
    for _ in range(3):
        assert read_governance(Storage(str(tmp_path)), Settings()) == Governance()
    assert capsys.readouterr().err.count("governance.yaml: is not there") == 1


def test_the_file_of_the_settings_wins(tmp_path):
    (tmp_path / "governance.yaml").write_bytes(b"version: 1")
    (tmp_path / "own.yaml").write_bytes(GOOD)
    storage = Storage(str(tmp_path))
    assert read_governance(storage, Settings()) == Governance()
    assert read_governance(storage, Settings(governance_file=str(tmp_path / "own.yaml"))) == parse(GOOD)
    with pytest.raises(SettingsError, match="governance_file: /nowhere cannot be read"):
        read_governance(storage, Settings(governance_file="/nowhere"))


def test_what_sql_reads_holds_the_money_exactly_and_no_address(tmp_path):
    (tmp_path / "governance.yaml").write_bytes(GOOD)
    seeds = {seed.name: seed for seed in read_seeds(Storage(str(tmp_path)))}
    assert seeds["seed_budgets"].frame.rows() == [("payments", "900.10", "0.75")]
    assert seeds["seed_limits"].frame.rows() == [("session-cost", "session", "150", "critical")]
    assert not any("@" in seeds[name].frame.write_csv() for name in ("seed_budgets", "seed_limits"))


def test_a_new_owner_rebuilds_no_table_and_a_new_amount_does(tmp_path):
    def digest(text):
        (tmp_path / "governance.yaml").write_bytes(text)
        return {seed.name: seed.digest for seed in read_seeds(Storage(str(tmp_path)))}["seed_budgets"]

    assert digest(GOOD) == digest(GOOD.replace(b"payments-lead@", b"new-lead@"))
    assert digest(GOOD) != digest(GOOD.replace(b"900.10", b"900.20"))


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


def test_every_key_is_in_the_reference():
    keys = [f"{section}.{key}".lstrip(".") for section, keys in governance.KEYS.items() for key in keys]
    assert [key for key in keys if f"| `{key}` |" not in PAGE] == []


def test_every_setting_and_its_variable_are_in_the_reference():
    names = [field.name for field in fields(Settings)]
    assert [name for name in names if f"`METERHOUSE_{name.upper()}`" not in PAGE] == []
    shown = [name.partition("_") for name in names if name != "mail_password"]
    assert [name for name in shown if f"| `[{name[0]}] {name[2]}` |" not in PAGE] == []


def test_every_alert_rule_and_header_key_is_in_the_reference():
    assert [rule.name for rule in rules.load_rules() if f"| `{rule.name}` |" not in PAGE] == []
    assert [key for key in rules.HEADER_KEYS if f"`{key}`" not in PAGE] == []


def test_the_references_example_is_a_good_file():
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    assert len(parse(example.encode()).budgets) == 1
    document = tomllib.loads(PAGE.split("```toml\n")[1].split("```")[0])
    assert set(document) == {"storage", "mail"}
