"""Meterhouse: what an organisation's coding agents do and cost."""

import os

__version__ = "0.1.0"
# Polars' allocator, which reads this when it is loaded: keep freed pages for the next slice, for fetching them anew takes a tenth of a load
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:3000,muzzy_decay_ms:3000")
