"""The command line: exact output, and one clear line for whatever is wrong."""

import csv
import io
import json
import re
import signal
import subprocess
import sys
import urllib.request
from decimal import Decimal

import duckdb
import pytest
from moto.server import ThreadedMotoServer
from obstore import store

from meterhouse.adhoc import FORMULA_STARTS, sql
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    root = tmp_path_factory.mktemp("house")
    raw.segment(
        root / "bucket",
        [raw.event(key=(n,), response_id=f"msg_{n:030d}", model="=cmd|' /C calc'!A0") for n in range(3)],
    )
    raw.published(root / "bucket", root / "data")
    return root


def asked(house, statement: str, form: str) -> str:
    out = io.StringIO()
    sql(DataDir(house / "data"), statement, form, out)
    return out.getvalue()


ODD = (
    "SELECT 0.000000000001::DECIMAL(38,12) AS small, 12345678901234567890.123456789012::DECIMAL(38,12) AS large, "
    "170141183460469231731687303715884105727::HUGEINT AS huge, TIMESTAMPTZ '2026-03-02 10:00:00.5+00' AS at, DATE '2026-03-02' AS day, "
    "[1, 2] AS list, {'a': 1.5::DECIMAL(3,1)} AS struct, NULL AS nothing, true AS yes, 'é\"\n,' AS text, -5 AS negative"
)


def test_json_keeps_every_digit_and_every_type(house):
    (row,) = json.loads(asked(house, ODD, "json"), parse_float=Decimal)
    assert row == {
        "small": Decimal("0.000000000001"), "large": Decimal("12345678901234567890.123456789012"), "huge": 2**127 - 1,
        "at": row["at"], "day": "2026-03-02", "list": [1, 2], "struct": {"a": Decimal("1.5")}, "nothing": None, "yes": True,
        "text": 'é"\n,', "negative": -5,
    }  # fmt: skip
    assert re.fullmatch(r"2026-03-02T10:00:00\.50*Z", row["at"])


def test_csv_keeps_every_digit_and_leaves_unknown_empty(house):
    head, row = list(csv.reader(io.StringIO(asked(house, ODD, "csv"))))
    values = dict(zip(head, row, strict=True))
    assert (values["small"], values["large"]) == ("0.000000000001", "12345678901234567890.123456789012")
    assert (values["huge"], values["nothing"], values["text"], values["negative"]) == (
        str(2**127 - 1),
        "",
        'é"\n,',
        "-5",
    )


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(house, start):
    char = f"chr({ord(start)})"
    _, row = list(
        csv.reader(
            io.StringIO(asked(house, f"SELECT {char} || 'cmd' AS text, ' ' || {char} AS spaced", "csv"), newline="")
        )
    )
    assert row[0].startswith("'")
    assert row[1].startswith("'")


def test_numbers_and_dates_are_no_formulas(house):
    assert asked(house, "SELECT -1 AS a, -0.5 AS b, DATE '2026-03-02' AS c", "csv") == "a,b,c\n-1,-0.5,2026-03-02\n"


def test_a_table_is_aligned_and_shows_no_control_characters(house):
    out = asked(
        house, "SELECT 'a' || chr(27) || '[31m' || chr(8238) AS text, 5 AS n UNION ALL SELECT NULL, 12345", "table"
    )
    assert out.splitlines() == [
        "text     n    ".rstrip(),
        "-------  -----",
        "a·[31m·      5",
        "         12345",
        "(2 rows)",
    ]


def test_an_answer_without_rows_has_its_columns(house):
    assert asked(house, "SELECT 1 AS a WHERE false", "json") == "[]\n"
    assert asked(house, "SELECT 1 AS a WHERE false", "csv") == "a\n"


def test_the_command_prints_data_on_stdout_alone(house):
    done = raw.command(
        "sql", "--data", str(house / "data"), "--format", "json", "SELECT count(*) AS n FROM fct_requests"
    )
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, [{"n": 3}], "")


