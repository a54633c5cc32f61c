"""Reads the TOML that agents' settings are written in: tables, dotted keys, texts, arrays, inline tables. Python 3.9 has no tomllib.

A line that is not understood is passed over: a file is read for a few switches, and one odd line must not hide the others.
Never raises, whatever the text.
"""

import re
from typing import Any, Dict, List, Optional, Tuple

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^\s,\]}#]+")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r?\n\s*|.)", re.DOTALL)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}
DEPTH_MAX = 32
ODD_MAX = 1000  # lines; a text with more is no TOML


class _OddError(ValueError):
    """The text is not of the subset at this place."""


def parse_toml(text: str) -> Dict[str, Any]:
    """The document as nested dicts and lists; dates stay texts."""
    top: Dict[str, Any] = {}
    table, at, odd = top, 0, 0
    while odd < ODD_MAX:
        at = _skip(text, at)
        if at >= len(text):
            break
        try:
            if text.startswith("[", at):
                table, at = _header(text, at, top)
            else:
                at = _pair(text, at, table, 0)
                end = _BLANK.match(text, at).end()  # type: ignore[union-attr]
                if end < len(text) and text[end] not in "\r\n#":
                    raise _OddError
        except _OddError:
            end = text.find("\n", at)
            at, odd = len(text) if end < 0 else end + 1, odd + 1
    return top


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _header(text: str, at: int, top: Dict[str, Any]) -> Tuple[Dict[str, Any], int]:
    """`[table]` or `[[array of tables]]`; where keys go from now on."""
    is_array = text.startswith("[[", at)
    names, at = _key(text, at + (2 if is_array else 1))
    closing = "]]" if is_array else "]"
    if not text.startswith(closing, at):
        raise _OddError
    parent = _below(top, names[:-1])
    if is_array:
        rows = parent.setdefault(names[-1], [])
        if not isinstance(rows, list):
            raise _OddError
        rows.append({})
        return rows[-1], at + 2
    return _below(parent, names[-1:]), at + 1


def _below(table: Dict[str, Any], names: List[str]) -> Dict[str, Any]:
    for name in names:
        value = table.setdefault(name, {})
        if isinstance(value, list) and value and isinstance(value[-1], dict):
            value = value[-1]
        if not isinstance(value, dict):
            raise _OddError
        table = value
    return table


def _key(text: str, at: int) -> Tuple[List[str], int]:
    names: List[str] = []
    while True:
        at = _BLANK.match(text, at).end()  # type: ignore[union-attr]
        bare = _BARE.match(text, at)
        if bare:
            names.append(bare.group())
            at = bare.end()
        elif text[at : at + 1] in ('"', "'") and text[at : at + 1]:
            name, at = _text(text, at)
            names.append(name)
        else:
            raise _OddError
        at = _BLANK.match(text, at).end()  # type: ignore[union-attr]
        if not text.startswith(".", at):
            return names, at
        at += 1


def _pair(text: str, at: int, table: Dict[str, Any], depth: int) -> int:
    names, at = _key(text, at)
    if not text.startswith("=", at):
        raise _OddError
    value, at = _value(text, _BLANK.match(text, at + 1).end(), depth)  # type: ignore[union-attr]
    _below(table, names[:-1])[names[-1]] = value
    return at


def _value(text: str, at: int, depth: int) -> Tuple[Any, int]:
    first = text[at : at + 1]
    if depth > DEPTH_MAX or not first:
        raise _OddError
    if first in "\"'":
        return _text(text, at)
    if first == "[":
        return _array(text, at, depth)
    if first == "{":
        return _inline(text, at, depth)
    found = _SCALAR.match(text, at)
    if not found:
        raise _OddError
    return _scalar(found.group()), found.end()


def _scalar(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            return kind(word.replace("_", ""))
        except ValueError:
            continue
    return word


def _array(text: str, at: int, depth: int) -> Tuple[List[Any], int]:
    values: List[Any] = []
    at = _skip(text, at + 1)
    while not text.startswith("]", at):
        value, at = _value(text, at, depth + 1)
        values.append(value)
        at = _skip(text, at)
        if text.startswith(",", at):
            at = _skip(text, at + 1)
        elif not text.startswith("]", at):
            raise _OddError
    return values, at + 1


def _inline(text: str, at: int, depth: int) -> Tuple[Dict[str, Any], int]:
    table: Dict[str, Any] = {}
    at = _skip(text, at + 1)
    while not text.startswith("}", at):
        at = _skip(text, _pair(text, at, table, depth + 1))
        if text.startswith(",", at):
            at = _skip(text, at + 1)
        elif not text.startswith("}", at):
            raise _OddError
    return table, at + 1


def _text(text: str, at: int) -> Tuple[str, int]:
    """A basic or literal text, of one line or of several."""
    mark = text[at]
    if text.startswith(mark * 3, at):
        end = _end(text, at + 3, mark * 3, mark == '"')
        while text.startswith(mark, end + 3):  # quotes may stand before the closing ones
            end += 1
        body = text[at + 3 : end]
        body = body[2:] if body.startswith("\r\n") else body[1:] if body.startswith("\n") else body
        return (_unescape(body) if mark == '"' else body), end + 3
    end = _end(text, at + 1, mark, mark == '"')
    body = text[at + 1 : end]
    if "\n" in body:
        raise _OddError
    return (_unescape(body) if mark == '"' else body), end + 1


def _end(text: str, at: int, closing: str, escapes: bool) -> int:
    while True:
        end = text.find(closing, at)
        if end < 0:
            raise _OddError
        slash: Optional[int] = text.find("\\", at, end) if escapes else None
        if slash is None or slash < 0:
            return end
        at = slash + 2


def _unescape(body: str) -> str:
    def one(found: "re.Match[str]") -> str:
        word = found.group(1)
        if word[0] in "uU" and len(word) > 1:
            number = int(word[1:], 16)
            return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
        return "" if word[0] in "\r\n" else _ESCAPES.get(word, word)

    return _ESCAPE.sub(one, body) if "\\" in body else body
