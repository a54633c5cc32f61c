"""The inventory and doctor: agents, servers, switches and plaintext credentials of a home, by kind and count. No value ever leaves."""

import json
import os
import random
import string
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from collectors.laptop import LAUNCH, Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from collectors.test_hygiene import python39  # noqa: TID251 - tests/collectors
from meterhouse_collector.__main__ import main
from meterhouse_collector.agent_settings import by_program, known
from meterhouse_collector.host import Host
from meterhouse_collector.inventory import credentials, found

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


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


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


EXPECTED = {
    ("claude_state", "literal_in_settings", "key"): 1, ("claude_state", "literal_in_args", "token"): 1,
    ("claude_state", "literal_in_env", "token"): 1, ("claude_state", "literal_in_headers", "header"): 1,
    ("claude_state", "userinfo_in_url", "password"): 1, ("claude_settings", "literal_in_env", "token"): 1,
    ("claude_credentials", "store", "other"): 1, ("codex_config", "literal_in_args", "key"): 1,
    ("codex_config", "literal_in_env", "key"): 1, ("codex_config", "literal_in_headers", "header"): 1,
    ("codex_config", "known_prefix", "other"): 1, ("codex_auth", "store", "other"): 1,
    ("gemini_env", "literal_in_env", "key"): 1, ("aws_credentials", "literal_in_settings", "key"): 1,
    ("aws_credentials", "known_prefix", "other"): 1, ("netrc", "literal_in_settings", "password"): 1,
    ("npmrc", "literal_in_settings", "token"): 1, ("databrickscfg", "literal_in_settings", "token"): 1,
}  # fmt: skip


def test_planted_credentials_are_found_by_structure_and_references_are_not(home):
    plant(home)
    assert home.findings() == Counter(EXPECTED)


def test_no_planted_token_is_in_spool_destination_or_any_output(home):
    plant(home)
    home.write(".claude/settings.local.json", '{"env": {"X_TOKEN": "' + home.secret() + '", broken')
    said = b""
    for command in (["preview"], ["once"], ["status"], ["doctor"], ["doctor", "--json"]):
        first, *more = command
        done = subprocess.run([*LAUNCH, *home.laptop.arguments(first), *more], capture_output=True, check=False)
        assert done.returncode in (0, 1)
        said += done.stdout + done.stderr
    assert len(home.items("credential")) >= len(EXPECTED)
    files = [path for root in (home.laptop.spool, home.laptop.to) for path in root.rglob("*") if path.is_file()]
    everything = said + b"".join(path.read_bytes() for path in files) + b"".join(home.laptop.lines())
    for secret in home.secrets:
        for size in (8, len(secret)):
            assert secret[-size:].encode() not in everything
    for word in (b"CANARY", b"secret-project", b"checkout-team", b"example.com", b"get-my-key"):
        assert word not in b"".join(home.laptop.lines())


def test_a_finding_says_how_far_the_file_can_be_seen_and_how_old_it_is(home):
    path = home.write(".npmrc", f"_authToken={home.secret()}\n", 0o644)
    os.utime(path, (time.time() - 45 * 86400,) * 2)
    project = home.path / "src" / "shop"
    (project / ".git").mkdir(parents=True)
    home.write("src/shop/.env", f"API_KEY={home.secret()}\n")
    states = {one.kind: (one.mode, one.age_days) for one in credentials.find(Host(home.path), [str(project)])}
    assert states == {"npmrc": ("world_readable", 30), "project_env": ("in_git", 0)}


def test_odd_files_cost_nothing_and_stop_nothing(home):
    (home.path / ".claude").mkdir()
    (home.path / ".claude.json").symlink_to(home.path / ".claude.json")
    os.mkfifo(home.path / ".netrc")
    home.write(".codex/config.toml", 'a = """' * 20_000)
    home.write(".gemini/settings.json", "[" * 100_000 + "/*" * 100_000 + '"' * 99_999)
    with open(home.path / ".npmrc", "wb") as file:
        file.truncate(1 << 30)
    assert home.findings() == Counter({("npmrc", "not_read", "other"): 1})


def test_agents_servers_and_switches_are_named_from_closed_lists(home):
    plant(home)
    home.laptop.once()
    agents = {event["item_name"]: event["item_state"] for event in home.items("agent")}
    assert agents == dict.fromkeys(("claude_code", "codex", "gemini_cli", "cursor"), "files_only")
    servers = {
        (event["agent"], event["item_name"], event["item_state"]): event["item_count"]
        for event in home.items("mcp_server")
    }
    assert servers == {
        ("claude_code", "github", "stdio"): 1, ("claude_code", "other", "http"): 1, ("claude_code", "other", "sse"): 1,
        ("codex", "linear", "stdio"): 1, ("codex", "other", "http"): 1, ("gemini_cli", "other", "http"): 1,
        ("cursor", "other", "stdio"): 1,
    }  # fmt: skip
    modes = {
        event["agent"]: event["item_state"]
        for event in home.items("setting")
        if event["item_name"] == "permission_mode"
    }
    assert modes == {"claude_code": "bypass", "codex": "bypass", "gemini_cli": "default"}


def test_the_inventory_is_told_once_a_day_when_it_changed_and_whole(home, monkeypatch):
    home.write(".claude/settings.json", {})
    day = [1795168939]
    monkeypatch.setattr(time, "gmtime", lambda *_: time.struct_time((2026, 11, 20 + day[0] % 7, 9, 0, 0, 4, 324, 0)))
    day[0] = 0
    home.laptop.once()
    told = len(home.items())
    assert told >= 3
    home.write(".codex/auth.json", {"a": home.secret()})
    home.laptop.once()
    assert len(home.items()) == told
    day[0] = 1
    home.laptop.once()
    assert len(home.items()) == 2 * told + 4
    summary = [event for event in home.items("setting") if event["item_name"] == "inventory"][-1]
    assert (
        summary["item_count"] == len([event for event in home.items() if event["occurred_at"][:10] == "2026-11-21"]) - 1
    )
    day[0] = 2
    home.laptop.once()
    assert len(home.items()) == 2 * told + 4


