"""Spark instead of DuckDB for building the models, for organisations that outgrow one machine; docs/scale.md says when."""
