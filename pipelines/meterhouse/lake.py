"""The lake: typed rows become one Parquet file a kind and day, durable before the commit that names them.

A row whose event id the lake holds already is not written again; an id is looked for on its own day alone.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from meterhouse import contract
from meterhouse.catalog import Catalog, lake_path
from meterhouse.durable import fsync
from meterhouse.ledger import Fetched

CLOCK_TOLERANCE = timedelta(minutes=10)


def with_lineage(frames: Mapping[str, pl.DataFrame], batch: Sequence[Fetched]) -> dict[str, pl.DataFrame]:
    """A clock far ahead must not create partitions in the future: such rows lie under the day they were received."""
    lineage = pl.DataFrame(
        {
            "object_number": range(len(batch)),
            "sender": [one.segment.header and one.segment.header.sender for one in batch],
            "received_at": [one.object.modified_at.astimezone(UTC) for one in batch],
        },
        schema={"object_number": pl.Int64, "sender": pl.String, "received_at": pl.Datetime("us", "UTC")},
    )
    suspect = pl.col("occurred_at") > pl.col("received_at") + CLOCK_TOLERANCE
    when = pl.when(suspect).then(pl.col("received_at")).otherwise(pl.col("occurred_at"))
    return {
        kind: frame.join(lineage, on="object_number", how="left", maintain_order="left").with_columns(
            day=when.dt.date(), is_clock_suspect=suspect
        )
        for kind, frame in frames.items()
    }


@dataclass
class Written:
    """Files that await the commit that names them, and the rows kept of each object of the batch."""

    files: list[dict[str, Any]] = field(default_factory=list)
    kept: Counter[int] = field(default_factory=Counter)
    suspects: list[dict[str, Any]] = field(default_factory=list)

    def commit(self, catalog: Catalog) -> None:
        """Name the files, inside the caller's transaction."""
        catalog.insert("lake_files", self.files)
        catalog.insert("suspect_ids", self.suspects)


def write(catalog: Catalog, frames: Mapping[str, pl.DataFrame], load_seq: int) -> Written:
    """Drop repeated ids and write one file a kind and day."""
    written = Written()
    for kind, frame in frames.items():
        new = _news(catalog, kind, frame.unique("event_id", keep="first", maintain_order=True))
        written.kept.update(dict(new["object_number"].value_counts().iter_rows()))
        suspects = new.filter("is_clock_suspect")["event_id"]
        written.suspects += [{"kind": kind, "event_id": event_id} for event_id in suspects]
        columns = [
            pl.col(name).cast(type_) if name in new.columns else pl.lit(None, type_).alias(name)
            for name, type_ in contract.kinds()[kind].columns.items()
        ]
        for (day,), rows in new.partition_by("day", as_dict=True, maintain_order=True).items():
            path = lake_path(kind, day, load_seq)
            file = catalog.data.lake / path
            _write_parquet(rows.select(columns), file)
            catalog.known_ids.remember(str(file), rows["event_id"])
            written.files.append(
                {"kind": kind, "day": day, "path": str(path), "row_count": rows.height, "load_seq": load_seq}
            )
    return written


def _news(catalog: Catalog, kind: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose id the lake lacks. Where the clock was suspect, the same event can lie on two days: that of its receipt too."""
    claimed = rows.filter("is_clock_suspect").select("event_id", day=pl.col("occurred_at").dt.date())
    asked = pl.concat([rows.select("event_id", "day"), claimed]).partition_by("day", as_dict=True)
    files = catalog.files_by_day(kind, [day for (day,) in asked])
    suspect = catalog.db.execute("SELECT event_id FROM suspect_ids WHERE kind = ?", [kind]).fetchall()
    known = [pl.Series("event_id", [event_id for (event_id,) in suspect], pl.String)]
    known += [catalog.known_ids.among(asked[(day,)]["event_id"], of_day) for day, of_day in files.items()]
    return rows.join(pl.concat(known).to_frame(), on="event_id", how="anti", maintain_order="left")


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Durable before the commit that names it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, compression="zstd", statistics=True)
    fsync(path)
