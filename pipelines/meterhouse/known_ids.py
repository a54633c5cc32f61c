"""Which event ids the lake's files hold. An id is found by its digest and then by itself: equal digests prove nothing.

A lake file never changes, so what is remembered of it stays true; its digests take a quarter of the room of its ids.
"""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import polars as pl

from meterhouse.errors import LakeError

MOST_DIGESTS = 12 * 2**20  # 96 MiB; the files least recently asked for are read again
Digests = np.ndarray[tuple[int], np.dtype[np.uint64]]


class KnownIds:
    """The ids of lake files, which are given as absolute paths."""

    def __init__(self, most: int = MOST_DIGESTS) -> None:
        self._most = most
        self.forget()

    def forget(self) -> None:
        """Give back what it takes; the files will be read again."""
        self._digests: OrderedDict[str, Digests] = OrderedDict()
        self._room = self._most

    def remember(self, file: str, ids: pl.Series) -> None:
        """Note the ids of a file that was just written, so that it need not be read."""
        self._room += len(self._digests.pop(file, ()))
        self._digests[file] = np.sort(_digests(ids))
        self._room -= len(ids)
        while self._room < 0 and len(self._digests) > 1:
            self._room += len(self._digests.popitem(last=False)[1])

    def among(self, ids: pl.Series, files: Sequence[str]) -> pl.Series:
        """Which of the ids lie in one of the files.

        Raises LakeError for a file that cannot be read.
        """
        digests = _digests(ids)
        asked = np.sort(digests)
        found = [ids.clear()]
        for file in files:
            alike = _common(asked, self._of(file))
            if len(alike):
                few = ids.filter(np.isin(digests, alike))
                found.append(few.filter(few.is_in(_read(file).implode())))
        return pl.concat(found)

    def _of(self, file: str) -> Digests:
        if file not in self._digests:
            self.remember(file, _read(file))
        self._digests.move_to_end(file)
        return self._digests[file]


def _digests(ids: pl.Series) -> Digests:
    return ids.hash().to_numpy()


def _common(left: Digests, right: Digests) -> Digests:
    """What two sorted arrays share."""
    few, many = sorted((left, right), key=len)
    if not len(many):
        return few
    at = np.searchsorted(many, few)
    return few[many[np.minimum(at, len(many) - 1)] == few]


def _read(file: str) -> pl.Series:
    try:
        return pl.read_parquet(file, columns=["event_id"])["event_id"]
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # of some damage Polars panics, which is no Exception
        raise LakeError(file, (str(error).splitlines() or [type(error).__name__])[0][:160]) from error
