"""Meterhouse: what an organisation's coding agents do and cost."""

__version__ = "0.1.0"
