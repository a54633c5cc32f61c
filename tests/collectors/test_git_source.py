"""The git source on real repositories: every commit once, agents by allow-list, nobody's commit on another's account."""

import json
import os
import subprocess

import pytest

from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import git, settings

ME, OTHER = "me@example.com", "other@example.com"
CANARY = "CANARY-7f3a commit text"


class Repository:
    """A work tree on disk, committed to at chosen times."""

    def __init__(self, path):
        self.path = path
        self.run("init", "-q", "-b", "main", str(path), at=None)
        self.run("config", "user.email", ME)
        self.run("config", "user.name", "Dev Eloper")
        self.run("remote", "add", "origin", "git@git.example.com:acme/widgets.git")

    def run(self, *arguments, at="2026-10-01T12:00:00Z", **variables):
        environment = {
            **os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_COMMITTER_DATE": at or "", "GIT_AUTHOR_DATE": at or "", **variables,
        }  # fmt: skip
        place = [] if at is None else ["-C", str(self.path)]
        done = subprocess.run(["git", *place, *arguments], env=environment, stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().strip()

    def commit(self, message, files=None, **options):
        for name, text in (files or {"a.txt": message}).items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        self.run("add", "-A")
        self.run("commit", "-q", "--allow-empty", "-m", message, **options)
        return self.run("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "work tree, é")


@pytest.fixture
def laptop(tmp_path, repository, monkeypatch):
    monkeypatch.setenv("METERHOUSE_PERSON", "p-me")
    made = Laptop(tmp_path / "laptop")
    (repository.path / "deep").mkdir()
    made.append(jsonl([turn(1, cwd=str(repository.path / "deep"))]))  # 2026-10-01
    return made


def commits(laptop):
    return {event["commit_sha"]: event for event in laptop.events() if event["kind"] == "commit"}


def test_a_commit_is_told_with_its_numbers_and_without_its_text(laptop, repository):
    repository.commit("before", {"x.txt": "1\n"}, at="2026-09-20T00:00:00Z")
    sha = repository.commit(f"{CANARY}\n\nbody", {"a\tb.txt": "1\n2\n3\n", "bin": b"\0\1", "x.txt": "2\n"})
    laptop.once()
    ((found, event),) = commits(laptop).items()
    assert found == sha
    assert {name: event[name] for name in event if name not in ("event_id", "schema_version")} == {
        "kind": "commit", "source": "git", "channel": "git", "commit_sha": sha, "native_id": sha,
        "occurred_at": "2026-10-01T12:00:00Z", "committed_at": "2026-10-01T12:00:00Z", "parent_count": 1,
        "lines_added": 4, "lines_removed": 1, "files_changed": 3, "binary_files": 1, "is_revert": False, "is_bot": False,
        "repository": "git.example.com/acme/widgets", "branch": "main", "person_key": "p-me",
    }  # fmt: skip
    everything = b"".join(laptop.lines())
    assert not [text for text in (CANARY.encode(), b"a\tb.txt", ME.encode(), b"work tree") if text in everything]


def test_every_branch_is_read_and_only_the_checked_out_one_is_named(laptop, repository):
    repository.commit("base")
    repository.run("checkout", "-q", "-b", "feature")
    feature = repository.commit("on feature", {"f.txt": "f\n"})
    repository.run("checkout", "-q", "main")
    main = repository.commit("on main", {"m.txt": "m\n"})
    repository.run("merge", "-q", "--no-ff", "-m", "merge", "feature")
    merge = repository.run("rev-parse", "HEAD")
    repository.run("checkout", "-q", "-b", "side", "HEAD~1")
    side = repository.commit("on side", {"s.txt": "s\n"})
    repository.run("checkout", "-q", "main")
    laptop.once()
    found = commits(laptop)
    assert {sha: found[sha].get("branch") for sha in (feature, main, merge, side)} == {
        feature: "main", main: "main", merge: "main", side: None,
    }  # fmt: skip
    assert (found[merge]["parent_count"], found[merge].get("lines_added"), found[merge].get("files_changed")) == (
        2,
        None,
        None,
    )


def test_a_rename_counts_no_lines(laptop, repository):
    repository.commit("one", {"a.txt": "1\n2\n3\n4\n"})
    repository.run("mv", "a.txt", "b.txt")
    sha = repository.commit("two", {"z.txt": "z\n"})
    laptop.once()
    assert [commits(laptop)[sha][name] for name in ("lines_added", "lines_removed", "files_changed")] == [1, 0, 2]


def test_only_new_commits_are_read_the_next_time_and_quiet_repositories_start_no_process(
    laptop, repository, monkeypatch
):
    repository.commit("one")
    laptop.once()
    started = []
    monkeypatch.setattr(git, "_start", lambda tree, arguments: started.append(arguments))
    laptop.once()
    assert started == []
    monkeypatch.undo()
    monkeypatch.setenv("METERHOUSE_PERSON", "p-me")
    second = repository.commit("two")
    laptop.once()
    repository.run("gc", "-q", "--prune=now")
    third = repository.commit("three")
    laptop.once()
    assert list(commits(laptop))[1:] == [second, third]
    assert len([event for event in laptop.events() if event["kind"] == "commit"]) == 3


def test_history_that_was_rewritten_and_collected_stops_nothing(laptop, repository):
    repository.commit("base")
    old = repository.commit("old")
    laptop.once()
    repository.run("reset", "-q", "--hard", "HEAD~1")
    new = repository.commit("new")
    repository.run("reflog", "expire", "--expire=now", "--all")
    repository.run("gc", "-q", "--prune=now")
    laptop.once()
    assert {old, new} <= set(commits(laptop))
    assert len(commits(laptop)) == 3


def test_commits_older_than_a_day_before_the_first_session_come_in_when_an_earlier_session_appears(laptop, repository):
    early = repository.commit("early", at="2026-09-01T00:00:00Z")
    late = repository.commit("late")
    laptop.once()
    assert set(commits(laptop)) == {late}
    laptop.append(jsonl([turn(2, cwd=str(repository.path)) | {"at": "2026-09-01T20:00:00Z"}]), "b.jsonl")
    laptop.once()
    assert set(commits(laptop)) == {late, early}
    assert len([event for event in laptop.events() if event["kind"] == "commit"]) == 2


def test_somebody_elses_commit_is_never_this_persons(laptop, repository, tmp_path, monkeypatch):
    mine = repository.commit("mine")
    theirs = repository.commit("theirs", GIT_AUTHOR_EMAIL=OTHER)
    laptop.once()
    assert (commits(laptop)[mine]["person_key"], commits(laptop)[theirs].get("person_key")) == ("p-me", None)
    keyed = Laptop(tmp_path / "keyed")
    keyed.home = laptop.home
    monkeypatch.setenv("METERHOUSE_PSEUDONYM_KEY", "an organisation's key")
    keyed.once()
    assert commits(keyed)[theirs]["person_key"] == settings.pseudonym(OTHER, b"an organisation's key")


def test_a_linked_work_tree_belongs_to_the_same_repository(laptop, repository):
    sha = repository.commit("one")
    repository.run("worktree", "add", "-q", str(laptop.root / "linked"), "-b", "linked")
    laptop.append(jsonl([turn(5, cwd=str(laptop.root / "linked"))]), "b.jsonl")
    laptop.once()
    assert {event["repository"] for event in laptop.events()} == {"git.example.com/acme/widgets"}
    assert set(commits(laptop)) == {sha}
    assert len([event for event in laptop.events() if event["kind"] == "commit"]) == 1


def test_a_shallow_end_has_no_line_counts(laptop, repository, tmp_path):
    repository.commit("one", {"big.txt": "x\n" * 1000})
    end = repository.commit("two", {"a.txt": "a\n"})
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repository.path}", tmp_path / "shallow"], check=True)
    laptop.append(jsonl([turn(3, cwd=str(tmp_path / "shallow"))]), "b.jsonl")
    laptop.file().unlink()
    laptop.once()
    assert "lines_added" not in commits(laptop)[end]


def test_a_hostile_repository_starts_nothing(laptop, repository, tmp_path, monkeypatch):
    repository.commit("one", {"a.txt": "1\n", ".gitattributes": "*.txt diff=evil filter=evil\n"})
    trap, sprung = tmp_path / "trap.sh", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch '{sprung}'\ncat\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "pager.log", "diff.external", "diff.evil.command", "diff.evil.textconv",
                "filter.evil.clean", "filter.evil.smudge", "gpg.program", "core.sshCommand", "core.editor",
                "core.alternateRefsCommand"):  # fmt: skip
        repository.run("config", key, str(trap))
    repository.run("config", "log.showSignature", "true")
    signed = repository.run("cat-file", "commit", "HEAD").replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n\n", 1
    )
    (tmp_path / "signed").write_text(signed + "\n")
    repository.run(
        "update-ref", "refs/heads/signed", repository.run("hash-object", "-t", "commit", "-w", str(tmp_path / "signed"))
    )
    hooks = repository.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "pre-auto-gc"):
        (hooks / name).write_text(trap.read_text())
        (hooks / name).chmod(0o755)
    sprung.unlink(missing_ok=True)  # our own `git config` may have sprung it
    for name in ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, str(trap))
    laptop.once()
    assert len(commits(laptop)) == 2
    assert not sprung.exists()


