"""The sample organisation: a seeded story told in the very segments that collectors ship.

What happens in it, and how much of it, stands in `data/sample/organisation.toml`; the code only tells it.
"""
