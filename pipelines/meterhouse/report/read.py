"""Reads one week's report from the snapshot. Every figure that a metric defines comes from its metric file.

Nothing after the week is read and no clock is asked, so that the same week gives the same report for ever.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import duckdb

from meterhouse.asof import held
from meterhouse.errors import MeterhouseError, SettingsError
from meterhouse.metrics import MIN_GROUP, Figure, load_metrics, metric, total
from meterhouse.paths import DataDir
from meterhouse.report import outlook as outlooks
from meterhouse.report import wording
from meterhouse.report.course import Course, Reach, change, read_course, read_reach
from meterhouse.report.decisions import LIMIT, NO_TEAM, alert_probability, read_decisions
from meterhouse.report.model import Definition, ReportModel, Row, Table, Tile
from meterhouse.report.week import Week, parse_week
from meterhouse.snapshot import reading

ACTIVITY = (
    "prompts", "sessions", "requests", "output_tokens", "cache_read_share", "failed_request_share", "tool_failure_share",
    "lines_added", "lines_removed", "commits", "ai_commit_share", "merged_pull_requests", "cost_per_active_engineer",
)  # fmt: skip
TOP_TEAMS, TOP_AGENTS, TOP_MODELS = 15, 8, 6  # rows of the tables: mail clients clip a longer mail
UNKNOWN_MODEL = "(unknown)"


def report_of(data: DataDir, week: str, dashboard_url: str | None = None) -> ReportModel:
    """The report of a week such as 2026-W46, as data."""
    if dashboard_url and not dashboard_url.startswith(("https://", "http://")):
        raise SettingsError(f"dashboard_url: is '{dashboard_url}'; write an address that begins with https://")
    parsed = parse_week(week)
    with held(data, kept_as(parsed)) as path, reading(data, path) as db:
        return read_report(db, parsed, dashboard_url)


def kept_as(week: Week) -> str:
    """Name under which the snapshot stays that the week's report was last read from."""
    return f"report-{week.label}"


def read_report(db: duckdb.DuckDBPyConnection, week: Week, dashboard_url: str | None) -> ReportModel:
    """The report of one week; raises MeterhouseError when the snapshot knows nothing of it."""
    reach = _reach(db, week)
    as_of = min(week.month_day, reach.last_day)
    spend = read_course(db, "agent_spend", week, reach)
    outlook = outlooks.read_outlook(db, as_of)
    decisions = read_decisions(db, week, as_of)
    tiles = _tiles(db, week, reach, spend)
    return ReportModel(
        week=week,
        title=f"AI coding, week {week.label}",
        period=wording.span(week.start, week.last_day),
        subject=outlooks.subject(week, spend, outlook),
        headline=outlooks.headline(db, week, spend, outlook, decisions, alert_probability(db)),
        notice=_notice(reach),
        tiles=tuple(tiles),
        month=outlooks.month(outlook),
        decisions=tuple(decisions[:LIMIT]),
        decisions_note=_decisions_note(len(decisions)),
        teams=_teams(db, week, reach, spend),
        agents=_agents(db, week, reach),
        models=_models(db, week),
        activity=_activity(db, week, reach),
        provenance=tuple(_provenance(db, week, reach)),
        definitions=tuple(_definitions([tile.name for tile in tiles])),
        dashboard_url=dashboard_url,
    )


def _reach(db: duckdb.DuckDBPyConnection, week: Week) -> Reach:
    first, last = db.execute("SELECT min(day), max(day) FROM dim_days").fetchall()[0]
    if first is None:
        raise MeterhouseError(
            f"week '{week.label}': the snapshot holds no events; ship some and run `meterhouse run` again"
        )
    if week.end <= first or week.start > last:
        known = f"{first.isoformat()} to {last.isoformat()}"
        raise MeterhouseError(f"week '{week.label}': has no data; choose a week within {known}")
    return read_reach(first, last, week)


def _notice(reach: Reach) -> str:
    if not reach.is_late:
        return ""
    return f"Provisional: the data end on {wording.day(reach.last_day)}, before the week does. Nothing is compared yet."


def _decisions_note(found: int) -> str:
    if found > LIMIT:
        return f"{wording.plural(found - LIMIT, 'smaller one')} on the dashboard."
    return "" if found else "Nothing needs a decision."


