"""The committed price list says what genai-prices says, every row of it, and what it rounds it admits."""

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from meterhouse import prices as exporter
from meterhouse.paths import models_dir


def test_seeds_are_what_the_exporter_writes() -> None:
    for name, text in exporter.seeds().items():
        committed = (models_dir() / "seeds" / name).read_bytes().decode()
        assert committed == text, f"{name}: differs from the installed genai-prices; run python -m meterhouse.prices"


def test_every_price_of_the_reference_table_is_exported_and_equal(reference: Callable[[str], Path]) -> None:
    exported = Counter(
        (
            row.price_provider, row.price_model, row.meter, row.price_context, str(row.valid_from), str(row.valid_to),
            row.utc_from, row.utc_to, str(row.tier_start), "" if row.tier_end is None else str(row.tier_end),
            row.price_pico + (row.lost_pico or 0),
        )
        for row in exporter.prices()
    )  # fmt: skip
    with reference("genai_prices_0.2.3_scd.csv").open(newline="") as file:
        rows = _closed([_reference_row(row) for row in csv.DictReader(file)])
    assert len(rows) == 6244
    assert Counter(rows) - exported == Counter()


def _reference_row(row: Mapping[str, str]) -> tuple[Any, ...]:
    hours = [part[:5] for part in row["utc_time_of_day"].split("/")] if row["utc_time_of_day"] else ["", ""]
    return (
        row["provider_id"], row["model_id"], row["usage_key"],
        row["price_context"].strip("{}").replace('"', "").replace(": ", "="), row["valid_from"], row["valid_to"],
        *hours, row["tier_start_input_tokens"], row["tier_end_input_tokens"],
        Decimal(row["price_usd"]).scaleb(12) / int(row["per"]),
    )  # fmt: skip


def _closed(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The reference leaves a context's price open when a later one follows; ours ends where the next begins."""
    starts: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        starts.setdefault((*row[:4], *row[6:8]), []).append(row[4])
    following = (min((s for s in starts[(*row[:4], *row[6:8])] if s > row[4]), default=row[5]) for row in rows)
    return [(*row[:5], min(row[5], end), *row[6:]) for row, end in zip(rows, following, strict=True)]


def test_what_rounding_to_whole_pico_dollars_loses_is_recorded_and_below_half_of_one() -> None:
    lost = [row.lost_pico for row in exporter.prices() if row.lost_pico is not None]
    assert lost
    assert all(0 < abs(part) <= Decimal("0.5") for part in lost)


def test_a_multiplier_never_rounds(warehouse: duckdb.DuckDBPyConnection) -> None:
    rounded = """
        SELECT * FROM stg_prices AS p JOIN seed_price_multipliers AS m USING (price_provider, price_model)
        WHERE p.meter LIKE '%tokens' AND p.price_pico * CAST(m.multiplier_ppm AS BIGINT) % 1000000 <> 0"""
    assert warehouse.execute(rounded).fetchall() == []


def test_each_authored_row_names_a_model_or_provider_of_the_list(warehouse: duckdb.DuckDBPyConnection) -> None:
    strangers = """
        SELECT price_provider FROM seed_price_providers UNION SELECT price_provider FROM seed_model_homes
        EXCEPT SELECT price_provider FROM stg_prices"""
    assert warehouse.execute(strangers).fetchall() == []
    unpriced = """
        SELECT price_provider, price_model FROM seed_model_aliases WHERE price_model IS NOT NULL
        UNION SELECT price_provider, price_model FROM seed_price_multipliers
        EXCEPT SELECT price_provider, price_model FROM stg_prices"""
    assert warehouse.execute(unpriced).fetchall() == []
