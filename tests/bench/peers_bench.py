"""`make bench`, the same bytes in ClickHouse's engine (chdb) and Polars beside DuckDB's floor and our load; prints ratios.

    python tests/bench/peers_bench.py [--engineers 500] [--days 20] [--rounds 3]

Peers read the same lines from few large files, drop repeated ids and write Parquet; they check no field, know no quarantine and no ledger.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from measure import COLUMNS, FLOOR, Cost, generated, in_turns, joined, measure, table
from pipeline_bench import LOAD

_CLICKHOUSE = {"BIGINT": "Nullable(Int64)", "BOOLEAN": "Nullable(Bool)", "VARCHAR[]": "Array(String)"}
CHDB = f"""
import sys, chdb
columns = {json.dumps({name: _CLICKHOUSE.get(type_, "Nullable(String)") for name, type_ in COLUMNS.items()})}
listed = ", ".join(f"{{name}} {{type_}}" for name, type_ in columns.items())
source = f"file('{{sys.argv[1]}}/*.jsonl.gz', JSONEachRow, '{{listed}}')"
chdb.query(f"SELECT * FROM {{source}} LIMIT 1 BY event_id INTO OUTFILE '{{sys.argv[2]}}' TRUNCATE FORMAT Parquet SETTINGS max_threads = 2, "
           "input_format_allow_errors_num = 1000000, input_format_skip_unknown_fields = 1")
print("chdb " + chdb.__version__)
"""
_POLARS = {"BIGINT": "Int64", "BOOLEAN": "Boolean", "VARCHAR[]": "List(pl.String)"}
POLARS = f"""
import gzip, io, sys
from pathlib import Path
import polars as pl
schema = {{{", ".join(f"{name!r}: pl.{_POLARS.get(type_, 'String')}" for name, type_ in COLUMNS.items())}}}
frames, lines = [], []
def flush():
    frames.append(pl.read_ndjson(io.BytesIO(b"".join(lines)), schema=schema, ignore_errors=True))
    lines.clear()
for path in Path(sys.argv[1]).rglob("*.jsonl.gz"):
    try:
        text = gzip.decompress(path.read_bytes())
    except (OSError, EOFError):
        continue
    lines += [line + b"\\n" for line in text.splitlines() if line.startswith(b"{{") and line.endswith(b"}}")]
    if len(lines) > 200_000:
        flush()
flush()
pl.concat(frames).unique("event_id").write_parquet(sys.argv[2])
print("polars " + pl.__version__)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engineers", type=int, default=500)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        events = generated(asked.engineers, asked.days, 1, home / "bucket")

        large = joined(home / "bucket", home / "joined")

        def fresh(name: str, program: str) -> Cost:
            shutil.rmtree(home / name, ignore_errors=True)
            source = home / "bucket" if name == "load" else large
            return measure(program, source, home / (name if name == "load" else f"{name}.parquet"))

        programs = {"floor": FLOOR, "load": LOAD, "chdb": CHDB, "polars": POLARS}
        costs = in_turns(
            asked.rounds, {name: lambda name=name, code=code: fresh(name, code) for name, code in programs.items()}
        )
        print(f"{events:,} events; {costs['chdb'].told}, {costs['polars'].told}")
        table(costs, "floor", events)


if __name__ == "__main__":
    main()
