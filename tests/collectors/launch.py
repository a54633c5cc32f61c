"""Starts the real collector with the made-up source and, for crash tests, with batches so small that a kill finds every moment."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collectors"))

from meterhouse_collector import outbox, ship, sources, spool, watch
from meterhouse_collector.__main__ import main

sources.__path__.append(str(Path(__file__).with_name("made_up")))
if "SMALL_BATCHES" in os.environ:
    from meterhouse_collector.commands import run  # not for `once`: it brings an HTTP server

    outbox.BATCH, spool.SEAL_EVENTS = 3, 10
    run.POLL, run.SEAL_AFTER, run.PUTS = 0.005, 0.02, 100
    watch.SEARCH, watch.SEARCH_SHARE = 0.02, 0
    ship.BACKOFF_FIRST, ship.BACKOFF_MAX, ship.BACKOFF_DENIED = 0.01, 0.1, 0.02
    if any(
        word.startswith("http://") for word in sys.argv
    ):  # imported by those alone that use it: a start must be quick
        from meterhouse_collector import intake_client

        intake_client.PACE, intake_client.READ, intake_client.WHOLE = 0, 0.5, 1.0
    if "serve" in sys.argv:
        from meterhouse_collector.intake import service

        service.BURST, service.PER_MINUTE = 1e9, 1e9

if __name__ == "__main__":
    sys.exit(main())
