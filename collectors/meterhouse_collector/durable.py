"""The disk, used so that what we say is written is written: create, append, fsync, rename, lock.

Every durable write of the collector goes through here, so that one test can make the n-th call fail.
A file whose fsync failed is finished: close it and recover from what the disk holds; never call fsync again and believe it.
"""

import contextlib
import os
import sys
from typing import Any, BinaryIO, Optional

from .errors import LockedError, SpoolError

try:
    import fcntl as _fcntl
except ImportError:  # Windows
    _fcntl = None
fcntl: Any = _fcntl

LOCK_BYTE = 1 << 30  # beyond the text of the lock file, because Windows forbids others to read a locked byte
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "fuse.rclone", "fuse.s3fs")
SYNCED = ("onedrive", "dropbox", "mobile documents", "google drive", "googledrive", "cloudstorage")


def sync(file: BinaryIO) -> None:
    """Flush and fsync; on macOS F_FULLFSYNC, because plain fsync stops at the drive's cache there."""
    file.flush()
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(file.fileno(), full)
            return
        except OSError:
            pass  # the file system does not know it: fall back
    os.fsync(file.fileno())


def sync_folder(folder: str) -> None:
    """Make a rename or a new name in the folder durable; Windows does that by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_new(path: str, private: bool = True) -> BinaryIO:
    """A file that was not there before, 0600 unless others are meant to read it; what is there is never overwritten."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600 if private else 0o666), "wb")


def publish(path: str, data: bytes, private: bool = True) -> None:
    """Write a whole file so that it is there complete or not at all, also after a power cut."""
    folder, name = os.path.split(path)
    passing = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    remove(passing)
    try:
        with open_new(passing, private) as file:
            file.write(data)
            sync(file)
        os.replace(passing, path)
    except BaseException:
        remove(passing)
        raise
    sync_folder(folder)


def remove(path: str) -> None:
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def free_space(folder: str) -> int:
    """Bytes that this user may still write on the folder's disk."""
    if hasattr(os, "statvfs"):
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize
    import shutil

    return shutil.disk_usage(folder).free


def make_private(folder: str) -> None:
    """Create the folder for this user alone, and take others' rights away when it exists."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.name != "nt" and os.stat(folder).st_mode & 0o077:
        os.chmod(folder, 0o700)


def refuse_shared_place(folder: str) -> None:
    """A spool on a network or synced folder loses locks and order: say so instead of starting."""
    lowered = [part.lower() for part in os.path.realpath(folder).split(os.sep)]
    if any(part.startswith(name) for part in lowered for name in SYNCED):
        raise SpoolError(f"{folder}: is inside a synced folder; pass --spool with a folder on this machine's disk")
    kind = file_system(os.path.realpath(folder))
    if kind in NETWORK:
        raise SpoolError(
            f"{folder}: is on a network file system ({kind}); pass --spool with a folder on this machine's disk"
        )


def file_system(folder: str) -> Optional[str]:
    """Type of the file system that holds the folder, where the system tells (Linux)."""
    best, kind = "", None
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            for _, place, name, *_ in map(str.split, mounts):
                inside = folder == place or folder.startswith(place.rstrip("/") + "/")
                if inside and len(place) >= len(best):
                    best, kind = place, name
    except (OSError, ValueError):
        return None
    return kind


def lock(path: str) -> BinaryIO:
    """Hold the spool for the life of the process; the system lets go when it dies, so no lock goes stale."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
    try:
        _lock(file)
    except OSError:
        file.seek(0)
        holder = file.read(32).split()
        file.close()
        who = holder[0].decode("ascii", "replace") if holder else "unknown"
        raise LockedError(
            f"{os.path.dirname(path)}: another collector holds this spool (process {who}); stop it or pass another --spool"
        ) from None
    file.truncate(0)
    file.seek(0)
    file.write(b"%d\n" % os.getpid())
    return file


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(LOCK_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