def test_preview_shows_the_inventory_and_a_switch_keeps_it_back(home, capfdbinary):
    plant(home)
    main(home.laptop.arguments("preview"))
    shown = capfdbinary.readouterr().out
    home.laptop.once()
    assert shown == b"".join(line + b"\n" for line in home.laptop.lines())
    assert b'"item_kind":"credential"' in shown
    other = Laptop(home.laptop.root / "other")
    other.home = home.path
    other.spool.parent.mkdir()
    (other.spool.parent / "collector.json").write_text('{"inventory": false}')
    other.once()
    assert not any(event["kind"] == "inventory" for event in other.events())


def test_two_machines_of_one_person_do_not_share_an_event(home, tmp_path, monkeypatch):
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    home.write(".claude/settings.json", {})
    home.laptop.once()
    second = Laptop(tmp_path / "second")
    second.home = home.path
    second.once()
    ids = [event["event_id"] for event in home.laptop.events() + second.events()]
    assert len(ids) == len(set(ids)) > 0


def test_a_version_is_read_from_the_package_and_never_asked_for(tmp_path):
    folder = tmp_path / "lib" / "node_modules" / "@openai" / "codex"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "@openai/codex", "version": "0.169.0"}')
    program = folder / "codex.js"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    program.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "codex").symlink_to(program)
    native = tmp_path / "share" / "claude" / "versions" / "2.1.328"
    native.parent.mkdir(parents=True)
    native.write_text("#!/bin/sh\n")
    native.chmod(0o755)
    (tmp_path / "bin" / "claude").symlink_to(native)
    (tmp_path / "home").mkdir()
    on = found.agents_on(Host(tmp_path / "home", {"PATH": str(tmp_path / "bin")}))
    assert {one.agent.name: one.version for one in on} == {"codex": "0.169.0", "claude_code": "2.1.328"}
    assert not (tmp_path / "was-run").exists()


def test_a_program_that_is_asked_gets_no_input_and_little_time(tmp_path):
    for name, body in {"good": "cat; echo tool v1.2.3 CANARY", "slow": "sleep 60", "mute": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    assert found.ask_version(str(tmp_path / "good"), 30) == "1.2.3"
    assert found.ask_version(str(tmp_path / "slow"), 0.1) is None
    assert found.ask_version(str(tmp_path / "mute"), 30) is None


def test_doctor_tells_export_retention_and_what_is_not_collected(home, capsys):
    home.laptop.append(jsonl([turn(1)]))
    ours = {"CLAUDE_CODE_ENABLE_TELEMETRY": "1", "OTEL_LOGS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "CLAUDE_CODE_SKIP_PROMPT_HISTORY": "1"}  # fmt: skip
    home.write(".claude/settings.json", {"env": ours, "cleanupPeriodDays": 20})
    old = home.write(".claude/projects/-x/aaaaaaaa-0000-4000-8000-000000000001.jsonl", '{"type":"summary"}\n')
    os.utime(old, (time.time() - 15 * 86400,) * 2)
    home.write(".cursor/x.json", "{}\n")
    home.write(".cline/data/x.json", "{}\n")
    home.write(
        ".gemini/settings.json",
        {"telemetry": {"enabled": True, "otlpEndpoint": "https://otel.example.com", "otlpProtocol": "http"}},
    )
    home.write(".codex/config.toml", '[otel]\nexporter = "none"\n')
    assert main([*home.laptop.arguments("doctor"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    lines = [f"{row['level']}: {row['text']}" for row in told["findings"]]
    for expected in (
        "bad: Claude Code: exports to this collector in an encoding that it does not read",
        "bad: Claude Code: is set to write no session files", "bad: Claude Code: 1 session files are unread and will be deleted",
        "note: Cursor: is not collected", "note: Cline: only sessions of its CLI are read", "note: Gemini CLI: exports to another place", "note: Codex CLI: export is off",
        "note: Gemini CLI: exports prompt texts",
    ):  # fmt: skip
        assert any(line.startswith(expected) for line in lines), (expected, lines)
    row = next(row for row in told["agents"] if row["agent"] == "claude_code")
    assert (row["retention_days"], row["export"], row["is_read"]) == (20, "unreadable", True)
    home.laptop.once()
    assert main(home.laptop.arguments("doctor")) == 1
    assert "will be deleted" not in capsys.readouterr().out


def test_every_agent_has_a_name_of_its_own_and_is_found_by_its_programs():
    agents = known()
    programs = [program for agent in agents for program in agent.programs]
    assert len(set(programs)) == len(programs)
    assert len({agent.name for agent in agents}) == len(agents)
    for agent in agents:
        for program in agent.programs:
            assert by_program(f"/usr/bin/{program}") == by_program(f"C:\\x\\{program.upper()}.CMD") == agent
    assert by_program("vim") is None


def test_python_3_9_tells_the_same_inventory(home, monkeypatch):
    old = python39()
    if old is None:
        pytest.skip("no python3.9 that starts is installed")
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    plant(home)
    outputs = [
        subprocess.run([python, LAUNCH[1], *home.laptop.arguments("preview")], capture_output=True, check=True).stdout
        for python in (sys.executable, old)
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") > 20


def test_this_file_holds_no_token():
    assert credentials.PREFIXED.findall(Path(__file__).read_text()) == []
