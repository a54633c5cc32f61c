"""Agents named by commits: the allow-list decides, every line of a message counts, people and bots are nobody's agent."""

import json
from pathlib import Path

import pytest

from meterhouse_collector import attribution
from meterhouse_collector.attribution import Identity, evidence, reverted

SHARED = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
ME = "me@example.com"
PERSON = Identity("Dev Eloper", ME)


MESSAGES = {
    "a trailer": ("Fix\n\nCo-Authored-By: Claude Opus 4.8 (1M context) <noreply@anthropic.com>", ["claude_code"], ["trailer"]),
    "an address decides before a name": ("Fix\n\nCo-authored-by: Claude <cursoragent@cursor.com>", ["cursor"], ["trailer"]),
    "a name without an address": ("Fix\n\nCo-authored-by: Isaac", ["isaac"], ["trailer"]),
    "a squash that buried it": (
        "Fix (#1)\n\n* one\n\nCo-authored-by: Isaac\n\n* two\n\nSigned-off-by: A <a@example.com>", ["isaac"], ["message_line"]),
    "any number before the plus": ("x\n\nco-authored-by: x <1+Copilot@users.noreply.github.com>", ["copilot"], ["trailer"]),
    "two agents": (
        "x\n\nCo-authored-by: Codex <noreply@openai.com>\nMade-with: Cursor", ["codex", "cursor"], ["message_line", "trailer"]),
    "a session link": ("x\n\nClaude-Session: https://claude.ai/code/session_01ab", ["claude_code"], ["session_link"]),
    "a generated-with line": (
        "x\n\n🤖 Generated with [Claude Code](https://claude.com/claude-code)", ["claude_code"], ["message_line"]),
    "a person who is called so": ("x\n\nCo-authored-by: Claude <claude@example.com>", None, None),
    "an address that a person owns": ("x\n\nCo-authored-by: Codex <codex@example.com>", None, None),
    "a dependency bot": ("x\n\nCo-authored-by: dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>", None, None),
    "a reviewer": ("x\n\nCo-authored-by: gemini-code-assist[bot] <1+gemini-code-assist[bot]@users.noreply.github.com>", None, None),
    "words that are names": ("Move cursor, ramp up jules and pi\n\nCo-authored-by: Amp Er <amp@example.com>", None, None),
    "a sentence about it": ("x\n\nadds Co-authored-by: Claude <noreply@anthropic.com> to commits", None, None),
    "an empty message": ("", None, None),
}  # fmt: skip


@pytest.mark.parametrize(("message", "agents", "kinds"), MESSAGES.values(), ids=MESSAGES)
def test_agents_are_named_by_the_allow_list_alone(message, agents, kinds):
    assert evidence(message, PERSON, PERSON) == (agents, kinds)


def test_author_and_committer_count_by_address():
    copilot = Identity("copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com")
    assert evidence("x", copilot, PERSON) == (["copilot"], ["author"])
    assert evidence("x", PERSON, Identity("Dev (aider)", ME)) == (["aider"], ["committer"])
    assert evidence("x", Identity("Claude", "claude@example.com"), Identity("GitHub", "noreply@github.com")) == (
        None,
        None,
    )
    assert attribution.is_bot(copilot)
    assert not attribution.is_bot(PERSON)


def test_reverts_name_what_they_revert():
    sha = "ab" * 20
    assert reverted(f'Revert "x"\n\nThis reverts commit {sha}.\n') == (True, sha)
    assert reverted('Revert "x"') == (True, None)
    assert reverted("Revert the habit of reverting") == (False, None)


def test_a_real_squash_merging_history_is_read_as_counted_by_hand():
    path = SHARED / "git-log-omnigent" / "commits.jsonl"
    if not path.exists():
        pytest.skip(f"third-party fixtures are not here: {path}")
    found = reverts = in_block = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        author, committer = (
            Identity(row["author_name"], row["author_email"]),
            Identity(row["committer_name"], row["committer_email"]),
        )
        named = evidence(row["message"], author, committer)
        found += named.agents is not None
        in_block += named.kinds is not None and "trailer" in named.kinds
        reverts += reverted(row["message"])[1] is not None
    print(found, in_block, reverts)
    assert 0.6 < in_block / found < 0.8  # git's own trailer block misses about a third
