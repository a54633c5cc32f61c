"""What a corrected roster makes due: the days from the first one on that a changed row can bear on.

Holds for the roster, which says from when to when a row is true and is read by day; what reads another seed that changed is built
whole, and so is what places its own keys, for a key can be seen on days far apart.
"""

from collections.abc import Mapping
from datetime import date

import duckdb
import polars as pl

from meterhouse import seeds
from meterhouse.models import Model

SCHEMA = """CREATE SEQUENCE IF NOT EXISTS seed_change_number;
CREATE TABLE IF NOT EXISTS seed_changes (
    number BIGINT DEFAULT nextval('seed_change_number'), seed VARCHAR, digest_before VARCHAR, digest VARCHAR, first_day DATE)"""
NEVER, EVER = "1970-01-01", "9999-12-31"


def is_dated(seed: seeds.Seed) -> bool:
    """Whether its rows bear only on the days on which they are true; a provider in the price list bears on all."""
    return seed.name.removeprefix("seed_") in seeds.ROSTER


def register(db: duckdb.DuckDBPyConnection, given: list[seeds.Seed]) -> None:
    """Make the seeds readable, and note of each dated one that changed from which day on."""
    db.execute(SCHEMA)
    known = dict(db.execute("SELECT seed, max_by(digest, number) FROM seed_changes GROUP BY seed").fetchall())
    db.execute("BEGIN")
    for seed in filter(is_dated, given):
        before = known.get(seed.name)
        if before != seed.digest:
            first = first_changed_day(db.sql(f"FROM {seed.name}").pl(), seed.frame) if before else None
            db.execute("INSERT INTO seed_changes (seed, digest_before, digest, first_day) VALUES (?, ?, ?, ?)",
                       [seed.name, before, seed.digest, first])  # fmt: skip
    seeds.register(db, given)
    db.execute("COMMIT")


def first_changed_day(old: pl.DataFrame, new: pl.DataFrame) -> date | None:
    """First day on which what the two say differs; None when they say the same. Of a row that ends otherwise, the sooner end."""
    if set(old.columns) != set(new.columns):
        return date.fromisoformat(NEVER)
    old = old.select(new.columns)
    gone = old.join(new, on=new.columns, how="anti", nulls_equal=True)
    come = new.join(old, on=new.columns, how="anti", nulls_equal=True)
    same = [name for name in new.columns if name != "valid_to"]
    ended = gone.join(come, on=same, how="inner", nulls_equal=True)
    ends = [pl.col(name).fill_null(EVER) for name in ("valid_to", "valid_to_right")]
    firsts = ended.select(pl.min_horizontal(ends)).to_series().to_list()
    for rows, others in ((gone, come), (come, gone)):
        alone = rows.join(others, on=same, how="anti", nulls_equal=True)
        firsts += alone["valid_from"].fill_null(NEVER).to_list()
    return min(map(date.fromisoformat, firsts), default=None)


def dated_digests(models: Mapping[str, Model], given: list[seeds.Seed]) -> dict[str, str]:
    """For each model the digests of the dated seeds that it reads, itself or through others, as ` seed=digest …`."""
    digests = {seed.name: seed.digest for seed in given if is_dated(seed)}
    read: dict[str, frozenset[str]] = {}
    for name, model in models.items():
        read[name] = frozenset(model.reads & digests.keys()).union(*(read[up] for up in model.depends_on))
    return {name: "".join(f" {seed}={digests[seed]}" for seed in sorted(names)) for name, names in read.items()}


def first_day_since(db: duckdb.DuckDBPyConnection, built_with: str, now: str) -> date | None:
    """First day that differs between two states of a model's dated seeds; 1970 when the way between them is not known."""
    before, after = (dict(pair.split("=") for pair in text.split()) for text in (built_with, now))
    if before.keys() != after.keys():
        return date.fromisoformat(NEVER)
    firsts = []
    for seed, digest in before.items():
        if digest != after[seed]:
            ((is_known, first),) = db.execute(
                "SELECT count(*) > 0, min(first_day) FROM seed_changes WHERE seed = $1 AND number >= "
                "(SELECT max(number) FROM seed_changes WHERE seed = $1 AND digest_before = $2)",
                [seed, digest],
            ).fetchall()
            firsts.append(first if is_known else date.fromisoformat(NEVER))
    return min((first for first in firsts if first), default=None)
