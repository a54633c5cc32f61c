"""Counts lines of texts and diffs, names languages by file type, reads instants: what every source needs.

Text goes in; only numbers and words of closed lists come out. Every function takes any JSON value and never raises.
"""

import re
from datetime import datetime, timedelta, timezone
from itertools import dropwhile
from typing import Any, List, Optional, Tuple

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,](\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII)
_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@", re.ASCII)
_NAMES = {"dockerfile": "dockerfile", "containerfile": "dockerfile", "makefile": "makefile", "cmakelists.txt": "cmake",
          "jenkinsfile": "groovy", "gemfile": "ruby", "rakefile": "ruby"}  # fmt: skip
_LANGUAGES = {
    "c": "c h", "cpp": "cc cpp cxx hh hpp hxx", "csharp": "cs", "clojure": "clj cljs cljc edn",
    "css": "css scss sass less", "csv": "csv tsv", "dart": "dart", "elixir": "ex exs", "elm": "elm", "erlang": "erl hrl", "fsharp": "fs fsx",
    "go": "go", "graphql": "graphql gql", "groovy": "groovy gradle", "haskell": "hs", "hcl": "tf tfvars hcl",
    "html": "html htm", "java": "java", "javascript": "js jsx mjs cjs", "json": "json jsonl json5", "julia": "jl",
    "kotlin": "kt kts", "lua": "lua", "markdown": "md mdx markdown", "matlab": "m", "nix": "nix", "ocaml": "ml mli",
    "perl": "pl pm", "php": "php", "powershell": "ps1 psm1", "protobuf": "proto", "python": "py pyi", "r": "r rmd",
    "jupyter": "ipynb", "restructuredtext": "rst", "ruby": "rb", "rust": "rs", "scala": "scala sc",
    "shell": "sh bash zsh", "sql": "sql", "svelte": "svelte", "swift": "swift", "text": "txt", "toml": "toml", "typescript": "ts tsx mts cts",
    "vue": "vue", "xml": "xml xsd xsl svg", "yaml": "yaml yml", "zig": "zig", "solidity": "sol", "cmake": "cmake",
}  # fmt: skip
_BY_SUFFIX = {suffix: language for language, suffixes in _LANGUAGES.items() for suffix in suffixes.split()}


def count_lines(text: Any) -> int:
    """Lines as `wc -l` counts them, except that a last line without line feed is a line too; "" has none."""
    if not isinstance(text, str) or not text:
        return 0
    return text.count("\n") + (text[-1] != "\n")


def count_diff(lines: Any) -> Tuple[int, int]:
    """(added, removed) of hunk lines, each with its own first character; there are no headers among them."""
    texts = [line for line in lines if isinstance(line, str)] if isinstance(lines, (list, tuple)) else []
    return sum(line[:1] == "+" for line in texts), sum(line[:1] == "-" for line in texts)


def count_unified_diff(text: Any) -> Tuple[int, int]:
    """(added, removed) of a unified diff.

    Only the numbers in a hunk's header say where it ends: a removed line `-- x` reads `--- x`, as a file header does.
    Where hunks begin with `@@` and no numbers, all that follows the first counts, but for file headers.
    """
    added = removed = old_left = new_left = 0
    lines = text.split("\n") if isinstance(text, str) else []
    if not any(map(_HUNK.match, lines)):
        hunks = dropwhile(lambda line: line[:2] != "@@", lines)
        return count_diff([line for line in hunks if not line.startswith(("--- ", "+++ "))])
    for line in lines:
        if old_left <= 0 and new_left <= 0:
            hunk = _HUNK.match(line)
            if hunk:
                old_left, new_left = (1 if part is None else int(part) for part in hunk.groups())
        elif line[:1] == "+":
            added, new_left = added + 1, new_left - 1
        elif line[:1] == "-":
            removed, old_left = removed + 1, old_left - 1
        elif line[:1] != "\\":  # "\ No newline at end of file" belongs to neither side
            old_left, new_left = old_left - 1, new_left - 1
    return added, removed


def changed_lines(old: Any, new: Any) -> Tuple[int, int]:
    """(added, removed) when one text takes the place of another, without the lines that both begin or end with."""
    before, after = _lines(old), _lines(new)
    same, shorter = 0, min(len(before), len(after))
    while same < shorter and before[same] == after[same]:
        same += 1
    tail = 0
    while tail < shorter - same and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return len(after) - same - tail, len(before) - same - tail


def language_of(path: Any) -> Optional[str]:
    """Programming language by file type, from a closed list; None for any other, so that no path can leak."""
    if not isinstance(path, str):
        return None
    name = re.split(r"[/\\]", path)[-1].lower()
    return _NAMES.get(name) or _BY_SUFFIX.get(name.rpartition(".")[2] if "." in name else "")


def instant(value: Any) -> Optional[str]:
    """An ISO 8601 text with a zone, or milliseconds since 1970, as `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`; or None."""
    try:
        if isinstance(value, str):
            return _from_text(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _written(_EPOCH + timedelta(milliseconds=value))
    except (ValueError, OverflowError):  # 31 February, the year 40000, infinity
        pass
    return None


def millis_between(start: Optional[str], end: Optional[str]) -> Optional[int]:
    """Whole milliseconds from one instant to another, or None when one is unknown or they run backwards."""
    if not start or not end:
        return None
    gap = _moment(end) - _moment(start)
    return gap // timedelta(milliseconds=1) if gap >= timedelta(0) else None


def _lines(text: Any) -> List[str]:
    """As `count_lines` counts them."""
    return text.split("\n")[: count_lines(text)] if isinstance(text, str) else []


def _moment(text: str) -> datetime:
    fraction = timedelta(microseconds=int((text[20:-1] or "0").ljust(6, "0")))  # Python 3.9 reads 3 or 6 digits only
    return datetime.fromisoformat(text[:19]) + fraction


def _from_text(text: str) -> Optional[str]:
    found = _INSTANT.fullmatch(text)
    if not found:
        return None
    fraction = (found[1] or "")[:6]
    plain = f"{text[:10]}T{text[11:19]}{'.' + fraction if fraction else ''}Z"
    moment = _moment(plain)  # refuses what no calendar has
    if not found[2]:
        return plain
    offset = timedelta(hours=int(found[3]), minutes=int(found[4]))
    return _written(moment - offset if found[2] == "+" else moment + offset)


def _written(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat() + "Z"
