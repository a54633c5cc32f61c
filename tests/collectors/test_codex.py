"""Codex rollouts: each response counted once in every trap of the format, real sessions against known totals."""

import json
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from collectors.codex_files import TRAPS, events_of, events_under, outcomes_of, pick, rollouts  # noqa: TID251
from collectors.conformance import of_kind, read_in_steps, shared  # noqa: TID251 - the folder of these tests
from meterhouse_collector.here import Here
from meterhouse_collector.sources import codex
from meterhouse_collector.stream import open_zstd
from meterhouse_collector.worktrees import WorkTrees

TOKENS = {
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_write_input_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",
    "reasoning_output_tokens": "reasoning_tokens",
}


A, B, C = (1000, 800, 50), (1500, 1200, 70), (2000, 1900, 90)
REQUESTS = {
    "repeats": [("gpt-5.5", *A), ("gpt-5.5", *B), ("gpt-5.5", *C)],
    "lost_event": [("gpt-5.5", *A), ("gpt-5.5", 3500, 3100, 160)],
    "compaction": [("gpt-5.5", *A), ("gpt-5.5", *B)],
    "resumed_by_new_version": [("gpt-5.5", *A), ("gpt-5.5", *B), ("gpt-5.5", *C)],
    "fork_by_reference": [("gpt-5.5", *A), ("gpt-5.5", *B), ("gpt-5.5", *C), ("gpt-5.5", *A)],
    "fork_by_copy": [("gpt-5.5", *A), ("gpt-5.5", *B), ("gpt-5.4", *C)],
    "fork_by_copy_unnamed_turns": [("gpt-5", *C)],
    "second_session_meta": [("gpt-5.5", *A), ("gpt-5.5", *B), ("gpt-5.4-mini", *A)],
    "no_turn_context": [(None, *A)],
    "several_models": [("gpt-5.5", *A), ("codex-auto-review", *B), ("gpt-5.5", *C)],
}


@pytest.mark.parametrize("trap", REQUESTS)
def test_each_response_is_counted_once(trap):
    requests = of_kind(events_under(TRAPS / trap), "model_request")
    assert pick(requests, "model", "input_tokens", "cache_read_tokens", "output_tokens") == REQUESTS[trap]
    assert len({event["native_id"] for event in requests}) == len(requests)
    assert {event["status"] for event in requests} == {"ok"}


def test_nothing_of_a_copied_history_comes_out_of_the_fork():
    found = events_under(TRAPS / "fork_by_copy")
    parent, child = "019cae00-0006-7000-8000-000000000006", "019cae00-01f4-7000-8000-0000000001f4"
    told = {
        session: Counter(event["kind"] for event in found if event["session_id"] == session)
        for session in (parent, child)
    }
    assert told[parent] == {"session": 1, "prompt": 1, "tool_call": 2, "rate_limit": 2, "model_request": 2}
    assert told[child] == {"session": 1, "prompt": 1, "model_request": 1}
    assert of_kind(events_under(TRAPS / "second_session_meta"), "tool_call") == []


def after_a_turn(*more):
    """Requests of a thread whose first turn began, then these (type, payload) lines."""
    lines = [("session_meta", {"id": "t"}), ("turn_context", {"model": "gpt-5.5"}), *more]
    state, here, found = {}, Here(Path("rollout"), Path("/nowhere")), []
    for kind, payload in lines:
        found += codex.read({"timestamp": "2026-03-02T10:00:00Z", "type": kind, "payload": payload}, state, here)
    return [draft.values["input_tokens"] for draft in found if draft.kind == "model_request"]


