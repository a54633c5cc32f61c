"""Dagster around the core: the only package, with `definitions.py`, that imports dagster. It computes nothing itself."""
