"""The laptop half of Meterhouse: agents' files in, content-free events out. Standard library only, Python 3.9 and later."""

__version__ = "0.1.0"
