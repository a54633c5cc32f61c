"""The git source: commits in the work trees that sessions named, with what they say about agents. Message and paths stay here.

A commit by somebody else is never counted as this person's: it carries that author's pseudonym or none.
"""

import hashlib
import os
import re
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from . import __version__, git
from .attribution import Identity, evidence, is_bot, reverted
from .cursors import NEVER, Cursor
from .errors import UnreadableError
from .events import ContractError, Draft
from .outbox import Outbox
from .privacy import Publisher
from .settings import pseudonym
from .worktrees import Tree

SOURCE = "git"
BEFORE = timedelta(hours=24)  # work that led to the first session may have been committed the day before
HEADS_MAX = 500  # more would not fit a command line everywhere; what is walked again is known by its id
FORMAT = "%H%x00%P%x00%ct%x00%an%x00%ae%x00%cn%x00%ce%x00%B%x00"
_TABLES = os.path.join("reftable", "tables.list")
_NUMBERS = re.compile(r"^\n?(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)


class Commit(NamedTuple):
    """One commit as git log tells it; lines are None where git compares nothing (merges) or too much (a shallow end)."""

    sha: str
    parents: List[str]
    committed_at: str
    author: Identity
    committer: Identity
    message: str
    added: Optional[int]
    removed: Optional[int]
    files: Optional[int]
    binary: Optional[int]


def read_commits(out: Outbox, publisher: Publisher) -> None:
    """New commits of every remembered work tree whose branches moved since last time."""
    for tree, earliest in out.cursors.trees().values():
        if not os.path.isdir(tree.path):  # an agent's own work tree is often removed; its repository stays
            tree = tree._replace(path=tree.common)
        if not os.path.isdir(tree.path):
            continue
        cursor = out.cursors.load(tree.common, SOURCE)
        since = _since(earliest)
        signature = _signature(tree)
        if cursor.problem is None and cursor.state.get("signature") == signature and cursor.state.get("since") == since:
            continue
        try:
            heads = _read_tree(out, publisher, cursor, tree, since)
            problem = None
        except UnreadableError as error:
            heads, problem = cursor.state.get("heads", []), str(error)
        if problem is None or problem != cursor.problem or cursor.is_ahead:
            cursor.state = {"signature": signature, "since": since, "heads": heads}
            cursor.seen, cursor.problem, cursor.version = NEVER, problem, __version__
            out.cursors.save(cursor)
            out.commit()


def _read_tree(out: Outbox, publisher: Publisher, cursor: Cursor, tree: Tree, since: str) -> List[str]:
    """Hand out what is new; returns the heads that need not be walked again."""
    branches = set(git.run(tree.path, "for-each-ref", "--format=%(objectname)", "refs/heads").split())
    detached = sorted(_detached(tree) - branches)[:HEADS_MAX]
    heads = sorted({*branches, *detached})
    known = cursor.state.get("heads", []) if cursor.state.get("since") == since else []
    without = ["--ignore-missing", "--not", *known[:HEADS_MAX]] if known else []
    branch = _branch(tree)
    reachable: Set[str] = set()
    if branch and heads:
        reachable.update(git.run(tree.path, "rev-list", f"--since={since}", f"refs/heads/{branch}", *without).split())
    email = git.email(tree.path)
    for commit in (
        log(tree, ["--ignore-missing", f"--since={since}", "--branches", *detached, *without]) if heads else ()
    ):
        values = _values(commit, tree, branch if commit.sha in reachable else None)
        if commit.author.address.strip().lower() != email:
            values["person_key"] = pseudonym(commit.author.address, publisher.key) if publisher.key else None
        # what laptops see differently is part of the key, so that none erases what another knows
        author = values.get("person_key", publisher.person_key)
        key = ("commit", commit.sha, author, commit.added, values["branch"])
        _emit(out, publisher, cursor, Draft("commit", key, commit.committed_at, values))
        if out.full:
            out.cursors.save(cursor)
            out.commit()
    return heads


def log(tree: Tree, arguments: List[str]) -> Iterator[Commit]:
    """Commits with their numbers. In `-z --numstat` output only a line of numbers holds tabs where one may begin."""
    shallow = _lines(os.path.join(tree.common, "shallow"))
    command = ("log", "-z", "--numstat", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--encoding=UTF-8")
    pieces = git.fields(tree.path, *command, f"--format={FORMAT}", *arguments)
    sha = next(pieces, None)
    while sha:
        head = [next(pieces) for _ in range(7)]
        counts, following = _numstat(pieces)
        comparable = len(head[0].split()) < 2 and sha not in shallow
        author, committer = Identity(head[2], head[3]), Identity(head[4], head[5])
        numbers = counts if comparable else (None, None, None, None)
        yield Commit(sha, head[0].split(), _instant(head[1]), author, committer, head[6], *numbers)
        sha = following


def _numstat(pieces: Iterator[str]) -> Tuple[Tuple[int, int, int, int], Optional[str]]:
    """Lines added and removed, files and binary files of one commit, and the piece that begins the next one."""
    added = removed = files = binary = 0
    for piece in pieces:
        match = _NUMBERS.match(piece)
        if match is None:
            if piece.strip():
                return (added, removed, files, binary), piece
            continue
        plus, minus, path = match.groups()
        files += 1
        binary += plus == "-"
        added += int(plus) if plus != "-" else 0
        removed += int(minus) if minus != "-" else 0
        if not path:  # a rename: old and new path follow as pieces of their own
            next(pieces)
            next(pieces)
    return (added, removed, files, binary), None


def _values(commit: Commit, tree: Tree, branch: Optional[str]) -> Dict[str, Any]:
    """The fields of one commit; the message has said what it says and stays behind."""
    is_revert, reverts_sha = reverted(commit.message)
    named = evidence(commit.message, commit.author, commit.committer)
    return {
        "commit_sha": commit.sha,
        "native_id": commit.sha,
        "committed_at": commit.committed_at,
        "parent_count": len(commit.parents),
        "lines_added": commit.added,
        "lines_removed": commit.removed,
        "files_changed": commit.files,
        "binary_files": commit.binary,
        "is_revert": is_revert,
        "reverts_sha": reverts_sha,
        "ai_agents": named.agents,
        "ai_evidence": named.kinds,
        "is_bot": is_bot(commit.author),
        "repository": tree.repository,
        "branch": branch,
    }


def _emit(out: Outbox, publisher: Publisher, cursor: Cursor, draft: Draft) -> None:
    try:
        event_id, line = publisher.event(draft, SOURCE, SOURCE)
    except ContractError:  # a commit dated 1970 or 2106
        out.drop("contract")
        return
    if cursor.first(event_id):
        out.add(cursor.path, 1, line)


def _since(earliest: str) -> str:
    """Where the window begins, to the second."""
    day = datetime.strptime(earliest[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return (day - BEFORE).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(seconds: str) -> str:
    try:
        return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a made-up date; the contract refuses the empty one
        return ""


def _signature(tree: Tree) -> str:
    """Changes when a branch moves or another is checked out, told from file times alone: no process for a quiet repository."""
    looks = [_look(os.path.join(tree.common, name)) for name in ("HEAD", "packed-refs", _TABLES, "config")]
    linked = os.path.join(tree.common, "worktrees")
    for name in os.listdir(linked) if os.path.isdir(linked) else ():
        looks.extend(_look(os.path.join(linked, name, file)) for file in ("HEAD", _TABLES))
    for folder, _, names in os.walk(os.path.join(tree.common, "refs", "heads")):
        looks.extend(_look(os.path.join(folder, name)) for name in sorted(names))
    return hashlib.sha256("\n".join(sorted(looks)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _look(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return f"{path} none"
    return f"{path} {status.st_mtime_ns} {status.st_size} {status.st_ino}"


def _detached(tree: Tree) -> Set[str]:
    """Heads of all linked work trees: agents work on detached ones, whose commits no branch holds yet."""
    told = git.run(tree.path, "worktree", "list", "--porcelain").splitlines()
    heads = {line[len("HEAD ") :] for line in told if line.startswith("HEAD ")}
    return {head for head in heads if head.strip("0")}  # all zeros: a branch without a commit


def _branch(tree: Tree) -> Optional[str]:
    """The branch checked out, or None when the head is detached or the branch not born yet."""
    try:
        head = git.run(tree.path, "symbolic-ref", "HEAD").strip()  # in full: --short says heads/main beside a tag main
        branch = head[len("refs/heads/") :]
        git.run(tree.path, "rev-parse", "--verify", "--quiet", head)
    except UnreadableError:
        return None
    return branch


def _lines(path: str) -> Set[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()
