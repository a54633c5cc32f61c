"""Takes a report apart again: the text a reader sees in each of its parts, and the numbers in it."""

import io
import re
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser

from pypdf import PdfReader

from meterhouse.report import render
from meterhouse.report.model import ReportModel

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


class Page(HTMLParser):
    """Visible text, tags with their attributes, and pictures of an HTML document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.images: list[dict[str, str | None]] = []
        self._inside: list[str] = []
        self.feed(html)

    @property
    def text(self) -> str:
        """What is read, without head and hidden preview twice."""
        return " ".join(" ".join(self.seen).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        if tag == "img":
            self.images.append(dict(attrs))
        if tag in ("style", "title", "script"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.seen.append(data)


def page(report: ReportModel) -> Page:
    """The mail's HTML, read."""
    return Page(render.html(report, lambda name: f"cid:{name}@example.com"))


def pdf_text(content: bytes) -> str:
    """The text of all pages."""
    return "\n".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(content)).pages)


def numbers(text: str) -> set[str]:
    """Every number in a text, as it stands there."""
    return {found.rstrip(",") for found in NUMBER.findall(text)}


def words(value: object) -> list[str]:
    """Every text anywhere in the model."""
    if isinstance(value, str):
        return [value]
    if is_dataclass(value):
        return [text for row in fields(value) for text in words(getattr(value, row.name))]
    if isinstance(value, tuple):
        return [text for row in value for text in words(row)]
    return []
