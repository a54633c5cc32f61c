"""What a new user reads at the end of `make demo`: the week's headline figures and where to look next."""

import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from meterhouse.metrics import total
from meterhouse.paths import DataDir
from meterhouse.snapshot import reading

HEADLINE = {
    "agent spend at list price": ("agent_spend", "${:,.2f}"),
    "active engineers": ("active_engineers", "{:,.0f}"),
    "model requests": ("requests", "{:,.0f}"),
    "sessions": ("sessions", "{:,.0f}"),
    "lines added by agents": ("lines_added", "{:,.0f}"),
}


def next_steps(data: DataDir, report: Path, week: str) -> str:
    """The text; every figure comes from its metric."""
    monday = date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
    with reading(data) as db:
        values = {label: total(db, name, monday, monday + timedelta(days=7)) for label, (name, _) in HEADLINE.items()}
    figures = "\n".join(f"  {label:<28}{_shown(label, value)}" for label, value in values.items())
    stem = report / f"report-{week}"
    return f"""
Week {week} of the sample organisation
{figures}

Look at
  the weekly report           {stem}.html, .pdf, .txt
  dashboards and Dagster      make up
  dashboards alone            .venv/bin/python -m meterhouse_dashboards --data {data.root}
  alerts                      .venv/bin/meterhouse alerts list --data {data.root}
  tables                      .venv/bin/meterhouse sql --data {data.root} "SHOW TABLES"
                              or duckdb {data.warehouse}
  what a laptop would send    .venv/bin/meterhouse-collector preview
"""


def _shown(label: str, value: Decimal | None) -> str:
    return "unknown" if value is None else HEADLINE[label][1].format(value)


if __name__ == "__main__":
    demo = Path(sys.argv[1])
    print(next_steps(DataDir(demo / "warehouse"), demo / "report", sys.argv[2]))
