"""Objects of a folder or bucket that others write, and the JSON or CSV records in each; plain or gzip, streamed.

Numbers with a fraction stay text, so that no cent is rounded on the way in.
"""

import csv
import gzip
import io
import json
import os
import stat
import zlib
from typing import Any, BinaryIO, Callable, Iterator, List, NamedTuple
from urllib.parse import urlsplit

from meterhouse_collector.destination import BUCKETS, Bucket
from meterhouse_collector.errors import CollectorError, DamagedError

SUFFIXES = ("", ".json", ".jsonl", ".ndjson", ".csv")  # GCS names have none
WHOLE_MAX = 256 << 20  # bytes of a document that is not one a line, and of an object of a bucket
LINE_MAX = 64 << 20
_GZIP = b"\x1f\x8b"
_OWN_NAMES = frozenset(("id", "request_id"))  # what has one is a record, whatever else it holds


class Found(NamedTuple):
    """One object: its full name, what tells that it changed, and how to open it."""

    name: str
    mark: str
    open: Callable[[], BinaryIO]

    @property
    def suffix(self) -> str:
        """What kind of file its name says it is, gzip aside."""
        return os.path.splitext(self.name[:-3] if self.name.endswith(".gz") else self.name)[1].lower()


def objects(place: str) -> Iterator[Found]:
    """Every object of a file, a folder or a bucket's prefix; raises CollectorError when there is no such place."""
    if "://" in place:
        yield from _in_bucket(place)
        return
    path = os.path.abspath(os.path.expanduser(place))
    if os.path.isdir(path):
        yield from _in_folder(path)
    elif os.path.exists(path):
        yield _file(path)
    else:
        raise CollectorError(f"{place}: does not exist; pass a file, a folder or s3://…")


def records(found: Found) -> Iterator[Any]:
    """The records of one object; None stands for a line that is no JSON. Raises DamagedError when nothing can be read."""
    try:
        with found.open() as raw:
            is_packed = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if is_packed else raw as file:
                yield from _rows(file) if found.suffix == ".csv" else _documents(file)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DamagedError("is no whole gzip file") from None
    except OSError as error:
        raise DamagedError(f"cannot be read ({error.strerror})") from None


def _in_folder(root: str) -> Iterator[Found]:
    def refused(error: OSError) -> None:
        raise CollectorError(f"{error.filename}: cannot be listed ({error.strerror}); check its rights")

    for folder, names, files in os.walk(root, onerror=refused):
        names.sort()
        yield from (_file(os.path.join(folder, name)) for name in sorted(files) if not name.startswith("."))


def _file(path: str) -> Found:
    status = os.stat(path, follow_symlinks=True) if os.path.exists(path) else os.lstat(path)

    def opened() -> BinaryIO:
        if not stat.S_ISREG(status.st_mode) and os.path.exists(path):  # a pipe would keep us waiting for its writer
            raise DamagedError("is no regular file")
        return open(path, "rb")

    return Found(path, f"{status.st_size}-{status.st_mtime_ns}", opened)


def _in_bucket(url: str) -> Iterator[Found]:
    if urlsplit(url).scheme.lower() not in BUCKETS:
        raise CollectorError(f"{url}: unknown kind of place; use a folder or {', '.join(f'{s}://' for s in BUCKETS)}")
    yield from _Objects(url).found()


class _Objects(Bucket):
    """A bucket that is read: listed whole each time, because objects arrive late."""

    def found(self) -> Iterator[Found]:
        """Every object below the prefix; raises ShipError, which says what is wrong with the place."""
        try:
            for batch in self._obstore.list(self._store):
                for item in batch:
                    mark = str(item.get("e_tag") or item["last_modified"])
                    path = item["path"]
                    yield Found(
                        f"{self.url.rstrip('/')}/{path}", f"{item['size']}-{mark}", self._opener(path, item["size"])
                    )
        except Exception as error:
            if isinstance(error, CollectorError):
                raise
            raise self._failed(error) from error

    def _opener(self, path: str, size: int) -> Callable[[], BinaryIO]:
        def opened() -> BinaryIO:
            if size > WHOLE_MAX:
                raise DamagedError(f"is larger than {WHOLE_MAX >> 20} MB")
            try:
                return io.BytesIO(bytes(self._obstore.get(self._store, path).bytes()))
            except Exception as error:
                raise DamagedError(str(self._failed(error))) from None

        return opened


def _documents(file: Any) -> Iterator[Any]:
    """One document a line, or one in all; a list is its items. An object is complete, so its last line needs no LF."""
    line = file.readline(LINE_MAX)
    try:
        first = _loads(line)
    except ValueError:
        rest = file.read(WHOLE_MAX)
        if len(rest) == WHOLE_MAX:
            raise DamagedError(f"is one document of more than {WHOLE_MAX >> 20} MB") from None
        yield from _documents_of_text(line, rest)
        return
    yield from _items(first)
    while line := file.readline(LINE_MAX):
        try:
            yield from _items(_loads(line)) if line.strip() else ()
        except ValueError:
            yield None


def _documents_of_text(line: bytes, rest: bytes) -> Iterator[Any]:
    """A document over several lines, or lines of which the first is broken."""
    try:
        yield from _items(_loads(line + rest))
        return
    except ValueError:
        pass
    if not line:
        return
    good: List[Any] = []
    for text in filter(bytes.strip, [line, *rest.split(b"\n")]):
        try:
            good += _items(_loads(text))
        except ValueError:
            good.append(None)
    if not any(item is not None for item in good):
        raise DamagedError("is no JSON")
    yield from good


def _items(value: Any) -> List[Any]:
    """The records of a list, of an answer of an API that wraps its list in `data`, or the one that it is."""
    if isinstance(value, dict) and isinstance(value.get("data"), list) and not _OWN_NAMES & value.keys():
        value = value["data"]
    return value if isinstance(value, list) else [value]


def _loads(text: bytes) -> Any:
    try:
        return json.loads(text, parse_float=str)
    except RecursionError:
        raise ValueError from None


def _rows(file: Any) -> Iterator[Any]:
    """Rows by the names of the first line; an empty cell is unknown."""
    csv.field_size_limit(LINE_MAX)
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.DictReader(text)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield None
                continue
            yield {name: value for name, value in row.items() if isinstance(name, str) and value not in ("", None)}
