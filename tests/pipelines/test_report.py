"""The weekly report on the sample organisation: right figures, the same in all parts, the same bytes for ever."""

import re
from datetime import date
from decimal import Decimal

import pytest

from meterhouse.errors import MeterhouseError, SettingsError
from meterhouse.metrics import metric, total
from meterhouse.report import build, render, wording
from meterhouse.report.read import report_of
from meterhouse.snapshot import reading
from pipelines import raw, report_parts  # noqa: TID251 - tests/pipelines
from pipelines.report_parts import numbers, page  # noqa: TID251

WEEK, START, END = "2026-W46", date(2026, 11, 9), date(2026, 11, 16)
FORBIDDEN = ("<svg", "data:", "<script", "flex", "grid", "var(", "@import", "url(", 'src="http')


@pytest.fixture(scope="module")
def report(sample_data):
    return report_of(sample_data, WEEK, "https://meterhouse.example.com")


@pytest.fixture(scope="module")
def html(report):
    return render.html(report, lambda name: f"cid:{name}@example.com")


@pytest.fixture(scope="module")
def parts(report, html):
    """The four parts of the mail as text."""
    seen = report_parts.Page(html)
    alts = " ".join(image["alt"] for image in seen.images)
    return {"subject": report.subject, "html": f"{seen.text} {alts}", "text": render.text(report),
            "pdf": report_parts.pdf_text(render.pdf(report))}  # fmt: skip


def test_tiles_and_tables_show_what_the_metric_files_say(report, sample_data):
    with reading(sample_data) as db:
        spend = total(db, "agent_spend", START, END)
        people = total(db, "active_engineers", START, END)
        by_team = {row.dimensions["team"]: row.value for row in metric(db, "agent_spend", START, END, ["team"])}
    assert report.teams.total.cells[1] == f"${spend:,.2f}"
    assert report.tiles[0].value == wording.money(spend)
    assert report.tiles[1].value == str(people)
    assert {row.cells[0]: row.cells[1] for row in report.teams.rows} == {
        team: f"${value:,.2f}" for team, value in by_team.items()
    }


def test_active_engineers_and_their_share_count_the_same_people(sample_data):
    with reading(sample_data) as db:
        share = metric(db, "active_engineer_share", START, END)[0]
        assert share.numerator == total(db, "active_engineers", START, END)
        assert share.denominator > share.numerator > 0


def test_a_metric_over_requests_and_pull_requests_is_one_sum_over_the_other(sample_data):
    with reading(sample_data) as db:
        cost = metric(db, "cost_per_ai_pull_request", START, END)[0]
        assert cost.numerator == total(db, "agent_spend", START, END)
        assert cost.denominator == metric(db, "ai_pull_request_share", START, END)[0].numerator


def test_the_overspending_team_and_the_runaway_session_need_a_decision_with_owner_and_size(report):
    found = {row.what: row for row in report.decisions}
    over = found["Team payments is forecast to pass its November budget"]
    assert over.owner == "payments-lead"
    assert "over $1,900" in over.size
    assert any(what.startswith("One Claude Code session of team payments cost $") for what in found)
    assert all(row.owner and row.next_step for row in report.decisions)
    assert [row.size_usd for row in report.decisions] == sorted(
        (row.size_usd for row in report.decisions), reverse=True
    )


def test_the_headline_is_the_biggest_decision_with_its_cause(report):
    assert report.headline == report.decisions[0].sentence
    assert "session on 12 November" in report.headline


def test_every_number_of_every_part_is_in_the_model(report, parts):
    known = numbers(" ".join([*report_parts.words(report), report.week.label]))
    known |= {str(at) for at in range(1, len(report.decisions) + 1)}  # the text numbers its decisions
    for name, text in parts.items():
        assert numbers(text) <= known, name


def test_the_text_alone_has_every_number_and_owner_of_html_and_pdf(report, parts):
    text = parts["text"].replace("\n", " ")
    body = parts["html"].replace(" ".join(image["alt"] for image in page(report).images), "")
    assert numbers(body) <= numbers(text)
    defined = " ".join(f"{row.label} {row.description} {row.caveat}" for row in report.definitions)
    assert numbers(parts["pdf"]) <= numbers(text) | numbers(defined)
    for row in report.decisions:
        assert all(row.owner in parts[name] for name in ("html", "text", "pdf"))


