"""The sample organisation: the committed files are what the story tells, and they say what expected.json says."""

import csv
import datetime as dt
import gzip
import hashlib
import json
import re
import subprocess
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from meterhouse.errors import SettingsError
from meterhouse.parse import parse
from meterhouse.sample import costs, drafts, home, organisation, people, segments, story
from meterhouse.sample.__main__ import main
from meterhouse.sample.blemishes import EXTRA_FIELD, UNKNOWN
from meterhouse.segments import Body
from meterhouse_collector import events

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
EXPECTED = json.loads((SAMPLE / "expected.json").read_bytes())
COSTS = json.loads((SAMPLE / "expected-costs.json").read_bytes())
LARGEST = 3_000_000  # bytes of raw segments that the repository is willing to carry


@pytest.fixture(scope="module")
def told():
    return story.read(SAMPLE)


@pytest.fixture(scope="module")
def made(told):
    return organisation.make(told)


@pytest.fixture(scope="module")
def committed():
    """Object key to its lines, header first."""
    paths = sorted((SAMPLE / segments.FOLDER).rglob("*.jsonl.gz"))
    return {path.relative_to(SAMPLE).as_posix(): gzip.decompress(path.read_bytes()).split(b"\n")[:-1] for path in paths}


@pytest.fixture(scope="module")
def lines(committed):
    return [line for rows in committed.values() for line in rows[1:]]


@pytest.fixture(scope="module")
def parsed(lines):
    """What the load's own parser makes of every line."""
    data = b"\n".join(lines)
    return parse([Body(data, 0, len(data), 0, len(lines))])


@pytest.fixture(scope="module")
def loaded(lines, parsed):
    """Every event that a load keeps, once: by event id."""
    aside = {found.line.number for found in (*parsed.rejected, *parsed.parked)}
    events = (json.loads(line) for number, line in enumerate(lines) if number not in aside)
    return list({event["event_id"]: event for event in events}.values())


@pytest.fixture(scope="module")
def requests(loaded):
    """One row a provider's response: of copies, the one with the most output."""
    found = {}
    for event in loaded:
        if event["kind"] == "model_request":
            key = event["agent"], event["native_id"]
            found[key] = max(found.get(key, event), event, key=lambda one: one.get("output_tokens", 0))
    return list(found.values())


def content_of(keys_and_lines):
    """Sender, epoch and sequence to lines: the digest in a name depends on the machine's zlib."""
    return {key.rsplit("-", 1)[0]: rows for key, rows in keys_and_lines}


def test_the_committed_segments_are_what_the_story_tells(made, committed):
    again = ((one.key, gzip.decompress(one.content).split(b"\n")[:-1]) for one in made.segments)
    assert content_of(again) == content_of(committed.items())


@pytest.mark.parametrize("name", ["roster/people.csv", "roster/teams.csv", "governance.yaml", "expected.json"])
def test_the_committed_files_are_what_the_story_tells(made, tmp_path_factory, name):
    to = tmp_path_factory.getbasetemp() / "written"
    organisation.write(made, to)
    assert (to / name).read_bytes() == (SAMPLE / name).read_bytes()


def test_another_seed_tells_of_other_people(told):
    other = {one.key for one in people.people(story.read(SAMPLE, seed=told.seed + 1))}
    assert not other & {one.key for one in people.people(told)}


def test_segments_are_named_numbered_and_counted_as_a_collector_does(committed):
    numbers = defaultdict(list)
    for key, rows in committed.items():
        header = json.loads(rows[0])
        sender, epoch, seq, digest = re.fullmatch(
            r"raw/v1/direct/([0-9a-f]{16})/([0-9a-f]{16})-(\d{12})-([0-9a-f]{16})\.jsonl\.gz", key
        ).groups()
        assert hashlib.sha256((SAMPLE / key).read_bytes()).hexdigest().startswith(digest)
        assert (header["sender"], header["epoch"], header["seq"]) == (sender, epoch, int(seq))
        assert header["count"] == len(rows) - 1
        numbers[sender, epoch].append(header["seq"])
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())
    assert sum((SAMPLE / key).stat().st_size for key in committed) <= LARGEST


def test_nothing_happens_after_its_segment_was_sealed(committed, loaded):
    times = {event["event_id"]: event["occurred_at"] for event in loaded}
    for header, *rows in committed.values():
        sealed = json.loads(header)["sealed_at"]
        assert all(times[found] < sealed for row in rows for found in times.keys() & {event_id_of(row)})


def event_id_of(row):
    return row[row.find(b'"event_id":"') + 12 :][:32].decode()