def _tiles(db: duckdb.DuckDBPyConnection, week: Week, reach: Reach, spend: Course) -> list[Tile]:
    """Spend, people, and what it bought: pull requests where a source tells of them, else commits."""
    share = read_course(db, "ai_pull_request_share", week, reach)
    cost = read_course(db, "cost_per_ai_pull_request", week, reach)
    unit = "merged"
    if not share.is_measured:
        share, unit = read_course(db, "ai_commit_share", week, reach), "commits"
        cost = read_course(db, "cost_per_active_engineer", week, reach)
    people = read_course(db, "active_engineers", week, reach)
    eligible = metric(db, "active_engineer_share", week.start, week.end)[0]
    of_all = f"{wording.share(eligible.value)} of {wording.count(eligible.denominator)} eligible"
    if not people.is_measured or eligible.value is None:
        of_all = "no roster yet" if people.is_measured else "no prompts seen yet"
    floor = f"of {wording.count(share.now.denominator)} {unit}, a floor" if share.is_measured else "none seen yet"
    return [
        _tile(spend, "at public list price"),
        _tile(people, of_all),
        _tile(share, floor),
        _tile(cost, "all sessions included"),
    ]


def _tile(course: Course, note: str) -> Tile:
    label = course.metric.label
    last, mean = course.against_last_week(), course.against_mean()
    values = [value for _, value in course.points if value is not None]
    words = f"{label}: no earlier weeks"
    if len(values) > 1:
        low, high = (wording.figure(value, course.metric.unit) for value in (min(values), max(values)))
        words = f"{label} in {len(course.points)} weeks: from {low} to {high}, now {course.text}"
    return Tile(
        course.metric.name, label, course.text, note,
        "no comparison with last week" if last == wording.UNKNOWN else f"{last} vs last week",
        "no 4-week mean to compare" if mean == wording.UNKNOWN else f"{mean} vs 4-week mean",
        words, course.points if course.is_measured else (),
    )  # fmt: skip


def _teams(db: duckdb.DuckDBPyConnection, week: Week, reach: Reach, spend: Course) -> Table:
    now, before = _by(db, "agent_spend", week, "team"), _by_last_week(db, week, reach, "team")
    people = _by(db, "active_engineers", week, "team")
    ranked = _ranked(now, before)
    rows = [
        Row(
            (wording.name(team, NO_TEAM), wording.cents(_value(now, team)), _moved(now, before, team),
             _people(people, team)),
            _part(now, team),
        )
        for team in ranked[:TOP_TEAMS]
    ]  # fmt: skip
    rows += _others(now, ranked[TOP_TEAMS:], lambda _: (wording.UNKNOWN, wording.UNKNOWN))
    everyone = wording.count(total(db, "active_engineers", week.start, week.end)) if people else wording.UNKNOWN
    whole = Row(("All", wording.cents(spend.now.value), spend.against_last_week(), everyone))
    hidden = any(row.is_suppressed for row in people.values())
    note = f"Not shown: teams with fewer than {MIN_GROUP} active, and one more, so that theirs cannot be worked out."
    columns = ("Team", "Spend", "vs last week", "Active engineers")
    return Table("Spend by team", columns, tuple(rows), whole, note if hidden else "")


def _agents(db: duckdb.DuckDBPyConnection, week: Week, reach: Reach) -> Table:
    now, before = _by(db, "agent_spend", week, "agent"), _by_last_week(db, week, reach, "agent")
    failures = _by(db, "tool_failure_share", week, "agent")
    ranked = _ranked(now, before)
    rows = [
        Row(
            (wording.agent(agent, wording.UNKNOWN), wording.cents(_value(now, agent)), _moved(now, before, agent),
             wording.share(failures[agent].value if agent in failures else None)),
            _part(now, agent),
        )
        for agent in ranked[:TOP_AGENTS]
    ]  # fmt: skip
    rows += _others(now, ranked[TOP_AGENTS:], lambda _: (wording.UNKNOWN, wording.UNKNOWN))
    return Table("Spend by agent", ("Agent", "Spend", "vs last week", "Failed tool calls"), tuple(rows))


def _models(db: duckdb.DuckDBPyConnection, week: Week) -> Table:
    now = _by(db, "agent_spend", week, "model")
    ranked = _ranked(now, {})
    whole = sum((row.value or Decimal(0) for row in now.values()), Decimal(0))
    rows = [
        Row(
            (wording.name(model, UNKNOWN_MODEL), _cost(now[model]), _share_of(now[model].value, whole)),
            _part(now, model),
        )
        for model in ranked[:TOP_MODELS]
    ]
    rows += _others(now, ranked[TOP_MODELS:], lambda cost: (_share_of(cost, whole),))
    return Table("Spend by model", ("Model", "Spend", "Share"), tuple(rows))


def _activity(db: duckdb.DuckDBPyConnection, week: Week, reach: Reach) -> Table:
    courses = [read_course(db, name, week, reach) for name in ACTIVITY]
    rows = [
        Row((course.metric.label, course.text, course.against_last_week(), course.against_mean()))
        for course in courses
        if course.is_measured
    ]
    return Table("The week in figures", ("", "This week", "vs last week", "vs 4-week mean"), tuple(rows))


