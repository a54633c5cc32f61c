"""A home folder in which settings, servers and credentials are planted; every secret is made now, so that none lies in the repository."""

import json
import random
import string
from collections import Counter

from collectors.laptop import Laptop  # noqa: TID251 - tests/collectors
from meterhouse_collector.host import Host
from meterhouse_collector.inventory import credentials

DICE = random.Random(20261120)


def token(prefix="", length=40, alphabet=string.ascii_letters + string.digits):
    """A token made now, so that none lies in the repository; all are canaries."""
    return prefix + "".join(DICE.choice(alphabet) for _ in range(length))


class Home:
    """A home folder in which files are planted, and every secret that was."""

    def __init__(self, root):
        self.laptop = Laptop(root)
        self.path = self.laptop.home
        self.secrets = []

    def secret(self, *arguments, **more):
        self.secrets.append(token(*arguments, **more))
        return self.secrets[-1]

    def write(self, name, content, mode=0o600):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        path.chmod(mode)
        return path

    def findings(self, projects=()):
        return Counter(
            {
                (one.kind, one.rule, one.key_class): count
                for one, count in credentials.find(Host(self.path), projects).items()
            }
        )

    def items(self, kind=None):
        events = [event for event in self.laptop.events() if event["kind"] == "inventory"]
        return [event for event in events if kind in (None, event["item_kind"])]


def plant(home):
    """Every file of the list, each with tokens, references and harmless settings."""
    fake = home.secret
    home.write(".claude.json", {
        "numStartups": 3, "primaryApiKey": fake("sk-ant-api03-"), "maxTokens": "123456789",
        "mcpServers": {
            "github": {"command": "npx", "args": ["server", "--token", fake()], "env": {"GITHUB_TOKEN": fake("ghp_", 36)}},
            "secret-project": {"type": "http", "url": f"https://user:{fake()}@mcp.example.com",
                               "headers": {"Authorization": f"Bearer {fake()}", "X-Team": "checkout-team"}},
        },
        "projects": {"/CANARY/path": {"mcpServers": {"tool": {"type": "sse", "url": "https://example.com",
                     "headers": {"Authorization": "Bearer ${TOKEN}"}}}}},
    }, 0o644)  # fmt: skip
    home.write(".claude/settings.json", {"env": {"ANTHROPIC_AUTH_TOKEN": fake(), "API_KEY": "${API_KEY}"},
               "apiKeyHelper": "/usr/bin/get-my-key", "permissions": {"defaultMode": "bypassPermissions"}})  # fmt: skip
    home.write(".claude/.credentials.json", {"claudeAiOauth": {"accessToken": fake("sk-ant-oat01-")}})
    home.write(".codex/config.toml", "\n".join([
        'cli_auth_credentials_store = "keyring"', 'approval_policy = "never"', 'sandbox_mode = "danger-full-access"',
        "[mcp_servers.linear]", 'command = "npx"', f'args = ["--api-key={fake()}", "--verbose"]',
        f'env = {{ LINEAR_API_KEY = "{fake()}", LINEAR_TEAM = "checkout-team" }}',
        "[mcp_servers.own]", 'url = "https://example.com"', 'bearer_token_env_var = "MY_TOKEN"',
        'env_http_headers = { "X-Api-Key" = "MY_KEY_VARIABLE" }', f'http_headers = {{ Authorization = "Bearer {fake()}" }}',
        f"# {fake('dapi', 32, '0123456789abcdef')}"]))  # fmt: skip
    home.write(".codex/auth.json", {"OPENAI_API_KEY": fake("sk-proj-")})
    home.write(
        ".gemini/settings.json",
        "\ufeff// comment\n" + json.dumps({"mcpServers": {"a": {"httpUrl": "https://x.example.com"}}}),
    )
    home.write(".gemini/.env", f"export GEMINI_API_KEY='{fake()}'\n# no = 1\nPLAIN=harmless-value\n")
    home.write(
        ".aws/credentials",
        f"[default]\naws_access_key_id = {fake('AKIA', 16, string.ascii_uppercase)}\naws_secret_access_key = {fake()}\n",
    )
    home.write(".netrc", f"machine example.com login dev password {fake()}\n", 0o640)
    home.write(".npmrc", f"registry=https://registry.example.com\n//registry.example.com:8080/:_authToken={fake()}\n")
    home.write(".databrickscfg", f"[DEFAULT]\nhost = https://example.com\ntoken = {fake()}\n")
    home.write(
        ".cursor/mcp.json",
        {"mcpServers": {"x": {"command": "y", "env": {"X_TOKEN": "<your token>", "Y_KEY": "your_api_key_here"}}}},
    )
