"""Finds the git work tree around a folder and names its repository, by reading files only.

No git process is started here: a session names thousands of folders, and a hostile repository's settings may run nothing.
"""

import os
import re
import stat
from datetime import datetime
from typing import Dict, NamedTuple, Optional, Tuple

from .repository import normalise_remote

CONFIG_MAX = 1 << 20  # a git config larger than this is not one
_SECTION = re.compile(r'^\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
_URL = re.compile(r'^\s*url\s*=\s*"?([^"#;\s]+)', re.IGNORECASE)


class Tree(NamedTuple):
    """One work tree; `common` is the git folder that its linked work trees share."""

    path: str
    common: str
    repository: Optional[str]


class WorkTrees:
    """Cache of folder to work tree, and the earliest time that a session named each repository on this disk."""

    def __init__(self, earliest: Optional[Dict[str, Tuple[Tree, str]]] = None) -> None:
        self.earliest = {} if earliest is None else earliest
        self._trees: Dict[str, Optional[Tree]] = {}

    def repository(self, cwd: Optional[str], at: str) -> Optional[str]:
        """`host/owner/name` of the tree around `cwd`, or None when it is gone, no work tree or without a remote."""
        if not isinstance(cwd, str) or not cwd:
            return None
        if cwd not in self._trees:
            self._trees[cwd] = find_tree(cwd)
        tree = self._trees[cwd]
        if tree is None:
            return None
        known = self.earliest.get(tree.common)
        if _is_instant(at) and (known is None or at < known[1]):
            self.earliest[tree.common] = (tree, at)
        return tree.repository

    def forget_folders(self) -> None:
        """Look at the disk again: a remote may have been added since."""
        self._trees.clear()


def _is_instant(at: object) -> bool:
    """Whether the git source can reckon from it; what a source read from a file may be anything."""
    try:
        return isinstance(at, str) and datetime.strptime(at[:19], "%Y-%m-%dT%H:%M:%S").year >= 2020  # noqa: DTZ007 - its form
    except ValueError:
        return False


def find_tree(folder: str) -> Optional[Tree]:
    """The work tree around an existing absolute folder; a network path is not touched (it would send credentials)."""
    if not os.path.isabs(folder) or folder.startswith(("\\\\", "//")) or "\0" in folder or not os.path.isdir(folder):
        return None
    while True:
        common = _common_folder(folder)
        if common:
            return Tree(folder, common, _repository(common))
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _common_folder(folder: str) -> Optional[str]:
    """The shared git folder of a work tree's top, through the `.git` file of a submodule or linked work tree."""
    git = os.path.join(folder, ".git")
    if os.path.isdir(git):
        return git if os.path.isfile(os.path.join(git, "HEAD")) else None
    pointer = _text(git)
    if not pointer.startswith("gitdir:"):
        return None
    git = os.path.normpath(os.path.join(folder, pointer[len("gitdir:") :].strip()))
    shared = _text(os.path.join(git, "commondir")).strip()
    git = os.path.normpath(os.path.join(git, shared)) if shared else git
    return git if os.path.isfile(os.path.join(git, "HEAD")) else None


def _repository(common: str) -> Optional[str]:
    """The name that `origin` gives, or else the first remote that has one."""
    remote, names = None, {}
    for line in _text(os.path.join(common, "config")).splitlines():
        section = _SECTION.match(line)
        if section:
            remote = section.group(2) if section.group(1).lower() == "remote" else None
        url = _URL.match(line) if remote else None
        if url and remote not in names:
            names[remote] = normalise_remote(url.group(1))
    return names.get("origin") or next(filter(None, names.values()), None)


def _text(path: str) -> str:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO waits for its writer
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(CONFIG_MAX)
    except OSError:  # no such file is the usual answer while walking up
        return ""
