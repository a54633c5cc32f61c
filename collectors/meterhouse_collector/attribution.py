"""Which agents a commit names, by an allow-list: evidence that somebody declared, never proof that nobody used an agent.

An address decides before a name does, and a name counts only when it is equal as a whole: "amp", "jules", "cursor" and
"pi" are also people and words. Review bots and dependency bots are not authors and are not listed.
"""

import re
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

CHECKED = "2026-11-20"  # when the tables below were last compared with what the agents write

# Lower case; of GitHub's noreply addresses only what follows "+", because the number before it varies.
ADDRESSES: Dict[str, str] = {
    "noreply@anthropic.com": "claude_code",
    "noreply@anthropic.co": "claude_code",  # a misspelling seen in the wild
    "noreply@openai.com": "codex",
    "codex@openai.com": "codex",
    "chatgpt-codex-connector[bot]@users.noreply.github.com": "codex",
    "copilot@users.noreply.github.com": "copilot",
    "copilot-swe-agent[bot]@users.noreply.github.com": "copilot",
    "copilot@github.com": "copilot",
    "cursoragent@cursor.com": "cursor",
    "cursoragent[bot]@users.noreply.github.com": "cursor",
    "noreply@opencode.ai": "opencode",
    "gemini-cli-agent@google.com": "gemini_cli",
    "devin-ai-integration[bot]@users.noreply.github.com": "devin",
    "google-labs-jules[bot]@users.noreply.github.com": "jules",
    "factory-droid[bot]@users.noreply.github.com": "droid",
    "amp@ampcode.com": "amp",
    "noreply@aider.chat": "aider",
    "noreply@pi.dev": "pi",
    "opensource@block.xyz": "goose",
    "noreply@codeium.com": "windsurf",
    "noreply@windsurf.com": "windsurf",
    "help@firebender.com": "firebender",
    "openhands@all-hands.dev": "openhands",
    "noreply@omnigent.ai": "omnigent",
    "isaac@omnigent.ai": "isaac",
    "isaac@example.com": "isaac",
    "no-reply@databricks.com": "isaac",
}

# Whole names, lower case, that no person bears.
NAMES: Dict[str, str] = {
    "claude code": "claude_code",
    "chatgpt-codex-connector[bot]": "codex",
    "github copilot": "copilot",
    "copilot-swe-agent[bot]": "copilot",
    "cursor agent": "cursor",
    "cursoragent[bot]": "cursor",
    "opencode": "opencode",
    "gemini cli": "gemini_cli",
    "devin-ai-integration[bot]": "devin",
    "google-labs-jules[bot]": "jules",
    "factory-droid[bot]": "droid",
    "openhands": "openhands",
    "omnigent": "omnigent",
}

# Names that people bear, too: they count on a co-author line without an address, as some agents sign.
BARE_NAMES: Dict[str, str] = {
    "claude": "claude_code",
    "codex": "codex",
    "copilot": "copilot",
    "cursor": "cursor",
    "isaac": "isaac",
}

SESSION_LINES: Tuple[Tuple[str, str], ...] = (
    (r"(?:claude-session:\s*)?https://claude\.ai/code/session_\w+", "claude_code"),
    (r"agent-logs-url:\s*https://github\.com/\S+/sessions/\S+", "copilot"),
)
OTHER_LINES: Tuple[Tuple[str, str], ...] = (
    (r"(?:🤖 )?generated with \[claude code\]\(https://claude\.(?:com/claude-code|ai/code)/?\)", "claude_code"),
    (r"(?:🤖 )?generated with \[opencode\]\(https://opencode\.ai/?\)", "opencode"),
    (r"made-with:\s*cursor", "cursor"),
)

_CO_AUTHOR = re.compile(r"[*-]?\s*co-?authored-by\s*:\s*(.*?)\s*(?:<([^<>]*)>)?")
_AIDER = re.compile(r".+ \(aider\)")
_LINES = [
    (re.compile(pattern), agent, evidence)
    for table, evidence in ((SESSION_LINES, "session_link"), (OTHER_LINES, "message_line"))
    for pattern, agent in table
]
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{40}(?:[0-9a-f]{24})?)\b", re.MULTILINE)


class Identity(NamedTuple):
    """Name and address as git holds them."""

    name: str
    address: str


class Evidence(NamedTuple):
    """Agents that a commit names and how it does; both sorted, both None when it names none."""

    agents: Optional[List[str]]
    kinds: Optional[List[str]]


def evidence(message: str, author: Identity, committer: Identity) -> Evidence:
    """Everything a commit says about agents. Every line counts, because a squash merge buries trailers in its middle."""
    found: Set[Tuple[str, str]] = set()
    for identity, kind in ((author, "author"), (committer, "committer")):
        agent = _agent(identity)
        if agent:
            found.add((agent, kind))
    lines = [line.strip() for line in message.lower().strip().splitlines()]
    trailers_from = len(lines) - lines[::-1].index("") if "" in lines else len(lines)
    for number, line in enumerate(lines):
        match = _CO_AUTHOR.fullmatch(line)
        if match:
            agent = _agent(Identity(match.group(1), match.group(2) or ""))
            if agent:
                found.add((agent, "trailer" if number >= trailers_from else "message_line"))
            continue
        found.update((agent, kind) for pattern, agent, kind in _LINES if pattern.fullmatch(line))
    if not found:
        return Evidence(None, None)
    return Evidence(sorted({agent for agent, _ in found}), sorted({kind for _, kind in found}))


def reverted(message: str) -> Tuple[bool, Optional[str]]:
    """Whether a message says that it reverts another commit, and which one when it says so."""
    match = _REVERTS.search(message)
    return bool(match) or message.startswith('Revert "'), match.group(1) if match else None


def is_bot(identity: Identity) -> bool:
    """An automation account, by the mark that forges give it."""
    return identity.name.endswith("[bot]") or "[bot]@" in identity.address


def _agent(identity: Identity) -> Optional[str]:
    name, address = identity.name.strip().lower(), identity.address.strip().lower()
    if address.endswith("@users.noreply.github.com"):
        address = address.split("+", 1)[-1]
    if address in ADDRESSES:
        return ADDRESSES[address]
    if name in NAMES:
        return NAMES[name]
    if _AIDER.fullmatch(name):
        return "aider"
    return BARE_NAMES.get(name) if not address else None
