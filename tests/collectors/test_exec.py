"""`exec -- AGENT …`: the agent gets export, gateway and a mark, and every argument as it was."""

import os
import subprocess
import sys

import pytest

from collectors.exec_bench import CANARY  # noqa: TID251 - tests/collectors
from collectors.laptop import LAUNCH  # noqa: TID251
from meterhouse_collector.__main__ import main
from meterhouse_collector.commands.exec import marked


def test_the_agent_gets_export_and_a_mark_and_every_argument_as_it_was(bench):
    bench.agent("claude")
    assert bench.run("claude", "-p", CANARY, "--", "--wait", "")[0] == 0
    seen = bench.seen()
    assert seen["arguments"] == ["-p", CANARY, "--", "--wait", ""]
    environment = seen["environment"]
    assert environment["CLAUDE_CODE_ENABLE_TELEMETRY"] == "1"
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == bench.endpoint
    assert environment["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/json"
    (launch,) = bench.drops()
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == f"meterhouse.launch_id={launch['launch_id']}"
    assert launch["agent"] == "claude_code"


def test_codex_is_switched_on_by_arguments_before_its_own(bench):
    bench.agent("codex")
    bench.run("codex", "exec", CANARY)
    arguments = bench.seen()["arguments"]
    assert arguments[-2:] == ["exec", CANARY]
    assert (
        f'otel.exporter={{ otlp-http = {{ endpoint = "{bench.endpoint}/v1/logs", protocol = "json" }} }}' in arguments
    )


def test_an_agent_that_nobody_knows_gets_opentelemetrys_own_variables_and_keeps_its_name_to_itself(bench):
    bench.agent("secret-project-bot")
    bench.run("secret-project-bot")
    assert bench.seen()["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == bench.endpoint
    (launch,) = bench.launches()
    assert launch["agent"] == "other"
    assert b"secret-project" not in b"".join(bench.laptop.lines())


def test_the_gateway_of_the_settings_is_put_in_place_unless_the_person_chose_one(bench):
    bench.settings(otlp_endpoint=bench.endpoint, gateway_url="https://gateway.example.com/")
    for name in ("claude", "codex"):
        bench.agent(name)
    bench.run("claude")
    assert bench.seen()["environment"]["ANTHROPIC_BASE_URL"] == "https://gateway.example.com"
    bench.run("codex")
    assert bench.seen()["environment"]["OPENAI_BASE_URL"] == "https://gateway.example.com/v1"
    assert 'openai_base_url="https://gateway.example.com/v1"' in bench.seen()["arguments"]
    bench.variables["ANTHROPIC_BASE_URL"] = "https://mine.example.com"
    bench.run("claude")
    assert bench.seen()["environment"]["ANTHROPIC_BASE_URL"] == "https://mine.example.com"


def test_an_export_that_somebody_else_set_up_is_left_alone_and_still_marked(bench):
    bench.agent("claude")
    bench.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = "https://otel.example.com"
    bench.variables["OTEL_RESOURCE_ATTRIBUTES"] = "team.id=checkout,meterhouse.launch_id=outer,cost_center=42"
    bench.run("claude")
    environment = bench.seen()["environment"]
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "https://otel.example.com"
    assert "CLAUDE_CODE_ENABLE_TELEMETRY" not in environment
    (launch,) = bench.drops()
    expected = f"team.id=checkout,cost_center=42,meterhouse.launch_id={launch['launch_id']}"
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == expected


def test_settings_of_the_person_that_export_elsewhere_are_left_alone(bench):
    bench.agent("codex")
    (bench.home / ".codex").mkdir()
    (bench.home / ".codex" / "config.toml").write_text(
        '[otel.exporter.otlp-http]\nendpoint = "https://otel.example.com"\n'
    )
    bench.run("codex", "exec")
    assert bench.seen()["arguments"] == ["exec"]


def test_nothing_is_switched_on_when_nothing_listens(bench):
    bench.agent("claude")
    bench.listener.close()
    bench.run("claude")
    assert "CLAUDE_CODE_ENABLE_TELEMETRY" not in bench.seen()["environment"]
    assert len(bench.drops()) == 1


def test_a_new_session_of_claude_code_is_tied_by_its_id_and_others_are_not_touched(bench):
    bench.agent("claude", "@anthropic-ai/claude-code", "2.1.328")
    bench.run("claude", "-p", CANARY)
    flag, session_id, *rest = bench.seen()["arguments"]
    assert (flag, rest) == ("--session-id", ["-p", CANARY])
    (launch,) = bench.launches()
    assert (launch["session_id"], launch["agent_version"]) == (session_id, "2.1.328")
    for words in (["mcp", "list"], ["--continue"], ["--resume"], ["-p", "--version"], ["--resume=x"]):
        bench.run("claude", *words)
        assert bench.seen()["arguments"] == words
    known = "0d70eb79-0000-4000-8000-000000000001"
    bench.run("claude", "--resume", known)
    assert bench.seen()["arguments"] == ["--resume", known]
    assert known in {event.get("session_id") for event in bench.launches()}


def test_an_old_version_that_may_not_know_the_flag_is_not_given_it(bench):
    bench.agent("claude", "@anthropic-ai/claude-code", "1.0.30")
    bench.run("claude")
    assert bench.seen()["arguments"] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "meterhouse.launch_id=L"), (" ", "meterhouse.launch_id=L"), ("a=1,", "a=1,meterhouse.launch_id=L"),
     ("meterhouse.origin=ci,meterhouse.launch_id=K", "meterhouse.launch_id=L"), ("broken", "broken,meterhouse.launch_id=L")],
)  # fmt: skip
def test_resource_attributes_keep_what_others_put_there(before, after):
    assert marked(before, "L", None) == after


def test_an_agent_without_dashes_before_it_is_asked_for_them(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["exec", "claude", "--resume"])
    assert ended.value.code == 2
    assert "put -- before the agent" in capsys.readouterr().err


def test_an_agent_starts_in_a_folder_that_is_gone_also_with_a_relative_spool(bench, tmp_path):
    bench.agent("claude")
    gone = tmp_path / "gone"
    gone.mkdir()
    words = [sys.executable, LAUNCH[1], "exec", "--spool", "spool", "--", str(bench.bin / "claude"), "-p"]
    code = "import os, sys; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
    environment = {**os.environ, "HOME": str(bench.home), "FAKE_REPORT": str(bench.report), "FAKE_AGENT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(gone), *words], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert bench.seen()["arguments"] == ["-p"]
