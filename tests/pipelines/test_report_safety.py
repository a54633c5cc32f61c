"""Names from the data are text in every part of the report, whatever they hold."""

import csv
import io
import json
import unicodedata
from dataclasses import replace
from decimal import Decimal

import pytest

from meterhouse.report import render, wording
from meterhouse.report.model import Row
from meterhouse.report.read import report_of
from pipelines import raw  # noqa: TID251 - tests/pipelines
from pipelines.report_parts import Page, page, pdf_text  # noqa: TID251
from pipelines.test_report_weeks import rerun  # noqa: TID251

ATTACKS = (
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", '"><svg/onload=alert(1)>', "</mj-text><mj-raw>",
    "<mj-include path='/etc/passwd'/>", "{{ 7*7 }}{% raw %}", "=HYPERLINK(1)", "#read(\"/etc/passwd\")",
    "$x$ *b* `c` @d <e> #f", "<!--[if mso]><b>-->", "]]><b>", "&lt;b&gt; &#60;b&#62;", "a\r\nBcc: x@example.com",
)  # fmt: skip


@pytest.fixture(scope="module")
def harmless(sample_data):
    return report_of(sample_data, "2026-W46")


@pytest.fixture(scope="module")
def hostile_texts():
    lines = raw.shared("hostile", "strings.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def with_teams(report, texts):
    """The report with these names in team table, tiles' neighbours and decisions."""
    names = [wording.name(text, "(no team)") for text in texts]
    rows = tuple(Row((name, "$1.00", "+1.0%", "not shown"), Decimal("0.5")) for name in names)
    decision = report.decisions[0]
    decisions = tuple(replace(decision, what=f"Team {name} is over", owner=name) for name in names)
    return replace(
        report, teams=replace(report.teams, rows=rows), decisions=decisions, headline=f"Team {names[0]} rose"
    )


def shape(seen):
    """Which elements with which attributes a page is made of."""
    return {(tag, attributes) for tag, attributes in seen.tags}


def test_every_hostile_text_is_shown_as_text_by_html(harmless, hostile_texts):
    seen = page(with_teams(harmless, hostile_texts))
    assert shape(seen) == shape(page(harmless))
    shown = " ".join(seen.text.split())
    assert [text for text in hostile_texts if wording.name(text, "(no team)") not in shown] == []


def test_every_hostile_text_leaves_the_plain_text_plain(harmless, hostile_texts):
    text = render.text(with_teams(harmless, hostile_texts))
    assert [char for char in text if char != "\n" and (ord(char) < 32 or char in "\x7f\u202e\u2066\u200b")] == []
    columns = [sum(not unicodedata.combining(char) for char in line) for line in text.splitlines()]
    assert max(columns) <= 78


def test_every_hostile_text_goes_through_the_pdf_as_text(harmless, hostile_texts, capsys):
    content = render.pdf(with_teams(harmless, hostile_texts))
    assert content.startswith(b"%PDF-")
    assert b"/JavaScript" not in content
    assert b"/Launch" not in content
    assert b"/URI" not in content
    assert "not PDF/UA" in capsys.readouterr().err


def test_attacks_on_each_engine_reach_the_reader_unchanged(harmless):
    report = with_teams(harmless, ATTACKS)
    seen, text, printed = page(report), render.text(report), pdf_text(render.pdf(report))
    assert shape(seen) == shape(page(harmless))
    for attack in ATTACKS:
        name = wording.name(attack, "")
        assert name in seen.text
        assert name.replace(" ", "") in text.replace("\n", "").replace(" ", "")
        assert name.replace(" ", "") in printed.replace("\n", "").replace(" ", "")


def test_hostile_teams_models_and_agents_come_safely_all_the_way_from_storage(tmp_path):
    events, people, teams = [], [], []
    for number, attack in enumerate(ATTACKS):
        shared = {"at": f"2026-03-0{2 + number % 5}T10:00:00Z", "person_key": f"p{number}", "session_id": f"s{number}"}
        events += [raw.event(model=attack, native_id=f"r{number}", **shared), raw.event("prompt", **shared)]
        people.append(_line(f"p{number}", attack, "engineer", "true", "2026-01-01", ""))
        teams.append(_line(attack, attack, attack, attack, "2026-01-01", ""))
    raw.roster(tmp_path / "raw", people, teams)
    raw.segment(tmp_path / "raw", events)
    report = report_of(rerun(tmp_path), "2026-W10")
    shown = {row.cells[0] for row in report.teams.rows}
    assert shown == {wording.name(attack, "") for attack in ATTACKS}
    html = render.html(report, lambda name: f"{name}.png")
    assert not [tag for tag, _ in Page(html).tags if tag in ("script", "svg", "mj-raw", "b", "e")]
    assert all(image["src"].endswith(".png") for image in Page(html).images)
    assert render.pdf(report).startswith(b"%PDF-")


def _line(*cells):
    text = io.StringIO()
    csv.writer(text, lineterminator="", quoting=csv.QUOTE_ALL).writerow(cells)
    return text.getvalue()