def test_a_file_with_usage_records_is_not_counted_by_its_totals_too():
    record = ("token_usage_record", {"response_id": "resp_a", "usage": {"input_tokens": 10}})
    total = {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
    count = ("event_msg", {"type": "token_count", "info": {"total_token_usage": total, "last_token_usage": total}})
    assert after_a_turn(record, count) == after_a_turn(record) == after_a_turn(count) == [10]


def test_totals_count_again_when_an_older_client_goes_on_with_the_file():
    record = ("token_usage_record", {"response_id": "resp_a", "usage": {"input_tokens": 10},
                                     "thread_token_usage": {"input_tokens": 10, "total_tokens": 10}})  # fmt: skip
    risen = {"input_tokens": 30, "total_tokens": 30}
    older = ("event_msg", {"type": "token_count", "info": {"total_token_usage": risen}})
    assert after_a_turn(record, ("turn_context", {"turn_id": "a later turn"}), older) == [10, 20]


@pytest.mark.parametrize("again", [10, 40])
def test_a_counter_that_begins_again_in_a_resumed_thread_takes_nothing_from_its_first_response(again):
    def count(total, last):
        info = {"total_token_usage": {"input_tokens": total, "total_tokens": total},
                "last_token_usage": {"input_tokens": last, "total_tokens": last}}  # fmt: skip
        return ("event_msg", {"type": "token_count", "info": info})

    assert after_a_turn(count(20, 20), count(20, 20), count(30, 10), count(again, again)) == [20, 10, again]


def test_a_record_that_names_another_thread_is_a_copy():
    usage = {"response_id": "resp_a", "usage": {"input_tokens": 10}}
    assert after_a_turn(("token_usage_record", {**usage, "thread_id": "another"})) == []
    assert after_a_turn(("token_usage_record", {**usage, "thread_id": "t"})) == [10]


def test_only_the_head_of_a_file_can_be_the_head_of_a_copy():
    total = {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
    count = ("event_msg", {"type": "token_count", "info": {"total_token_usage": total}})
    assert after_a_turn(("session_meta", {"id": "another"}), count) == [10]


def test_a_file_without_its_head_is_counted_under_the_thread_that_its_name_tells(tmp_path):
    path = TRAPS / "repeats"
    whole = next(iter(rollouts(path)))
    head, *rest = whole.read_text().splitlines(keepends=True)
    for lines in (rest, [head[:40] + "\n", *rest], [*rest, head]):
        cut = tmp_path / whole.name
        cut.write_text("".join(lines))
        names = ("session_id", "native_id", "model", "input_tokens", "output_tokens")
        assert pick(of_kind(events_of(cut), "model_request"), *names) == pick(
            of_kind(events_of(whole), "model_request"), *names
        )


def test_a_response_without_an_id_is_named_by_thread_and_running_total():
    thread = "019cae00-0001-7000-8000-000000000001"
    requests = of_kind(events_under(TRAPS / "repeats"), "model_request")
    assert pick(requests, "native_id", "response_id") == [(f"{thread}:{total}", None) for total in (1050, 2620, 4710)]


def test_cache_writes_are_unknown_where_the_file_does_not_tell_them_and_0_where_it_says_so():
    for trap, expected in {"repeats": [None, None, None], "compaction": [7, 0]}.items():
        requests = of_kind(events_under(TRAPS / trap), "model_request")
        assert [event.get("cache_write_tokens") for event in requests] == expected


def test_a_turn_without_an_answer_is_a_request_with_its_status_and_no_tokens():
    requests = of_kind(events_under(TRAPS / "unfinished_turns"), "model_request")
    answered, *failed = pick(requests, "status", "error_class", "http_status", "input_tokens")
    assert answered == ("ok", None, None, 1000)
    assert failed == [
        ("cancelled", "interrupted", None, None),
        ("error", "response_stream_disconnected", 502, None),
        ("rate_limited", "response_stream_disconnected", 429, None),
        ("error", "server_overloaded", None, None),
        ("rate_limited", "usage_limit_exceeded", None, None),
    ]


def test_a_thread_found_twice_gives_the_same_event_ids():
    paths = list(codex.find(Path("/nowhere"), {"CODEX_HOME": str(TRAPS / "archived_copy")}))
    assert len(paths) == 2
    running, archived = (events_of(path) for path in paths)
    assert running
    assert running == archived


def test_a_compressed_archive_gives_the_same_event_ids(tmp_path):
    (plain,) = rollouts(TRAPS / "tools_items")
    folder = tmp_path / ".codex" / "archived_sessions"
    folder.mkdir(parents=True)
    (folder / f"{plain.name}.zst").write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    (archive,) = codex.find(tmp_path, {})
    with open_zstd(str(archive)) as stream:
        text = stream.read(-1)
    assert read_in_steps(codex, [len(text)], text, archive) == events_of(plain)


def test_only_rollouts_are_found(tmp_path):
    day = tmp_path / ".codex" / "sessions" / "2026" / "03" / "02"
    day.mkdir(parents=True)
    for name in ("rollout-a.jsonl", "rollout-b.jsonl.zst", "rollout-c.tmp", "history.jsonl"):
        (day / name).touch()
    (tmp_path / ".codex" / "history.jsonl").touch()
    assert [path.name for path in codex.find(tmp_path, {})] == ["rollout-a.jsonl", "rollout-b.jsonl.zst"]
    assert list(codex.find(tmp_path / "nobody", {})) == []


def test_a_session_says_whom_it_comes_from():
    names = ("started_by", "is_subagent", "parent_session_id", "session_started_at", "agent_version", "surface")
    fork = of_kind(events_under(TRAPS / "fork_by_reference"), "session")
    assert pick(fork, *names) == [
        ("fresh", False, None, "2026-03-02T10:00:00.000Z", "0.125.0", "codex-tui"),
        ("fork", False, "019cae00-0005-7000-8000-000000000005", "2026-03-02T10:10:00.000Z", "0.125.0", "codex-tui"),
    ]
    spawned = of_kind(events_under(TRAPS / "second_session_meta"), "session")
    assert pick(spawned, *names[:3]) == [
        ("fresh", False, None),
        ("subagent", True, "019cae00-0007-7000-8000-000000000007"),
    ]


def test_every_event_names_session_repository_and_branch():
    found = events_under(TRAPS / "several_models")
    assert set(pick(found, "agent", "session_id", "repository", "branch")) == {
        ("codex", "019cae00-0009-7000-8000-000000000009", "github.com/example/shop", "feature/cart")
    }


def test_work_elsewhere_is_not_attributed_to_the_repository_of_the_start():
    state, here = {}, Here(Path("rollout"), Path("/nowhere"))
    head = {"id": "t", "cwd": "/gone/a", "git": {"repository_url": "https://github.com/example/a", "branch": "main"}}
    at = "2026-03-02T10:00:00Z"
    list(codex.read({"timestamp": at, "type": "session_meta", "payload": head}, state, here))
    for cwd, expected in (("/gone/b", (None, None)), ("/gone/a", ("github.com/example/a", "main"))):
        list(codex.read({"timestamp": at, "type": "turn_context", "payload": {"cwd": cwd}}, state, here))
        prompt = {"timestamp": at, "type": "event_msg", "payload": {"type": "user_message"}}
        (draft,) = codex.read(prompt, state, here)
        assert (draft.values["repository"], draft.values["branch"]) == expected


def test_the_work_tree_is_remembered_although_the_file_names_the_repository(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    trees = WorkTrees()
    payload = {"id": "t", "cwd": str(tmp_path), "git": {"repository_url": "https://github.com/example/a"}}
    head = {"timestamp": "2026-03-02T10:00:00Z", "type": "session_meta", "payload": payload}
    (session,) = codex.read(head, {}, Here(Path("rollout"), Path("/nowhere"), trees))
    assert session.values["repository"] == "github.com/example/a"
    assert [(tree.path, at) for tree, at in trees.earliest.values()] == [(str(tmp_path), "2026-03-02T10:00:00Z")]


def test_a_prompt_is_counted_once_and_only_when_a_person_wrote_it():
    assert {trap: len(of_kind(events_under(TRAPS / trap), "prompt")) for trap in (
        "repeats", "fork_by_copy", "fork_by_copy_unnamed_turns", "second_session_meta", "tools_items")} == {
        "repeats": 1, "fork_by_copy": 2, "fork_by_copy_unnamed_turns": 1, "second_session_meta": 2, "tools_items": 1,
    }  # fmt: skip


def test_rate_limits_are_told_when_they_change():
    told = of_kind(events_under(TRAPS / "repeats"), "rate_limit")
    assert pick(told, "limit_name", "limit_used_share", "limit_window_minutes", "plan") == [
        ("codex.primary", "0.15", 300, "pro"),
        ("codex.secondary", "0.53", 10080, "pro"),
        ("codex.primary", "0.16", 300, "pro"),
    ]
    assert told[0]["limit_resets_at"] == "2026-03-02T14:00:00Z"


def test_the_real_agents_session_gives_what_the_provider_billed():
    root = shared("captures/codex-edit")
    found = events_under(root / "home" / ".codex")
    billed = [json.loads(line) for line in (root / "truth.jsonl").read_text().splitlines()]
    assert pick(of_kind(found, "model_request"), "response_id", "model", "input_tokens", "cache_read_tokens",
                "cache_write_tokens", "output_tokens", "reasoning_tokens") == [
        (row["id"], row["model"], row["input"] + row["cache_read"] + row["cache_write"], row["cache_read"],
         row["cache_write"], row["output"], row["reasoning"]) for row in billed
    ]  # fmt: skip
    lines = pick(of_kind(found, "code_change"), "decision", "operation", "lines_added", "lines_removed")
    assert lines == [("accept", "create", 22, 0), ("accept", "update", 2, 1)]  # git: 23 lines in the new file
    assert sorted(value[:3] for value in outcomes_of(found).values()) == [
        ("apply_patch", True, None), ("apply_patch", True, None), ("exec_command", True, 0), ("exec_command", True, 0),
    ]  # fmt: skip
    assert len(of_kind(found, "prompt")) == len(of_kind(found, "session")) == 1


@pytest.mark.parametrize("name", ["real", "generated"])
def test_known_totals_come_out_per_file_and_model(name):
    root = shared("codex")
    truth = json.loads((root / "truth.json").read_text())["sets"][name]
    overall = Counter()
    for file in truth["files"]:
        models = {}
        for event in of_kind(events_of(root / truth["dir"] / file["file"]), "model_request"):
            if event["status"] == "ok":
                sums = models.setdefault(event.get("model"), Counter())
                sums.update({theirs: event.get(ours, 0) for theirs, ours in TOKENS.items()})
                sums["total_tokens"] += event["input_tokens"] + event["output_tokens"]
        assert {model: dict(sums) for model, sums in models.items()} == file["by_model"], file["file"]
        overall.update(sum(models.values(), Counter()))
    assert overall == Counter(truth["totals"])


def test_the_scripted_sessions_have_the_outcomes_of_their_script():
    found = events_under(shared("codex") / "generated")
    calls = Counter(value[:3] for value in outcomes_of(found).values())
    assert calls == {
        ("exec_command", True, 0): 4, ("exec_command", False, 3): 1, ("mcp_tool", True, None): 1,
        ("mcp_tool", False, None): 1, ("apply_patch", True, None): 1, ("apply_patch", False, None): 1,
        ("spawn_agent", True, None): 1,
    }  # fmt: skip
    failed = [event for event in of_kind(found, "model_request") if event["status"] != "ok"]
    assert pick(failed, "status", "error_class") == [("rate_limited", "usage_limit_exceeded")]
    assert pick(of_kind(found, "session"), "started_by") == [("fresh",), ("subagent",), ("fork",)]
    assert len(of_kind(found, "prompt")) == 4