def test_no_git_is_reported_and_commits_come_once_it_is_there(laptop, repository, monkeypatch, capsys):
    repository.commit("one")
    from meterhouse_collector.__main__ import main

    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        laptop.once()
        assert main(laptop.arguments("doctor")) == 1
    shown = capsys.readouterr().out
    assert "git: not found" in shown
    assert "git is not installed" in shown
    laptop.once()
    assert len(commits(laptop)) == 1


@pytest.mark.parametrize("at", ["2026-19-39T00:00:00Z", "1970-01-01T00:00:00Z", "never", 7, None])
def test_a_session_without_a_usable_time_stops_nothing(laptop, repository, at):
    repository.commit("one")
    laptop.append(json.dumps({**turn(2, cwd=str(repository.path)), "at": at}) + "\n", "b.jsonl")
    assert laptop.once() == 0
    assert len(commits(laptop)) == 1


def test_an_empty_repository_and_a_detached_head_stop_nothing(laptop, repository, capsys):
    laptop.once()
    sha = repository.commit("one")
    repository.run("checkout", "-q", "--detach")
    laptop.once()
    assert "branch" not in commits(laptop)[sha]


def test_commits_of_a_detached_work_tree_are_read_although_no_branch_holds_them(laptop, repository, tmp_path):
    first = repository.commit("first")
    repository.run("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    linked = Repository.__new__(Repository)
    linked.path = tmp_path / "linked"
    second = linked.commit("second\n\nCo-Authored-By: Claude <noreply@anthropic.com>")
    laptop.once()
    assert set(commits(laptop)) == {first, second}
    third = linked.commit("third")
    laptop.once()
    assert set(commits(laptop)) == {first, second, third}
    assert len(laptop.events()) == 4
    repository.run("worktree", "remove", "--force", str(linked.path))
    laptop.once()
    assert len(laptop.events()) == 4


def test_a_removed_work_tree_does_not_end_the_reading_of_its_repository(tmp_path, repository, monkeypatch):
    monkeypatch.setenv("METERHOUSE_PERSON", "p-me")
    made = Laptop(tmp_path / "laptop")
    first = repository.commit("first")
    repository.run("worktree", "add", "-q", "-b", "feature", str(tmp_path / "linked"))
    made.append(jsonl([turn(1, cwd=str(tmp_path / "linked"))]))
    made.once()
    repository.run("worktree", "remove", "--force", str(tmp_path / "linked"))
    second = repository.commit("second")
    made.once()
    assert set(commits(made)) == {first, second}
    assert commits(made)[second]["branch"] == "main"


def test_a_tag_that_is_named_like_the_branch_hides_it_not(laptop, repository):
    sha = repository.commit("first")
    repository.run("tag", "main")
    laptop.once()
    assert commits(laptop)[sha]["branch"] == "main"
