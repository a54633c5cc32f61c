"""What the disk must have before anything names it."""

import os
from pathlib import Path


def fsync(path: Path) -> None:
    """Make a file's bytes, or the names in a folder, survive the loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
