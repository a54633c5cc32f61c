"""Which agent sent a request, by the user agent that a gateway logged; one that is not listed is `unknown`, never a guess.

Agents that call through a provider's own library (`OpenAI/JS`, `Anthropic/JS`) say the library's name: they are unknown too.
"""

import re
from typing import Any, NamedTuple, Optional

from meterhouse_collector.json_values import ident

UNKNOWN = "unknown"
# beginnings of a product's name, in lower case and without dashes and underscores
_AGENTS = (
    ("claudecli", "claude_code"), ("claudecode", "claude_code"), ("codex", "codex"), ("opencode", "opencode"),
    ("kilo", "kilo"), ("geminicli", "gemini_cli"), ("qwencode", "qwen_code"), ("copilot", "copilot_cli"),
    ("githubcopilot", "copilot_cli"), ("picodingagent", "pi"), ("cline", "cline"), ("cursor", "cursor"),
    ("ampcode", "amp"), ("factorycli", "droid"), ("droid", "droid"),
)  # fmt: skip
_PRODUCT = re.compile(r"(?:^|[\s(;,])([A-Za-z][A-Za-z0-9_-]{1,59})(?:/v?(\d[0-9A-Za-z.+-]{0,39}))?", re.ASCII)
_SURFACE = re.compile(r"\(external, ([a-z][a-z0-9-]{0,39})[,)]", re.ASCII)  # claude-cli/2.1.328 (external, sdk-cli)


class Client(NamedTuple):
    """The agent, its version and where it ran, as far as the user agent tells."""

    agent: str
    version: Optional[str]
    surface: Optional[str]


def client_of(user_agent: Any) -> Client:
    """The first product of the user agent that is an agent."""
    text = user_agent[:1000] if isinstance(user_agent, str) else ""
    for product in _PRODUCT.finditer(text):
        name = re.sub("[-_]", "", product[1]).lower()
        for beginning, agent in _AGENTS:
            if name.startswith(beginning):
                surface = _SURFACE.search(text)
                return Client(agent, ident(product[2]), surface[1] if surface and agent == "claude_code" else None)
    return Client(UNKNOWN, None, None)