def test_the_subject_says_spend_change_forecast_and_budget_in_78_characters(report):
    assert re.fullmatch(
        r"AI coding, 2026-W46: \$\S+ \([+−]\S+%\), Nov forecast \$\S+ vs \$11\.6k budget", report.subject
    )
    assert len(report.subject) <= 78


def test_mail_html_is_small_and_uses_nothing_that_mail_clients_drop(html):
    assert len(html.encode()) < 90_000
    assert not [text for text in FORBIDDEN if text in html.lower()]


def test_every_picture_has_words_and_a_width_and_is_part_of_the_mail(html, report):
    images = report_parts.Page(html).images
    assert {image["src"] for image in images} == {f"cid:{name}@example.com" for name in render.pictures(report)}
    assert all(image["alt"] and int(image["width"]) > 0 for image in images)


def test_with_pictures_blocked_nothing_but_the_course_of_the_weeks_is_lost(report):
    seen = page(report).text
    for text in (report.headline, report.month.title, report.month.words, report.month.budget_words):
        assert " ".join(text.split()) in seen
    assert all(tile.value in seen and tile.last_week in seen for tile in report.tiles)


def test_text_has_at_most_78_columns(report):
    lines = render.text(report).splitlines()
    assert [line for line in lines if len(line) > 78 and "https://" not in line] == []


def test_colours_are_legible_in_light_and_dark():
    for palette in (render.COLOURS, render.DARK):
        for ink in ("INK", "MUTED", "ACCENT", "WARNING"):
            assert _contrast(palette[ink], palette["PAPER"]) >= 4.5, (ink, palette)


def test_the_pdf_is_accessible_and_says_when_it_was_made_by_the_week_alone(report):
    content = render.pdf(report)
    assert b"pdfuaid" in content
    assert b"2026-11-16" in content


def test_the_same_week_gives_the_same_bytes(sample_data, tmp_path):
    first, second = (build(sample_data, WEEK, tmp_path / name) for name in ("one", "two"))
    assert [path.name for path in first][:3] == [f"report-{WEEK}.html", f"report-{WEEK}.txt", f"report-{WEEK}.pdf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_html_in_the_folder_refers_to_the_pictures_beside_it(sample_data, tmp_path):
    files = build(sample_data, WEEK, tmp_path)
    shown = {image["src"] for image in report_parts.Page(files[0].read_text("utf-8")).images}
    assert shown == {path.name for path in files if path.suffix == ".png"}


def test_the_command_prints_the_files_it_wrote(sample_data, tmp_path):
    done = raw.command("report", "build", "--data", str(sample_data.root), "--week", WEEK, "--out", str(tmp_path / "o"))
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(str(path) for path in (tmp_path / "o").iterdir())


@pytest.mark.parametrize(
    "week", ["2026-W60", "2025-W53", "2026-46", "W46", "2026-W00", "", "２０２６-W46", "2026-W46\n"]
)
def test_a_text_that_is_no_iso_week_is_refused(week, sample_data):
    with pytest.raises(MeterhouseError, match=r"^week '.*': there is no such ISO week; write one such as 2026-W46"):
        report_of(sample_data, week)


@pytest.mark.parametrize("week", ["2026-W32", "2026-W48", "2026-W53"])
def test_a_week_without_data_names_the_days_that_have_some(week, sample_data):
    with pytest.raises(MeterhouseError, match="2026-08-10 to 2026-11-19"):
        report_of(sample_data, week)


def test_a_dashboard_address_that_is_no_web_address_is_refused(sample_data):
    with pytest.raises(SettingsError, match="dashboard_url"):
        report_of(sample_data, WEEK, "javascript:alert(1)")


def _contrast(one: str, two: str) -> Decimal:
    """Contrast of two colours as WCAG 2 defines it."""
    light, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return Decimal((light + 0.05) / (dark + 0.05))


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