def test_every_line_is_good_doubled_damaged_or_parked_as_expected(lines, loaded, parsed):
    assert len(lines) == EXPECTED["lines"]
    assert len(loaded) == EXPECTED["loaded"]
    assert Counter(event["kind"] for event in loaded) == EXPECTED["events"]
    assert Counter(rejected.reason for rejected in parsed.rejected) == EXPECTED["quarantined"]
    assert len(parsed.parked) == sum(EXPECTED["parked"].values()) == len(UNKNOWN)
    aside = len(parsed.rejected) + len(parsed.parked)
    assert EXPECTED["lines"] == EXPECTED["loaded"] + EXPECTED["duplicates"] + aside
    assert sum(EXTRA_FIELD.keys() <= event.keys() for event in loaded) == EXPECTED["lines_with_extra_fields"]


def test_requests_and_tokens_are_those_of_the_story_whoever_copied_them(requests, loaded):
    observations = sum(event["kind"] == "model_request" for event in loaded)
    assert observations > len(requests)  # else resolution would have nothing to do
    assert Counter(one["agent"] for one in requests) == EXPECTED["requests"]
    for name, total in EXPECTED["tokens"].items():
        assert sum(one.get(name, 0) for one in requests) == total, name


def test_tools_lines_and_commits_are_those_of_the_story_whoever_copied_them(loaded):
    def once(kind):
        return list({event["native_id"]: event for event in loaded if event["kind"] == kind}.values())

    tools, commits = once("tool_call"), once("commit")
    accepted = [change for change in once("code_change") if change["decision"] == "accept"]
    assert len(tools) == EXPECTED["tool_calls"]
    assert sum(call["decision"] == "reject" for call in tools) == EXPECTED["tool_calls_rejected"]
    assert sum(call["decision"] == "accept" and not call["success"] for call in tools) == EXPECTED["tool_calls_failed"]
    assert sum(change["lines_added"] for change in accepted) == EXPECTED["lines_added"]
    assert sum(change["lines_removed"] for change in accepted) == EXPECTED["lines_removed"]
    assert sum("ai_agents" in commit for commit in commits) == EXPECTED["commits_with_ai_evidence"]


def test_event_ids_are_made_as_collectors_make_them():
    key = ("session", 7, True, "é")
    assert drafts.event_id("codex", "prompt", *key) == events.event_id("codex", "prompt", *key)


def test_lines_have_the_bytes_that_a_collector_would_write(made):
    for draft in made.drafts[::500]:
        event = events.make(
            draft.kind, source=draft.source, channel=draft.channel, occurred_at=drafts.instant(draft.at),
            key=draft.key, **draft.values,
        )  # fmt: skip
        assert drafts.line(draft) == events.line(event)


def test_parts_of_the_input_never_exceed_it(requests):
    for one in requests:
        parts = one.get("cache_read_tokens", 0) + one.get("cache_write_tokens", 0)
        assert parts <= one.get("input_tokens", 0)
        ttl = one.get("cache_write_5m_tokens", 0) + one.get("cache_write_1h_tokens", 0)
        assert ttl == one.get("cache_write_tokens", 0)


def test_people_are_pseudonyms_and_every_address_is_of_a_function(lines):
    assert not any(b"@" in line for line in lines)
    written = (SAMPLE / "governance.yaml").read_text() + (SAMPLE / "roster" / "teams.csv").read_text()
    assert set(re.findall(r"[\w.-]+@[\w.-]+", written)) >= {"ceo@example.com", "payments-lead@example.com"}
    assert all(re.fullmatch(r"[0-9a-f]{32}", row["person_key"]) for row in roster_rows())