BAD_SQL = ["SELECT 1; SELECT 2", "SELECT nothing FROM fct_requests", "SELEC 1", "DROP TABLE fct_requests", "SELECT * FROM read_csv('/etc/passwd')",
           "COPY fct_requests TO 'x.csv'", "SELECT error('boom')", "INSTALL httpfs", "SET lock_configuration = false"]  # fmt: skip


@pytest.mark.parametrize("statement", BAD_SQL)
def test_a_bad_statement_is_one_line_and_exit_code_1(house, statement):
    done = raw.command("sql", "--data", str(house / "data"), statement)
    assert_one_line(done, "sql: ")


def test_a_statement_that_duckdb_gave_up_for_ctrl_c_is_one_line(house):
    """What DuckDB raises is given, not provoked: with two threads it may first finish a task, which can take as long as it likes."""
    code = (
        "import sys; from meterhouse import __main__, adhoc\n"
        "def interrupted(*of, **how): raise RuntimeError('Query interrupted')\n"
        "adhoc.sql = interrupted; sys.exit(__main__.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "sql", "--data", str(house / "data"), "SELECT 1"],
        capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "meterhouse: interrupted; what was done is kept, run again to go on\n"


STUCK = """
import signal, sys
from meterhouse import __main__, adhoc
def stuck(*of, **how):
    signal.alarm(120)  # ends this process, with another code than the one that is wanted
    signal.signal(signal.SIGINT, lambda *of: print("asked to end", flush=True))  # and DuckDB finishes its tasks first
    print("at work", flush=True)
    while True: pass
adhoc.sql = stuck; sys.exit(__main__.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("is_read", [True, False])
def test_the_second_ctrl_c_ends_a_statement_that_does_not_end(house, is_read):
    """Also when nobody reads stderr any more: in `meterhouse … 2>&1 | tee log` the first one ended tee."""
    command = [sys.executable, "-c", STUCK, "sql", "--data", str(house / "data"), "SELECT 1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "at work\n"
        if not is_read:
            process.stderr.close()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "asked to end\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        if is_read:
            told = process.stderr.read().splitlines()[-1]
            assert told == "meterhouse: ended at once; what was done is kept, run again to go on"


def assert_one_line(done, *parts: str) -> None:
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert re.fullmatch(r"meterhouse: [^\n]+\n", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_a_data_directory_that_is_not_there_has_no_good_news(tmp_path):
    assert_one_line(raw.command("alerts", "list", "--data", str(tmp_path / "tpyo")), "tpyo: no such data directory")


def test_a_data_directory_without_snapshot_says_how_to_make_one(tmp_path):
    assert_one_line(
        raw.command("sql", "--data", str(tmp_path / "none"), "SELECT 1"),
        "holds no published snapshot; run `meterhouse run",
    )
    assert not (tmp_path / "none").exists()


def test_a_missing_raw_folder_is_named(tmp_path):
    done = raw.command("run", "--plain", "--raw", str(tmp_path / "none"), "--data", str(tmp_path / "data"))
    assert_one_line(done, f"{tmp_path / 'none'}: no such folder; give the folder or bucket")


@pytest.mark.parametrize("plain", [["--plain"], []])
def test_a_raw_that_nobody_named_says_where_to_name_it(tmp_path, plain):
    done = raw.command("run", *plain, "--data", str(tmp_path / "data"), METERHOUSE_SETTINGS="/dev/null")
    assert_one_line(
        done, "storage_raw: is not set; set METERHOUSE_STORAGE_RAW or `raw` under [storage] in meterhouse.toml"
    )


@pytest.mark.parametrize("address", ["ftp://host/x", "s3://", "nonsense://x"])
def test_an_address_that_is_no_storage_is_refused(tmp_path, address):
    assert_one_line(raw.command("run", "--plain", "--raw", address, "--data", str(tmp_path / "data")), address)


KEYS = {
    "AWS_ACCESS_KEY_ID": "canary-key-7f3a",
    "AWS_SECRET_ACCESS_KEY": "canary-secret-7f3a",
    "AWS_REGION": "us-east-1",
}


def test_a_storage_that_does_not_answer_is_given_up_within_a_few_tries(tmp_path):
    done = raw.command("run", "--plain", "--raw", "s3://bucket/x", "--data", str(tmp_path / "data"),
                       AWS_ENDPOINT_URL="http://127.0.0.1:9", **KEYS)  # fmt: skip
    assert_one_line(done, "s3://bucket/x: cannot be listed", "after 4 retries", "check its name, your credentials")
    assert "canary-secret" not in done.stderr


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def put_bucket(endpoint: str, folder, bucket: str) -> None:
    """Copy a folder into a bucket."""
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")).read()
    target = store.from_url(f"s3://{bucket}", client_options={"allow_http": True}, config={
        "aws_endpoint_url": endpoint, "aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region": "us-east-1"})  # fmt: skip
    for path in folder.rglob("*"):
        if path.is_file():
            target.put(str(path.relative_to(folder)), path.read_bytes())


def test_a_bucket_gives_the_same_tables_as_a_folder(house, s3, tmp_path):
    put_bucket(s3, house / "bucket", "agents")
    command = ("run", "--plain", "--raw", "s3://agents", "--data", str(tmp_path / "data"))
    done = raw.command(*command, AWS_ENDPOINT_URL=s3, **KEYS)
    assert done.returncode == 0, done.stderr
    same = raw.fingerprint(house / "data")
    assert {name: value for name, value in raw.fingerprint(tmp_path / "data").items() if name != "rpt_accounting"} == {
        name: value for name, value in same.items() if name != "rpt_accounting"}  # fmt: skip
    again = raw.command(*command, AWS_ENDPOINT_URL=s3, **KEYS)
    assert again.stdout.startswith("0 new objects")


def test_a_bucket_that_does_not_exist_is_named(s3, tmp_path):
    done = raw.command(
        "run", "--plain", "--raw", "s3://nowhere", "--data", str(tmp_path / "data"), AWS_ENDPOINT_URL=s3, **KEYS
    )
    assert_one_line(done, "s3://nowhere: cannot be listed")
    assert "canary-secret" not in done.stderr


BROKEN_ROSTERS = {
    "no UTF-8": (b"person_key,team\xff", "roster/people.csv: is no CSV in UTF-8"),
    "a column missing": (
        b"person_key,team,role,valid_from,valid_to\n",
        "column 'is_engineer' is missing; the columns are person_key, team",
    ),
    "a short line": (
        b"person_key,team,role,is_engineer,valid_from,valid_to\np1,search\n",
        "line 2 has 2 cells instead of 6; mend the line",
    ),
    "an open quote": (b'person_key,team,role,is_engineer,valid_from,valid_to\n"p1,search', "is no CSV in UTF-8"),
    "nothing at all": (b"", "roster/people.csv"),
    "a date that is none": (
        b"person_key,team,role,is_engineer,valid_from,valid_to\np1,search,dev,true,2026-02-30,\n",
        "2026-02-30",
    ),
}


@pytest.mark.parametrize("what", BROKEN_ROSTERS)
def test_a_broken_roster_is_named_and_the_last_snapshot_stays(tmp_path, what):
    data, message = BROKEN_ROSTERS[what]
    raw.segment(tmp_path / "bucket", [raw.event()])
    raw.published(tmp_path / "bucket", tmp_path / "data")
    (tmp_path / "bucket" / "roster").mkdir()
    (tmp_path / "bucket" / "roster" / "people.csv").write_bytes(data)
    done = raw.command("run", "--plain", "--raw", str(tmp_path / "bucket"), "--data", str(tmp_path / "data"))
    assert done.returncode == 1, done.stdout
    assert done.stderr.splitlines()[-1].startswith("meterhouse: ")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert raw.rows(tmp_path / "data", "SELECT count(*) FROM fct_requests") == [(1,)]


def test_plain_duckdb_and_the_command_agree(house):
    with duckdb.connect(str(house / "data" / "warehouse.duckdb"), read_only=True) as db:
        assert db.execute("SELECT count(*) FROM fct_requests").fetchone() == (3,)
