"""Lays out the demo home: session files of three agents, a work tree with commits, the collector's settings.

The template says `/home/dev/src/shop`; every copy says where its work tree really is, so that the collector finds it.
"""

import datetime as dt
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import msgspec

from meterhouse.errors import SettingsError
from meterhouse.sample.people import first_of, people
from meterhouse.sample.story import Story, Told

TEMPLATE_TREE = "/home/dev/src/shop"


class Commit(Told, frozen=True):
    """One commit: files as they are after it."""

    at: dt.datetime
    message: str
    files: dict[str, str]


class Shop(Told, frozen=True):
    """The repository that the sessions worked in."""

    remote: str
    author: str
    email: str
    commits: list[Commit]


def lay_out(story: Story, sample: Path, to: Path) -> None:
    """A new home folder at `to`; an existing work tree is refused, since its history would differ."""
    home = to.resolve()
    tree = home / "src" / "shop"
    if tree.exists():
        raise SettingsError(f"{tree}: exists already; choose another folder or remove {home}")
    _copy_sessions(sample / "home", home, str(tree))
    _commit_all(msgspec.convert(tomllib.loads((sample / "shop.toml").read_text(encoding="utf-8")), Shop), tree)
    settings = home / ".meterhouse" / "collector.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    person = first_of(people(story), story.demo.team)
    settings.write_text(json.dumps({"person": person.key}) + "\n", encoding="utf-8")


def _copy_sessions(template: Path, home: Path, tree: str) -> None:
    in_json = json.dumps(tree)[1:-1]
    for source in sorted(path for path in template.rglob("*") if path.is_file()):
        place = str(source.relative_to(template)).replace(_slug(TEMPLATE_TREE), _slug(tree))
        target = home / place
        target.parent.mkdir(parents=True, exist_ok=True)
        where = in_json if source.suffix in (".json", ".jsonl") else tree
        target.write_bytes(source.read_bytes().replace(TEMPLATE_TREE.encode(), where.encode()))


def _slug(path: str) -> str:
    """A folder's name as Claude Code derives it from the working directory."""
    return re.sub(r"[^A-Za-z0-9]", "-", path)


def _commit_all(shop: Shop, tree: Path) -> None:
    tree.mkdir(parents=True)
    _git(tree, "init", "--quiet", "--template=")
    _git(tree, "symbolic-ref", "HEAD", "refs/heads/main")
    _git(tree, "remote", "add", "origin", shop.remote)
    for commit in shop.commits:
        for name, text in commit.files.items():
            (tree / name).write_bytes(text.encode())
        at = commit.at.strftime("%Y-%m-%dT%H:%M:%S+0000")
        who = {f"GIT_{role}_NAME": shop.author for role in ("AUTHOR", "COMMITTER")}
        who |= {f"GIT_{role}_EMAIL": shop.email for role in ("AUTHOR", "COMMITTER")}
        _git(tree, "add", "--all")
        _git(tree, "commit", "--quiet", "-m", commit.message, GIT_AUTHOR_DATE=at, GIT_COMMITTER_DATE=at, **who)


def _git(tree: Path, *arguments: str, **variables: str) -> None:
    """Run git without the user's configuration: signing, hooks or line endings would change the commit ids."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tree)}
    try:
        subprocess.run(
            ["git", *arguments], cwd=tree, env={**kept, **alone, **variables}, check=True, capture_output=True
        )
    except FileNotFoundError as error:
        raise SettingsError("git: not found on PATH; install it") from error
    except subprocess.CalledProcessError as error:
        raise SettingsError(f"git {arguments[0]}: {error.stderr.decode().strip()}; check git --version") from error