def _provenance(db: duckdb.DuckDBPyConnection, week: Week, reach: Reach) -> list[str]:
    unpriced = total(db, "unpriced_share", week.start, week.end)
    priced = "Every successful request has a list price."
    if unpriced:
        priced = f"{wording.share(unpriced)} of the successful requests have no list price and are missing in spend."
    quarantined = db.execute("SELECT count(*) FROM load_quarantine").fetchall()[0][0]
    lines = f"{wording.plural(quarantined, 'line')} could not be read and wait in quarantine." if quarantined else ""
    return [
        f"Complete days in UTC up to {wording.day(reach.last_day)} {reach.last_day.year}. {_coverage(db, week)}",
        _witnesses(db, week),
        f"{priced} List price is not the bill. {lines}".strip(),
        f"Figures about people are shown for groups of {MIN_GROUP} or more. No evidence of an agent means unknown.",
    ]


def _coverage(db: duckdb.DuckDBPyConnection, week: Week) -> str:
    """When each agent was last heard of, looking four weeks back."""
    last = {}
    for row in metric(db, "requests", week.before(4).start, week.end, ["agent", "day"]):
        last[row.dimensions["agent"]] = max(
            row.dimensions["day"], last.get(row.dimensions["agent"], week.before(4).start)
        )
    seen = [f"{wording.agent(agent, wording.UNKNOWN)} {wording.day(day)}" for agent, day in sorted(last.items())]
    return f"Last heard of {wording.listed(seen)}." if seen else "No agent was heard of."


def _witnesses(db: duckdb.DuckDBPyConnection, week: Week) -> str:
    """How far the figures rest on more than one witness."""
    unseen = [(total(db, f"{side}_unseen_share", week.start, week.end), side) for side in ("laptop", "gateway")]
    missed = [f"{side}s alone {wording.share(share)}" for share, side in unseen if share is not None and share < 1]
    twice = wording.share(total(db, "second_witness_share", week.start, week.end))
    line = f"Coverage: {twice} of requests have a second witness."
    if len(missed) > 1:
        line += f" What one side would have missed: {wording.listed(missed)}."
    return line


def _definitions(tiles: Sequence[str]) -> list[Definition]:
    names = dict.fromkeys([*tiles, "active_engineer_share", *ACTIVITY, "unpriced_share"])
    metrics = load_metrics()
    return [
        Definition(metrics[name].label, metrics[name].description.rstrip("."), metrics[name].caveat or "")
        for name in names
    ]


def _by(db: duckdb.DuckDBPyConnection, name: str, week: Week, dimension: str) -> dict[str | None, Figure]:
    return {row.dimensions[dimension]: row for row in metric(db, name, week.start, week.end, [dimension])}


def _by_last_week(db: duckdb.DuckDBPyConnection, week: Week, reach: Reach, dimension: str) -> dict[str | None, Figure]:
    """Spend of the week before, empty when it cannot be compared with."""
    last = week.before(1)
    return {} if reach.is_late or last.start < reach.first_day else _by(db, "agent_spend", last, dimension)


def _others(
    figures: dict[str | None, Figure], keys: list[str | None], cells: Callable[[Decimal | None], tuple[str, ...]]
) -> list[Row]:
    """One line for all that have no line of their own; `cells` words what follows their spend."""
    known = [value for key in keys if (value := _value(figures, key)) is not None]
    cost = sum(known, Decimal(0)) if known else None
    return [Row((wording.plural(len(keys), "other"), wording.cents(cost), *cells(cost)))] if keys else []


def _value(figures: dict[str | None, Figure], key: str | None) -> Decimal | None:
    return figures[key].value if key in figures else Decimal(0)


def _ranked(now: dict[str | None, Figure], before: dict[str | None, Figure]) -> list[str | None]:
    """By spend, biggest first; who spent last week alone comes after."""
    return sorted({**now, **before}, key=lambda key: (-(_value(now, key) or Decimal(0)), key is None, key or ""))


def _moved(now: dict[str | None, Figure], before: dict[str | None, Figure], key: str | None) -> str:
    nothing = Figure({}, Decimal(0), Decimal(1), False)
    return change(now.get(key, nothing), before.get(key, nothing), "usd") if before else wording.UNKNOWN


def _part(figures: dict[str | None, Figure], key: str | None) -> Decimal:
    most = max((row.value for row in figures.values() if row.value), default=None)
    return (_value(figures, key) or Decimal(0)) / most if most else Decimal(0)


def _people(figures: dict[str | None, Figure], team: str | None) -> str:
    """People active in a team; a team without any is 0 only where prompts are seen at all."""
    if team in figures:
        return "not shown" if figures[team].is_suppressed else wording.count(figures[team].value)
    return "0" if figures else wording.UNKNOWN


def _cost(row: Figure) -> str:
    return "no price" if row.value is None else wording.cents(row.value)


def _share_of(value: Decimal | None, whole: Decimal) -> str:
    return wording.share(value / whole if value is not None and whole else None)