def roster_rows():
    with (SAMPLE / "roster" / "people.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_person_changes_team_without_a_gap(told):
    spells = defaultdict(list)
    for row in roster_rows():
        spells[row["person_key"]].append(row)
    (moved,) = [rows for rows in spells.values() if len(rows) > 1]
    assert [row["team"] for row in moved] == [told.move.origin, told.move.to]
    assert moved[0]["valid_to"] == moved[1]["valid_from"] == str(told.move.day)


def test_one_budget_has_passed_one_will_pass_and_the_others_are_far_from_it(told):
    governance = yaml.safe_load((SAMPLE / "governance.yaml").read_bytes())
    budgets = {row["team"]: Decimal(row["month_usd"]) for row in governance["budgets"]}
    spent = {team: Decimal(row["list_cost_usd"]) for team, row in COSTS["by_team_in_2026-11"].items()}
    workdays = [dt.date(2026, 11, day) for day in range(1, 31) if dt.date(2026, 11, day).weekday() < 5]
    pace = Decimal(len(workdays)) / sum(day <= told.last_day for day in workdays)
    assert [team for team in budgets if spent[team] > budgets[team]] == [told.runaway.team]
    heading = {team: spent[team] * pace / budgets[team] for team in budgets if team != told.runaway.team}
    assert [team for team, share in heading.items() if share > Decimal("1.2")] == ["search"]
    assert max(share for team, share in heading.items() if team != "search") < Decimal("0.8")


def test_only_the_runaway_session_is_above_the_session_limit():
    limit = yaml.safe_load((SAMPLE / "governance.yaml").read_bytes())["limits"][0]["usd"]
    assert Decimal(COSTS["runaway"]["list_cost_usd"]) > 2 * limit
    assert Decimal(COSTS["dearest_other_session_usd"]) < limit


def test_costs_are_those_of_the_price_package(told, made):
    pytest.importorskip("genai_prices", reason="genai-prices is a development dependency")
    assert costs.costs(told, made.people, made.drafts, made.runaway) == COSTS


def test_a_public_price_changes_inside_the_window_and_one_model_has_none(told, requests):
    prices = pytest.importorskip("genai_prices", reason="genai-prices is a development dependency")
    change = dt.datetime(2026, 8, 21, tzinfo=dt.UTC)
    days = {one["occurred_at"][:10] for one in requests if one.get("model") == "gpt-5.6-sol"}
    assert min(days) < str(change.date()) <= max(days)
    before, after = (
        prices.calc_price(prices.Usage(input_tokens=1000), "gpt-5.6-sol", provider_id="openai",
                          genai_request_timestamp=at).total_price
        for at in (change - dt.timedelta(days=1), change)
    )  # fmt: skip
    assert before > after
    with pytest.raises(LookupError):
        prices.calc_price(prices.Usage(input_tokens=1000), told.unpriced.model, provider_id="openai")
    assert sum(one.get("model") == told.unpriced.model for one in requests) == EXPECTED["requests_unpriced"] > 0


def test_a_folder_with_another_sample_is_refused(told, made, tmp_path):
    stale = tmp_path / made.segments[0].key
    stale.parent.mkdir(parents=True)
    stale.with_name("0000000000000000-000000000001-0000000000000000.jsonl.gz").write_bytes(b"")
    with pytest.raises(SettingsError, match="holds another sample"):
        organisation.write(made, tmp_path)


def test_a_misspelt_key_of_the_story_is_named(tmp_path, capsys):
    text = (SAMPLE / "organisation.toml").read_text().replace("at_work", "at_wrok")
    (tmp_path / "organisation.toml").write_text(text)
    assert main(["--story", str(tmp_path), "--to", str(tmp_path / "out")]) == 1
    assert "at_wrok" in capsys.readouterr().err


def git(tree, *arguments):
    return subprocess.run(["git", *arguments], cwd=tree, check=True, capture_output=True, text=True).stdout


def test_the_demo_home_is_laid_out_the_same_anywhere(told, tmp_path):
    logs = []
    for name in ("one", "two words"):
        home.lay_out(told, SAMPLE, tmp_path / name)
        tree = tmp_path / name / "src" / "shop"
        logs.append(git(tree, "log", "--format=%H %aI %an <%ae>%n%b"))
        assert git(tree, "remote", "get-url", "origin").strip() == "https://github.com/example/shop.git"
        assert git(tree, "status", "--porcelain") == ""
    assert logs[0] == logs[1]
    assert logs[0].count("Dev <dev@example.com>") == 4
    assert logs[0].count("Co-Authored-By: Claude <noreply@anthropic.com>") == 1


def test_the_demo_home_belongs_to_somebody_on_the_roster_and_knows_its_own_paths(told, tmp_path):
    home.lay_out(told, SAMPLE, tmp_path)
    settings = json.loads((tmp_path / ".meterhouse" / "collector.json").read_bytes())
    assert settings["person"] in {row["person_key"] for row in roster_rows() if row["team"] == told.demo.team}
    files = [path for agent in (".claude", ".codex", ".gemini") for path in (tmp_path / agent).rglob("*.jsonl")]
    tree = str(tmp_path / "src" / "shop")
    assert len(files) == 5
    for path in files:
        for line in path.read_text().splitlines():
            assert home.TEMPLATE_TREE not in line
            assert json.loads(line).get("cwd", tree) == tree
    assert (tmp_path / ".claude" / "projects" / re.sub(r"[^A-Za-z0-9]", "-", tree)).is_dir()


def test_an_existing_work_tree_is_refused(told, tmp_path):
    (tmp_path / "src" / "shop").mkdir(parents=True)
    with pytest.raises(SettingsError, match="exists already"):
        home.lay_out(told, SAMPLE, tmp_path)
