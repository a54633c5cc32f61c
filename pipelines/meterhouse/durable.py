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


def replace_text(path: Path, text: str) -> None:
    """Write a small file whole: whoever reads it sees the old text or the new one."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    fsync(beside)
    beside.replace(path)
