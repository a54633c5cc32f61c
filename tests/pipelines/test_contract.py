"""The event contract: what the server reads is what the collector writes, and version 1 only ever grows."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from meterhouse import contract
from meterhouse.contract import kinds
from meterhouse.errors import ContractFileError

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "models" / "contracts" / "event.v1.json"
FROZEN = Path(__file__).with_name("event.v1.frozen.json")
HOW_TO_ADD = (
    "Version 1 may only grow by optional fields and new kinds. After such an addition run\n"
    "  python tests/pipelines/test_contract.py\nwhich refuses to rewrite a line that exists; everything else is version 2 (docs/contract.md)."
)


def promises() -> dict[str, str]:
    """Each field of each kind to the digest of what readers rely on; words may be mended, so they are left out."""
    found = {}
    for name, schema in json.loads(PUBLISHED.read_bytes())["$defs"].items():
        for field, prop in schema["properties"].items():
            relied_on = {key: value for key, value in prop.items() if key != "description"}
            relied_on["required"] = field in schema["required"]
            text = json.dumps(relied_on, sort_keys=True)
            found[f"{name}.{field}"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def broken_promises(frozen: dict[str, str], now: dict[str, str]) -> list[str]:
    lost = [f"{name} is gone" for name in frozen if name not in now]
    changed = [
        f"{name} changed type, unit, limits, pattern, personal or required"
        for name in frozen
        if now.get(name, frozen[name]) != frozen[name]
    ]
    known = {name.split(".")[0] for name in frozen}
    required = {
        f"{kind}.{row.name}" for kind in known if kind in kinds() for row in kinds()[kind].fields if row.is_required
    }
    return (
        lost
        + changed
        + [
            f"{name} is new and required: old collectors do not send it"
            for name in now
            if name not in frozen and name in required
        ]
    )


def test_the_published_contract_is_what_the_collector_writes():
    done = subprocess.run([sys.executable, "-m", "meterhouse_collector.contract"], capture_output=True, check=True)
    assert done.stdout == PUBLISHED.read_bytes(), "run `make contract`"


def test_what_version_1_promised_stays():
    assert broken_promises(json.loads(FROZEN.read_bytes()), promises()) == [], HOW_TO_ADD


def test_every_field_there_is_has_been_frozen():
    assert sorted(set(promises()) - set(json.loads(FROZEN.read_bytes()))) == [], HOW_TO_ADD


def test_the_freeze_allows_additions_and_names_every_other_change():
    now = promises()
    frozen = {name: digest for name, digest in now.items() if name not in ("prompt.branch", "seat.plan")}
    assert broken_promises(frozen, now) == []
    assert broken_promises(now | {"prompt.mood": "x"}, now) == ["prompt.mood is gone"]
    assert broken_promises(now | {"prompt.agent": "x"}, now)[0].startswith("prompt.agent changed type")
    frozen = {name: digest for name, digest in now.items() if name != "prompt.agent"}
    assert broken_promises(frozen, now) == ["prompt.agent is new and required: old collectors do not send it"]


FIELDS = {f"{kind.name}.{row.name}": row for kind in kinds().values() for row in kind.fields}


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_and_field_says_what_it_means_in_a_sentence(kind):
    for words in (kinds()[kind].about, *(row.about for row in kinds()[kind].fields)):
        assert re.fullmatch(r"\S.{9,}\.", words), words


def test_a_field_of_one_name_means_the_same_in_every_kind():
    seen = {}
    for name, row in FIELDS.items():
        meaning = (row.type, row.about, row.unit, row.is_personal, row.pattern, row.minimum, row.maximum)
        assert seen.setdefault(row.name, meaning) == meaning, name


def test_what_points_at_a_person_is_marked_and_nothing_else():
    assert {row.name for row in FIELDS.values() if row.is_personal} == {"person_key", "reviewer_key", "end_user_key"}
    assert [
        name
        for name, row in FIELDS.items()
        if row.name.endswith(("person_key", "reviewer_key")) and not row.is_personal
    ] == []


def test_quantities_have_units():
    for name, row in FIELDS.items():
        if row.name.endswith(("_tokens", "_ms", "_usd", "_minutes")) or row.name.startswith(("lines_", "files_")):
            assert row.unit, name


SMELLS = re.compile(
    r"(^|_)(prompt|answer|completion|text|content|body|message|diff|patch|code|path|file|directory|cwd|command|argument|args|input|output|"
    r"email|mail|token|secret|password|credential|header|url|host|hostname|user|username|login|title|description|stdout|stderr|snippet|query)$"
)
MEANT = {"exit_code"}  # a number


def test_no_field_has_room_for_content():
    assert {row.name for row in FIELDS.values() if SMELLS.search(row.name)} - MEANT == set()
    free = [row.name for row in FIELDS.values() if row.type not in ("count", "integer", "boolean") and not row.pattern]
    assert free == [], "every text is bound by a pattern"
    assert all(contract.kinds()[name].columns.keys().isdisjoint({"text", "payload"}) for name in kinds())


def test_a_contract_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(contract, "models_dir", lambda: tmp_path)
    with pytest.raises(ContractFileError, match=r"event\.v1\.json: cannot be read .*; reinstall meterhouse"):
        contract.kinds.__wrapped__()


if __name__ == "__main__":
    frozen = json.loads(FROZEN.read_bytes()) if FROZEN.exists() else {}
    if broken := broken_promises(frozen, promises()):
        sys.exit("\n".join([*broken, HOW_TO_ADD]))
    FROZEN.write_text(json.dumps(promises(), indent=0) + "\n", encoding="utf-8")
