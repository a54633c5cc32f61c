"""What the disk must have before anything names it, and copies of large files."""

import io
import mmap
import os
import shutil
from pathlib import Path

FICLONE = 0x40049409  # Linux's ioctl: the copy shares the blocks of the original until either changes
BLOCK = 4096
PIECE = 1024 * BLOCK


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
                return
            except OSError:  # ext4, two file systems, another system than Linux
                pass
            try:
                _copy_directly(source, target)
            except (AttributeError, OSError):  # a file system in memory, another system than Linux
                copy.truncate(0)
                shutil.copyfileobj(original, copy, PIECE)


def _copy_directly(source: Path, target: Path) -> None:
    """Copy past the page cache, which a gigabyte would sweep clean of what is read, and whose pages cost more than the bytes."""
    with (
        io.FileIO(source, opener=lambda name, flags: os.open(name, flags | os.O_DIRECT)) as original,
        io.FileIO(target, "r+", opener=lambda name, flags: os.open(name, flags | os.O_DIRECT)) as copy,
    ):
        piece = mmap.mmap(-1, PIECE)  # pages of its own: the device takes whole blocks from where blocks begin
        while size := original.readinto(piece):
            if (
                size % BLOCK and original.tell() < source.stat().st_size
            ):  # the block would be filled with what lies behind
                raise OSError(f"{source}: was read in parts of blocks")
            _write(copy, memoryview(piece)[: -(-size // BLOCK) * BLOCK])
        copy.truncate(source.stat().st_size)


def _write(copy: io.FileIO, blocks: memoryview) -> None:
    while blocks:
        blocks = blocks[copy.write(blocks) :]
