"""Credentials in plain text: found by structure, told by kind and count. No value ever leaves."""

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from collectors.laptop import LAUNCH  # noqa: TID251 - tests/collectors
from collectors.planted_home import plant  # noqa: TID251
from meterhouse_collector.host import Host
from meterhouse_collector.inventory import credentials

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


def test_no_file_of_these_tests_holds_a_token():
    for path in Path(__file__).parent.glob("*.py"):
        assert credentials.PREFIXED.findall(path.read_text()) == [], path.name
