"""Gateways that carry agents' requests: what each logs, read by an allow-list; content beside it is never looked at."""
