"""What the disk must have before anything names it, and copies of large files."""

import os
import shutil
from pathlib import Path

FICLONE = 0x40049409  # Linux's ioctl: the copy shares the blocks of the original until either changes


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


def clone(source: Path, target: Path) -> None:
    """Copy a file; at once and without room on XFS, Btrfs and others that can share blocks, byte by byte elsewhere."""
    import fcntl

    with source.open("rb") as original:
        target.unlink(missing_ok=True)  # never write through a name that a kept snapshot shares
        with target.open("xb") as copy:
            try:
                fcntl.ioctl(copy, FICLONE, original.fileno())
            except OSError:  # ext4, two file systems, another system than Linux
                shutil.copyfileobj(original, copy, 2**20)
