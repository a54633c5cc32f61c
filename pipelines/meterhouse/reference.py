"""Writes docs/reference from contract, models and metrics: `python -m meterhouse.reference DIR`. Never edit those pages.

Keeps the lineage of the models too, in `models/`.
"""

import sys
from pathlib import Path

from meterhouse import contract, lineage, metrics, models, paths

MADE = "<!-- written by `make docs`; edit the {source} instead -->\n\n"


def pages() -> dict[str, str]:
    """File name to Markdown of each reference page."""
    return {"events.md": _events(), "tables.md": _tables(), "metrics.md": _metrics()}


def _events() -> str:
    text = MADE.format(source="contract (`collectors/meterhouse_collector/fields.py`, `events.py`)")
    text += (
        "# Events\n\nOne line of a segment is one event: a JSON object without content. Required fields are in bold.\n"
    )
    for kind in contract.kinds().values():
        text += f"\n## {kind.name}\n\n{kind.about}\n\n| field | type | unit | personal | meaning |\n| --- | --- | --- | --- | --- |\n"
        for row in kind.fields:
            name = f"**{row.name}**" if row.is_required else row.name
            text += _row(name, row.type, row.unit or "", "yes" if row.is_personal else "", row.about)
    return text


def _tables() -> str:
    text = MADE.format(source="model headers in `models/`")
    text += "# Tables of the snapshot\n\nWhat `meterhouse sql` and `duckdb warehouse.duckdb` see.\n"
    for model in sorted(models.load_models().values(), key=lambda row: row.name):
        if not model.is_public:
            continue
        text += f"\n## {model.name}\n\n{model.description}\n\nOne row a {', '.join(model.grain)}.\n\n"
        text += "| column | unit | meaning | made of |\n| --- | --- | --- | --- |\n"
        for column in model.columns.values():
            text += _row(column.name, column.unit or "", column.about, _made_of(model.name, column.name))
    return text


def _made_of(model: str, column: str) -> str:
    """Sources of a column, those of one table together."""
    tables: dict[str, list[str]] = {}
    for source in lineage.load_lineage()[model][column]:
        table, _, name = source.partition(".")
        tables.setdefault(table, []).append(name)
    return "; ".join(f"{table}: {', '.join(names)}" if any(names) else table for table, names in tables.items())


def _metrics() -> str:
    text = MADE.format(source="files in `models/metrics/`")
    text += (
        "# Metrics\n\nEach figure of pages, mails and alerts is one of these, read with `meterhouse.metrics.metric`.\n"
    )
    for row in metrics.load_metrics().values():
        text += f"\n## {row.label} (`{row.name}`)\n\n{row.description}"
        text += f" {row.caveat}" if row.caveat else ""
        text += f"\n\nUnit: {row.unit}. Cut by: {', '.join((*metrics.TIME_DIMENSIONS, *row.dimensions))}."
        text += f" Cells of fewer than {metrics.MIN_GROUP} people are empty." if row.people else ""
        text += f"\n\n```sql\n{row.sql}\n```\n"
    return text


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main(folder: str) -> None:
    """Write all pages."""
    (paths.models_dir() / lineage.KEPT).write_text(lineage.text(), encoding="utf-8")
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
