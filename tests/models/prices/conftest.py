"""What the tests of prices share: a database with the price list, and `price`, which runs the models on given requests."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from meterhouse.models import Model, read_model
from meterhouse.paths import models_dir

FIXTURES = Path(__file__).resolve().parents[3] / "../shared/fixtures/prices"
LISTS = ("staging/stg_prices.sql", "intermediate/int_price_cards.sql")
DAILY = ("intermediate/int_model_aliases.sql", "intermediate/int_request_costs.sql")
TOKENS = (
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "output_tokens", "reasoning_tokens", "web_search_requests",
)  # fmt: skip
TEXTS = ("request_id", "provider", "model", "service_tier", "speed", "processing", "inference_geo", "status")
REQUESTS = pa.schema(
    [
        *((name, pa.string()) for name in TEXTS),
        *((name, pa.int64()) for name in TOKENS),
        ("day", pa.date32()),
        ("started_at", pa.timestamp("us", "UTC")),
    ]
)
Price = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def price_models() -> list[Model]:
    """The models of prices, in build order."""
    return [read_model(models_dir() / name) for name in (*LISTS, *DAILY)]


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Path]:
    """Path of a shared price fixture; skips where those are not beside the checkout."""

    def find(name: str) -> Path:
        if not (FIXTURES / name).exists():
            pytest.skip(f"{FIXTURES / name} is absent: the shared fixtures are not beside this checkout")
        return FIXTURES / name

    return find


@pytest.fixture(scope="session")
def warehouse(price_models: list[Model]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the seeds and price cards, in a time zone that would betray a local clock."""
    with duckdb.connect(config={"threads": 2}) as db:
        db.execute("SET TimeZone = 'America/New_York'")
        for path in (models_dir() / "seeds").glob("*.csv"):
            db.execute(f"CREATE TABLE seed_{path.stem} AS FROM read_csv('{path}', all_varchar = true, header = true)")
        for model in price_models[: len(LISTS)]:
            db.execute(f"CREATE TABLE {model.name} AS {model.sql}")
        yield db


@pytest.fixture(scope="session")
def price(warehouse: duckdb.DuckDBPyConnection, price_models: list[Model]) -> Price:
    """Prices requests with the models; returns one row of costs each, in the same order."""

    def run(requests: list[Mapping[str, Any]], run_days: str = "SELECT DISTINCT day FROM int_requests") -> list:
        rows = [_request(number, request) for number, request in enumerate(requests)]
        warehouse.register("given_requests", pa.Table.from_pylist(rows, schema=REQUESTS))
        warehouse.execute("CREATE OR REPLACE TABLE int_requests AS FROM given_requests")
        warehouse.execute(f"CREATE OR REPLACE TABLE run_days AS {run_days}")
        for model in price_models[len(LISTS) :]:
            warehouse.execute(f"CREATE OR REPLACE TABLE {model.name} AS {model.sql}")
        return warehouse.sql("FROM int_request_costs ORDER BY request_id").to_arrow_table().to_pylist()

    return run


def _request(number: int, given: Mapping[str, Any]) -> dict[str, Any]:
    started_at = given.get("started_at", datetime(2026, 11, 2, 12, tzinfo=UTC))
    defaults = {"provider": "anthropic", "model": "claude-opus-4-8", "status": "ok", "input_tokens": 0}
    computed = {"request_id": f"{number:06}", "started_at": started_at, "day": started_at.date()}
    return {"output_tokens": 0, **defaults, **given, **computed}
