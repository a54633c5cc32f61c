"""The gateway as the only witness, and beside the others: its requests are what the provider billed, and none counts twice."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from conformance.ends import FIXTURES, collect, needs_fixtures
from conformance.test_captures import REQUESTS, tokens, truth
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.snapshot import reading

pytestmark = needs_fixtures

CAPTURE = "claude-gateway-edit"


def import_log(work: Path) -> None:
    """Ship the gateway's objects from a spool of their own, as a gateway's machine would."""
    log = FIXTURES / "captures" / CAPTURE / "gateway"
    place = ["--to", str(work / "raw"), "--spool", str(work / "gateway-spool"), "--home", str(work)]
    command = [sys.executable, "-m", "meterhouse_collector", "import", "litellm", str(log), *place]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("with_transcript", [False, True])
def test_a_session_through_the_gateway_equals_what_the_provider_billed(with_transcript: bool, tmp_path: Path) -> None:
    if with_transcript:
        collect(FIXTURES / "captures" / CAPTURE / "home", tmp_path)
    import_log(tmp_path)
    import_log(tmp_path)
    data = DataDir(tmp_path / "data")
    run(str(tmp_path / "raw"), data)
    with reading(data) as db:
        columns = [row[0] for row in db.execute(f"DESCRIBE {REQUESTS}").fetchall()]
        seen = [dict(zip(columns, row, strict=True)) for row in db.execute(REQUESTS).fetchall()]
        channels = dict(db.execute("SELECT channels, count(*) FROM fct_requests GROUP BY ALL").fetchall())
    assert Counter(map(tokens, seen)) == Counter(map(tokens, truth(CAPTURE)))
    assert {row["request_id"] for row in seen} == {row["id"] for row in truth(CAPTURE)}
    # the title of the session is in no transcript
    assert channels == ({"gateway,transcript": 5, "gateway": 1} if with_transcript else {"gateway": 6})
