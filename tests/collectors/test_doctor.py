"""What `doctor` tells of the agents of a machine: versions, export, retention, and what is not collected and why."""

import json
import os
import time

from collectors import homes  # noqa: TID251 - tests/collectors
from collectors.laptop import jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector.__main__ import main
from meterhouse_collector.agent_settings import by_program, known
from meterhouse_collector.host import Host
from meterhouse_collector.inventory import found


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


def test_every_agent_that_is_read_is_found_too():
    assert set(homes.names()) <= {agent.name for agent in known()}


def test_the_program_and_the_store_of_omnigent_are_found_where_its_variable_says(tmp_path):
    (tmp_path / "data").mkdir()
    (one,) = found.agents_on(Host(tmp_path, {"OMNIGENT_DATA_DIR": str(tmp_path / "data")}))
    assert (one.agent.name, one.program) == ("omnigent", None)
    program = tmp_path / "omnigent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (one,) = found.agents_on(Host(tmp_path, {"PATH": str(tmp_path)}))
    assert (one.agent.name, one.program) == ("omnigent", str(program))


def test_every_agent_has_a_name_of_its_own_and_is_found_by_its_programs():
    agents = known()
    programs = [program for agent in agents for program in agent.programs]
    assert len(set(programs)) == len(programs)
    assert len({agent.name for agent in agents}) == len(agents)
    for agent in agents:
        for program in agent.programs:
            assert by_program(f"/usr/bin/{program}") == by_program(f"C:\\x\\{program.upper()}.CMD") == agent
    assert by_program("vim") is None
