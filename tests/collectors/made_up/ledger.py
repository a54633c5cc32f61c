"""An agent that exists only in tests and keeps its requests in an SQLite store, the last ones in its write-ahead log."""

from meterhouse_collector.events import Draft

NAME = "ledger"
PAGE = 3


def find(home, env):
    """One store."""
    yield from home.glob(".ledger/*.db")


def select(store, state):
    """Rows in order of their number, a page at a time."""
    while True:
        page = store.execute(
            "SELECT number, tokens FROM request WHERE number > ? ORDER BY number LIMIT ?",
            (state.get("number", 0), PAGE),
        ).fetchall()
        for row in page:
            yield dict(row)
            state["number"] = row["number"]
        if len(page) < PAGE:
            return


def read(record, state, here):
    """One request a row."""
    values = {"agent": NAME, "session_id": "s", "native_id": f"row-{record['number']}", "status": "ok",
              "output_tokens": record["tokens"]}  # fmt: skip
    yield Draft("model_request", ("s", record["number"]), "2026-10-01T00:00:00Z", values)
