"""The weekly report: one ISO week from the snapshot as HTML, text, PDF and mail. The same week gives the same bytes."""

from pathlib import Path

from meterhouse.paths import DataDir
from meterhouse.report import render
from meterhouse.report.read import report_of
from meterhouse.report.send import send

__all__ = ["build", "send"]


def build(data: DataDir, week: str, out: Path, dashboard_url: str | None = None) -> list[Path]:
    """Write `report-WEEK.html`, `.txt`, `.pdf` and the pictures of the HTML into `out`; gives the files."""
    report = report_of(data, week, dashboard_url)
    stem = f"report-{report.week.label}"
    pictures = render.pictures(report)
    files = {
        f"{stem}.html": render.html(report, lambda name: f"{stem}-{name}.png").encode(),
        f"{stem}.txt": render.text(report).encode(),
        f"{stem}.pdf": render.pdf(report),
        **{f"{stem}-{name}.png": content for name, content in pictures.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    return [out / name for name in files]
