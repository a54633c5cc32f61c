"""Object storage: a folder, S3, GCS or Azure behind one interface. What collectors ship is only ever read, never written."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from meterhouse.errors import StorageError

SEGMENT_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
RAW = "raw"  # the room of segments in a destination; beside it lie roster and governance
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")  # of an S3 server that is not Amazon's
PAGE = 10_000  # objects of a listing taken at once
AHEAD = 16  # objects asked for at once: over a network each costs a round trip, however small it is
AHEAD_BYTES = 32 * 2**20  # and no more than these, or one
RETRIES: Any = {  # over in seconds: a run is repeated anyway, and a user with a wrong address is waiting
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}


@dataclass(frozen=True)
class RawObject:
    """One object as the listing shows it; `modified_at` is the storage's clock, the only one we trust for lateness."""

    key: str
    etag: str
    size: int
    modified_at: datetime


LISTING = pl.Schema({"key": pl.String, "etag": pl.String, "size": pl.Int64, "modified_at": pl.Datetime("us", "UTC")})
# order of receipt: of two copies the first one counts, and a batch touches few event days
RECEIPT = ("modified_at", "key")


class Storage:
    """One destination that collectors ship to. Raises StorageError with one line that names it."""

    def __init__(self, destination: str) -> None:
        self.destination = destination
        self._store = open_store(destination)
        self._folder = None if "://" in destination else Path(destination).resolve()

    def listing(self) -> pl.DataFrame:
        """Every segment, a row each with the fields of a `RawObject`, in order: those in `raw/`, or anywhere when the destination is
        itself that room. A frame, for a million objects of Python take half a gigabyte.
        """
        rows = self._list(RAW)
        rows = rows if len(rows) else self._list(None)
        return rows.filter(pl.any_horizontal(pl.col("key").str.ends_with(end) for end in SEGMENT_SUFFIXES)).sort(
            RECEIPT
        )

    def segments(self) -> Iterator[RawObject]:
        """The same, one object after another."""
        return objects(self.listing())

    def read(self, key: str) -> bytes:
        """The whole object, compressed as it lies."""
        try:
            if self._folder and "%" not in key:  # which stands for what no key may have
                return (self._folder / key).read_bytes()
            return bytes(self._store.get(key).bytes())
        except Exception as error:
            raise StorageError(
                f"{self.destination}: object {key} cannot be read ({reason(error)}); run again"
            ) from error

    def read_each(self, rows: Iterable[RawObject]) -> Iterator[tuple[RawObject, bytes]]:
        """Objects in order, the next of them on their way."""
        if self._folder:
            yield from ((row, self.read(row.key)) for row in rows)
            return
        pool = ThreadPoolExecutor(AHEAD)
        coming: deque[tuple[RawObject, Future[bytes]]] = deque()
        try:
            for row in rows:
                while coming and (len(coming) == AHEAD or sum(one.size for one, _ in coming) + row.size > AHEAD_BYTES):
                    first, raw = coming.popleft()
                    yield first, raw.result()
                coming.append((row, pool.submit(self.read, row.key)))
            while coming:
                first, raw = coming.popleft()
                yield first, raw.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def read_optional(self, key: str) -> bytes | None:
        """An object that need not exist, such as the roster."""
        from obstore.exceptions import NotFoundError

        try:
            return bytes(self._store.get(key).bytes())
        except (NotFoundError, FileNotFoundError):
            return None
        except Exception as error:
            raise StorageError(f"{self.destination}: {key} cannot be read ({reason(error)}); run again") from error

    def _list(self, prefix: str | None) -> pl.DataFrame:
        try:
            pages = [pl.DataFrame(page) for page in self._store.list(prefix, return_arrow=True, chunk_size=PAGE)]
        except Exception as error:
            hint = "check its name, your credentials and that it exists"
            raise StorageError(f"{self.destination}: cannot be listed ({reason(error)}); {hint}") from error
        if not pages:
            return pl.DataFrame(schema=LISTING)
        rows = pl.concat(pages).select(
            key="path", etag=pl.col("e_tag").fill_null(""), size="size", modified_at="last_modified"
        )
        return rows.cast(LISTING)


def objects(listing: pl.DataFrame) -> Iterator[RawObject]:
    """The rows of a listing."""
    return (RawObject(*row) for row in listing.select(LISTING.names()).iter_rows())


def open_store(destination: str, is_new: bool = False) -> Any:
    """The store of a folder or bucket; a folder that is not there is made when it may be new. Raises StorageError."""
    from obstore import store

    try:
        if "://" in destination:
            options: Any = {"allow_http": is_plain_http(), "connect_timeout": timedelta(seconds=5)}
            return store.from_url(destination, client_options=options, retry_config=RETRIES)
        folder = Path(destination)
        if is_new:
            folder.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            raise StorageError(f"{destination}: no such folder; give the folder or bucket that collectors ship to")
        return store.LocalStore(folder.resolve())
    except StorageError:
        raise
    except Exception as error:
        raise StorageError(
            f"{destination}: cannot be opened ({reason(error)}); use a folder, s3://, gs:// or az://"
        ) from error


def is_plain_http() -> bool:
    """Whether the S3 server is one in our own network that speaks no TLS."""
    return any(os.environ.get(name, "").startswith("http://") for name in ENDPOINTS)


def reason(error: Exception) -> str:
    """First line of a library's message: the rest repeats requests, which may name keys."""
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
