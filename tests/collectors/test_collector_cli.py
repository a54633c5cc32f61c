"""The command line as a user meets it: preview, status, doctor, settings, privacy levels, and errors in one line."""

import hashlib
import hmac
import json
import subprocess
import sys

import pytest

from collectors.laptop import CANARY, LAUNCH, Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import __version__, place, settings, spool
from meterhouse_collector.__main__ import main
from meterhouse_collector.errors import SettingsError

KEY = "an organisation's key"
EMAIL = "Dev.Eloper@example.com"


@pytest.fixture
def laptop(tmp_path):
    made = Laptop(tmp_path)
    made.append(jsonl(turn(n) for n in range(3)))
    return made


def configure(laptop, **values):
    laptop.spool.parent.mkdir(exist_ok=True)
    (laptop.spool.parent / "collector.json").write_text(json.dumps(values))


def everything_below(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_preview_prints_the_very_bytes_that_are_shipped_next(laptop, capfdbinary):
    main(laptop.arguments("preview"))
    shown = capfdbinary.readouterr().out
    laptop.once()
    assert shown == b"".join(line + b"\n" for line in laptop.lines())
    capfdbinary.readouterr()
    main(laptop.arguments("preview"))
    assert capfdbinary.readouterr().out == b""


def test_preview_shows_what_waits_in_the_spool_before_what_is_unread(laptop, capfdbinary):
    laptop.once("/no/such/place/lake")
    laptop.append(jsonl([turn(3)]))
    opened = spool.open_spool(str(laptop.spool), 1 << 30)
    opened.add("x", 1, b'{"event_id":"00000000000000000000000000000001"}')
    opened.commit()
    opened.close()
    capfdbinary.readouterr()
    main(laptop.arguments("preview"))
    shown = capfdbinary.readouterr().out
    laptop.once()
    assert shown == b"".join(line + b"\n" for line in laptop.lines())
    assert shown.count(b"\n") == 5


def test_preview_changes_nothing(laptop, monkeypatch):
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    before = everything_below(laptop.root)
    main(laptop.arguments("preview"))
    assert everything_below(laptop.root) == before
    laptop.once()
    laptop.append(jsonl([turn(3)]))
    before = everything_below(laptop.root)
    main(laptop.arguments("preview"))
    assert everything_below(laptop.root) == before


def test_preview_into_a_closed_pipe_ends_quietly(laptop):
    laptop.append(jsonl(turn(n) for n in range(20_000)), "b.jsonl")
    command = [*LAUNCH, *laptop.arguments("preview")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_status_tells_what_was_sent_and_what_waits(laptop, capsys):
    laptop.once()
    laptop.append('not JSON "tokens":\n' + jsonl([turn(3)]))
    laptop.once("/no/such/place/lake")
    capsys.readouterr()
    assert main([*laptop.arguments("status"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    ((header, _),) = laptop.segments()
    assert facts["sender"] == header["sender"]
    assert facts["waiting"]["segments"] == facts["waiting"]["events"] == 1
    assert facts["counters"] == {"not_json": 1}
    assert [(row["count"], row["destination"]) for row in facts["receipts"]] == [(3, str(laptop.to))]
    assert main(laptop.arguments("status")) == 0
    shown = capsys.readouterr().out
    assert "1 events in 1 segments" in shown
    assert facts["receipts"][0]["name"] in shown
    assert CANARY not in shown


def test_status_and_preview_work_beside_a_running_collector_and_without_a_spool(laptop, capsys):
    assert main(laptop.arguments("status")) == 0
    opened = spool.open_spool(str(laptop.spool), 1 << 30)
    assert main(laptop.arguments("status")) == 0
    assert main(laptop.arguments("preview")) == 0
    opened.close()


def test_doctor_finds_files_spool_git_and_a_writable_destination(laptop, capsys):
    assert main(laptop.arguments("doctor")) == 0
    shown = capsys.readouterr().out
    assert "diary: 1 session files below" in shown
    assert f"{laptop.to}: writable" in shown
    assert "git: found" in shown
    assert list(laptop.to.iterdir()) == []


def test_doctor_fails_when_segments_could_not_be_shipped(laptop, capsys):
    assert main(laptop.arguments("doctor", "/no/such/place/lake")) == 1
    assert "its parent folder does not exist" in capsys.readouterr().out


def test_an_e_mail_becomes_a_pseudonym_and_never_leaves(laptop):
    configure(laptop, person=EMAIL, pseudonym_key=KEY)
    laptop.once()
    expected = hmac.new(KEY.encode(), EMAIL.lower().encode(), hashlib.sha256).hexdigest()[:32]
    assert {event["person_key"] for event in laptop.events()} == {expected}
    assert b"example.com" not in b"".join(laptop.lines()).lower()


def test_a_pseudonym_is_used_as_given_and_the_environment_wins(laptop, monkeypatch):
    configure(laptop, person="p-file")
    monkeypatch.setenv("METERHOUSE_PERSON", "p-variable")
    laptop.once()
    assert {event["person_key"] for event in laptop.events()} == {"p-variable"}


def test_without_a_person_the_device_stands_for_it(laptop):
    laptop.once()
    ((header, _),) = laptop.segments()
    expected = "device-" + hashlib.sha256(header["sender"].encode()).hexdigest()[:16]
    assert {event["person_key"] for event in laptop.events()} == {expected}


def test_level_counts_hides_repository_and_branch_but_tells_them_apart(tmp_path):
    laptop = Laptop(tmp_path)
    for name in ("one", "two"):
        tree = tmp_path / name
        subprocess.run(["git", "init", "-q", tree], check=True)
        subprocess.run(
            ["git", "-C", tree, "remote", "add", "origin", f"https://u:p@git.example.com/acme/{name}.git"], check=True
        )
    laptop.append(jsonl([
        turn(1, cwd=str(tmp_path / "one"), branch="main"),
        turn(2, cwd=str(tmp_path / "two"), branch="secret-project"),
        turn(3, cwd=str(tmp_path / "one"), branch="x"),
    ]))  # fmt: skip
    laptop.once()
    assert [event["repository"] for event in laptop.events()] == [
        f"git.example.com/acme/{name}" for name in ("one", "two", "one")
    ]
    other = Laptop(tmp_path / "other")
    other.home = laptop.home
    configure(other, privacy="counts", pseudonym_key="a key of the organisation")
    other.once()
    one, two, again = [event["repository"] for event in other.events()]
    assert one == again != two
    assert one.startswith("repo-")
    assert [event["branch"] for event in other.events()] == ["main", "other", "other"]


BROKEN_SETTINGS = {
    "hashes without a key": ('{"privacy": "counts"}', "privacy counts needs pseudonym_key"),
    "no JSON": ("{", "is not valid JSON at line 1"),
    "no object": ("[]", "is no JSON object"),
    "a misspelt key": ('{"preson": "x"}', "unknown key 'preson'; the keys are person"),
    "a wrong type": ('{"person": 7}', "person must be text"),
    "an e-mail without a key": (f'{{"person": "{EMAIL}"}}', "pseudonym_key is missing"),
    "a short key": ('{"pseudonym_key": "short-s3cret"}', "pseudonym_key is too short"),
    "an unknown level": ('{"privacy": "content"}', "privacy must be one of names, counts"),
    "no number": ('{"spool_limit_mb": "1"}', "spool_limit_mb must be a whole number"),
    "a person that is no key": ('{"person": " Dév "}', "person is no key"),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN_SETTINGS.values(), ids=BROKEN_SETTINGS)
def test_broken_settings_are_one_clear_line_without_the_value(laptop, capsys, text, expected):
    laptop.spool.parent.mkdir()
    (laptop.spool.parent / "collector.json").write_text(text, encoding="utf-8")
    assert laptop.once() == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "collector.json: " in error
    assert expected in error
    assert EMAIL not in error
    assert "s3cret" not in error
    assert not laptop.spool.exists()


def test_settings_named_by_hand_must_exist(tmp_path):
    assert settings.load(str(tmp_path / "x"), {}).privacy == "names"
    with pytest.raises(SettingsError, match="does not exist"):
        settings.load(str(tmp_path / "x"), {}, required=True)


def test_variables_that_move_an_agents_folder_count_for_the_users_own_home_only(laptop, monkeypatch):
    monkeypatch.setenv("DIARY_HOME", "elsewhere")
    laptop.once()
    assert len(laptop.ids()) == 3
    monkeypatch.setenv("HOME", str(laptop.home))
    own = Laptop(laptop.root / "own")
    assert main(["once", "--spool", str(own.spool), "--to", str(own.to)]) == 0
    assert own.ids() == []


def test_variables_that_lead_below_the_given_home_count_for_it(tmp_path, monkeypatch):
    elsewhere, below = tmp_path / "else", tmp_path / "home" / "agents"
    for name, value in (("A", below), ("B", f"{below}, {tmp_path / 'home'}"), ("C", f"{below},{elsewhere}"), ("D", elsewhere),
                        ("E", f"{tmp_path / 'home'}/../else"), ("F", "home"), ("G", f"{tmp_path}/home2")):  # fmt: skip
        monkeypatch.setenv(f"MH_{name}", str(value))
    found = place._below(tmp_path / "home")
    assert {name for name in found if name.startswith("MH_")} == {"MH_A", "MH_B"}


def test_usage_errors_exit_with_2_and_a_missing_home_with_1(tmp_path, capsys):
    for arguments in ([], ["frobnicate"], ["once", "--nonsense"]):
        with pytest.raises(SystemExit) as raised:
            main(arguments)
        assert raised.value.code == 2
    assert main(["once", "--home", str(tmp_path / "none"), "--to", str(tmp_path)]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_the_version_is_printed():
    output = subprocess.run([sys.executable, LAUNCH[1], "--version"], stdout=subprocess.PIPE, check=True).stdout
    assert output.decode().strip() == __version__


@pytest.mark.parametrize(
    "to", ["https://user:SECRET@h/", "s3://bucket?key=SECRET", "s3://key:SECRET@bucket/x", "ftp://u:SECRET@h"]
)
@pytest.mark.parametrize("command", ["once", "status", "doctor", "preview", "install"])
def test_credentials_in_a_destination_are_refused_and_shown_nowhere(laptop, capsys, command, to):
    extra = ["--print"] if command == "install" else []
    assert main([command, *extra, "--home", str(laptop.home), "--spool", str(laptop.spool), "--to", to]) == 1
    said = capsys.readouterr()
    assert "without user and query" in said.err
    assert "SECRET" not in said.out + said.err
