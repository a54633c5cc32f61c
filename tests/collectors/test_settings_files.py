"""Agents' settings files as text: the TOML subset agrees with tomllib, JSON may have comments, and an odd line hides no other."""

import tomllib

import pytest

from meterhouse_collector import toml_subset
from meterhouse_collector.host import parse_json

TOML = ['a = 1', 'a.b."c d" = true', "[x]\ny = 'z'\n[x.w]\nv = \"q\\\"\\u00e9\\n\"", '[[r]]\nn = 1\n[[r]]\nn = 2', 'l = [1, [2, "x"], {k = "v"},]',
        's = """\nline\n"two\\\n   three"""', "s = '''a\n'b'''", 'n = [ # comment\n 1, # one\n 2 ]', 'f = 1.5\ng = 1_000\nh = -3', '"q.u" = 1 # x',
        '[otel]\nexporter = { otlp-http = { endpoint = "http://x", headers = { "a-b" = "c" } } }', '[a."b.c".d]\ne = []\nt = {}']  # fmt: skip


@pytest.mark.parametrize("text", TOML)
def test_the_toml_subset_reads_as_tomllib_does(text):
    assert toml_subset.parse_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text", ["a = ", "= 1", "[", "[[", '"', "a = [1", "a = {", "\0", "a = 1 b = 2", "x = 2026-01-01T00:00:00Z"]
)
def test_odd_toml_hides_no_other_line(text):
    assert toml_subset.parse_toml(f"{text}\n[ok]\nb = 2\n").get("ok") == {"b": 2} or text in (
        "a = [1",
        "a = {",
        "[",
        "[[",
    )


def test_json_with_comments_and_trailing_commas_is_read_and_a_text_with_slashes_stays():
    assert parse_json('{/* a */ "url": "https://x//y", // b\n "l": [1, 2,], }') == {"url": "https://x//y", "l": [1, 2]}
