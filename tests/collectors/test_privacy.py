"""What a publisher lets through: paths, addresses and tool names that hide in ids leave as digests, at every level."""

import json

import pytest

from meterhouse_collector.events import Draft
from meterhouse_collector.privacy import Publisher

KEY = b"a key of the organisation"
SESSION = {"agent": "codex", "session_id": "s"}


def published(kind, values, key=("k",), privacy="names"):
    """The event of one draft and its bytes."""
    draft = Draft(kind, key, "2026-11-20T00:00:00Z", {**SESSION, **values})
    event_id, line = Publisher("person", privacy, KEY).event(draft, "codex", "transcript")
    return event_id, json.loads(line), line.decode()


@pytest.mark.parametrize(
    "model",
    [
        "/home/dev/secret.gguf",
        "~/models/a",
        "C:\\models\\a",
        "someone@corp.example.com",
        "\\\\share\\a",
        "../secret/a.gguf",
        "file:///home/dev/secret.gguf",
        "https://inference.corp.example/v1",
        "local /home/dev/secret.gguf",
    ],
)
def test_a_model_that_is_a_place_or_an_address_leaves_as_a_digest(model):
    _, event, _ = published("model_request", {"status": "ok", "model": model, "model_requested": model})
    assert event["model"].startswith("model-")
    assert event["model_requested"] == event["model"]


@pytest.mark.parametrize(
    "model",
    [
        "claude-opus-4-8",
        "@cf/meta/llama-3",
        "claude-opus-4-5@20251101",
        "anthropic/claude-x",
        "llama3:8b",
        "us.anthropic.claude-v2:0",
    ],
)
def test_the_names_of_providers_stay(model):
    assert published("model_request", {"status": "ok", "model": model})[1]["model"] == model


@pytest.mark.parametrize(
    "name", ["branch", "agent_version", "surface", "prompt_id", "session_id", "effort", "response_id"]
)
def test_no_field_lets_an_address_or_a_local_path_out(name):
    values = {"status": "ok", "branch": "main", "surface": "cli"}
    for value in (
        "fix/someone@corp.example.com-2",
        "/home/dev/secret",
        "C:\\Users\\dev",
        "~/secret",
        "see /home/dev",
        "corp\\dev",
    ):
        _, event, line = published("model_request", {**values, name: value})
        assert event[name]
        assert not any(word in line for word in ("someone", "secret", "dev"))
    for value in ("fix/2", "2.1.328", "Codex Desktop", "turn:1", "@scope/x"):
        assert published("model_request", {**values, name: value})[1][name] == value


def test_no_item_of_a_list_lets_an_address_or_a_local_path_out():
    tags = ["/home/dev/secret", "team:someone@corp.example.com", "checkout"]
    _, event, line = published("model_request", {"status": "ok", "tags": tags})
    assert event["tags"][2] == "checkout"
    assert not any(word in line for word in ("someone", "secret", "dev"))


def test_ids_that_hold_a_path_still_tell_one_thing_from_another():
    one, other = (
        published("prompt", {"native_id": name, "prompt_id": name})[1] for name in ("/home/dev/1", "/home/dev/2")
    )
    assert one["native_id"] == one["prompt_id"] != other["native_id"]


def test_the_id_of_a_call_that_is_made_of_the_tools_name_leaves_as_a_digest():
    call = "functions.mcp__payroll__lookup:0"
    _, event, line = published(
        "tool_call", {"tool_name": "mcp_tool", "tool_key": "x", "tool_call_id": call, "native_id": call}
    )
    assert "payroll" not in line
    assert event["tool_call_id"] == event["native_id"]


def test_level_counts_names_the_repository_in_no_field_and_no_id():
    values = {"repository": "github.com/acme/widgets", "native_id": "github.com/acme/widgets#7", "pull_request_number": 7,
              "pull_request_state": "open"}  # fmt: skip
    draft = Draft("pull_request", ("github.com/acme/widgets", 7), "2026-11-20T00:00:00Z", values)
    ids = {Publisher("p", level, KEY).event(draft, "s", "c")[0] for level in ("names", "counts")}
    line = Publisher("p", "counts", KEY).event(draft, "s", "c")[1]
    assert b"acme" not in line
    assert len(ids) == 2
