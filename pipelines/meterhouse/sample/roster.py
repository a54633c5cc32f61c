"""The files beside the segments: who is in which team since when, and what the teams may spend."""

import csv
import io
from collections.abc import Iterable

import yaml

from meterhouse.sample.people import Person
from meterhouse.sample.story import Story

ROSTER_SINCE = "2026-01-01"


def people_csv(crowd: list[Person]) -> bytes:
    """One row a person and team, half-open; a move closes one row and opens the next."""
    rows = []
    for one in crowd:
        fixed = (one.role, str(one.is_engineer).lower())
        if one.moves_to is None:
            rows.append((one.key, one.team, *fixed, ROSTER_SINCE, ""))
        else:
            rows.append((one.key, one.team, *fixed, ROSTER_SINCE, one.moves_on))
            rows.append((one.key, one.moves_to, *fixed, one.moves_on, ""))
    return _csv(("person_key", "team", "role", "is_engineer", "valid_from", "valid_to"), rows)


def teams_csv(story: Story) -> bytes:
    """One row a team."""
    rows = [(team.name, team.division, team.cost_centre, team.owner_role, ROSTER_SINCE, "") for team in story.teams]
    return _csv(("team", "division", "cost_centre", "owner", "valid_from", "valid_to"), rows)


def governance_yaml(story: Story) -> bytes:
    """Budgets, limits and recipients, as an owner would have written them."""
    rules = story.governance
    limit = {
        "name": "session-cost", "scope": "session", "usd": rules.session_usd,
        "severity": "critical", "owner": rules.session_owner,
    }  # fmt: skip
    document = {
        "version": 1,
        "currency": rules.currency,
        "budgets": [{"team": team.name, "month_usd": team.budget_usd, "owner": team.owner} for team in story.teams],
        "limits": [limit],
        "forecast": {"alert_probability": rules.alert_probability},
        "recipients": {"executives": rules.executives},
    }
    head = (
        "# Written from organisation.toml by `python -m meterhouse.sample`. Budgets are list cost a calendar month.\n"
    )
    return (head + yaml.safe_dump(document, sort_keys=False, width=120)).encode()


def _csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
