"""Pages: one file in `views/` each, found by reading and never by running it, so a broken page cannot break the others."""

import ast
from dataclasses import dataclass
from pathlib import Path

VIEWS = Path(__file__).parent / "views"


@dataclass(frozen=True)
class View:
    """A page: its docstring's first line is the title, the rest the caption, ORDER sorts."""

    path: Path
    title: str
    caption: str
    order: int


def views(folder: Path = VIEWS) -> list[View]:
    """All pages in their order."""
    return sorted((read(path) for path in folder.glob("*.py")), key=lambda view: (view.order, view.title))


def read(path: Path) -> View:
    """One page file; raises ValueError when it does not say what it is."""
    tree = ast.parse(path.read_text(encoding="utf-8"), path.name)
    orders = [
        row.value.value
        for row in tree.body
        if isinstance(row, ast.Assign)
        and [target.id for target in row.targets if isinstance(target, ast.Name)] == ["ORDER"]
        and isinstance(row.value, ast.Constant)
        and isinstance(row.value.value, int)
    ]
    title, _, caption = (ast.get_docstring(tree) or "").partition("\n")
    if not title or len(orders) != 1:
        raise ValueError(f"{path.name}: a page needs a docstring (title, then caption) and ORDER = number; add them")
    return View(path, title.rstrip("."), " ".join(caption.split()), orders[0])
