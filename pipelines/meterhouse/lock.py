"""The run lock: one writer a data directory. The kernel lets go of it when the process dies, so it never goes stale.

Whoever gets it first finishes the swap of a rebuilt directory that a killed process had decided.
"""

import contextlib
import os
import time
from collections.abc import Iterator

from meterhouse import swap
from meterhouse.errors import LockedError
from meterhouse.paths import DataDir


@contextlib.contextmanager
def run_lock(data: DataDir, patience: float = 0) -> Iterator[None]:
    """Hold the data directory; after `patience` seconds raise LockedError naming the process that does."""
    import fcntl

    data.root.mkdir(parents=True, exist_ok=True)
    with data.lock.open("a+") as file:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() < end:
                    time.sleep(0.5)
                    continue
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise LockedError(f"{data.root}: process {holder} is running on it; wait for it or stop it") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        swap.finish(data)
        yield
