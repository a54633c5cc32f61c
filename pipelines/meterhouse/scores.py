"""Score tables: what a model reads that needs more than SQL. Each is a function of the models built before its reader.

A function may read only models that its reader depends on too, since that is what makes them be built first.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping

import duckdb
import polars as pl

from meterhouse import forecast

SCORES: Mapping[str, Callable[[duckdb.DuckDBPyConnection], pl.DataFrame]] = {
    "score_budget_forecasts": forecast.score_budget_forecasts,
}


def provide(db: duckdb.DuckDBPyConnection, name: str) -> None:
    """Compute one score table and make it readable."""
    db.register(f"_{name}", SCORES[name](db).to_arrow())
    db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _{name}")
    db.unregister(f"_{name}")


def digests() -> dict[str, str]:
    """A digest a score over the file that computes it: its readers are rebuilt when it changes."""
    sources = {name: inspect.getsource(inspect.getmodule(score) or score) for name, score in SCORES.items()}
    return {name: hashlib.sha256(source.encode()).hexdigest()[:16] for name, source in sources.items()}
