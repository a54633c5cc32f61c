"""Session files as lines: streamed with bounded memory, plain or zstd, with the byte offset of each.

A last line without LF is taken when it is a whole JSON object, which no beginning of one is; else its writer is not done.
Offsets are those of the uncompressed text.
"""

import json
import sys
from typing import BinaryIO, Iterator, List, Optional, Tuple

from .errors import DamagedError, UnreadableError

LINE_MAX = 64 << 20
BLOCK = 1 << 20
PACKED = 1 << 12  # bytes of an archive decoded at once; their text may be many times as long
ZSTD_SUFFIX = ".zst"


class Lines:
    """Iterates over (offset, line) from `offset` on; `end` is where the next line starts, `too_long` counts skipped ones."""

    def __init__(self, file: BinaryIO, offset: int, markers: Tuple[bytes, ...] = (), limit: int = LINE_MAX) -> None:
        self.end = offset
        self.too_long = 0
        self._file = file
        self._markers = markers
        self._limit = limit

    def __iter__(self) -> Iterator[Tuple[int, bytes]]:
        pieces: List[bytes] = []  # the beginning of a line whose LF has not come yet
        length = 0
        while True:
            block = self._file.read(BLOCK)
            if not block:
                yield from self._last(b"".join(pieces))
                return
            cut = block.rfind(b"\n") + 1
            if not cut:
                length += len(block)
                pieces = [] if length > self._limit else [*pieces, block]
                continue
            first = block.find(b"\n") + 1
            if length + first > self._limit:
                self.too_long += 1
                self.end += length + first
                yield from self._whole(block[first:cut])
            else:
                yield from self._whole(b"".join([*pieces, block[:cut]]))
            pieces, length = [block[cut:]], len(block) - cut

    def _last(self, line: bytes) -> Iterator[Tuple[int, bytes]]:
        """What stands after the last LF; some writers put the LF before the next line, and an archive has no next."""
        if not line.rstrip().endswith(b"}") or (self._markers and not any(marker in line for marker in self._markers)):
            return
        try:
            json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return
        start, self.end = self.end, self.end + len(line)
        yield start, line

    def _whole(self, text: bytes) -> Iterator[Tuple[int, bytes]]:
        """The lines of a text that ends with LF; those without any marker are passed over."""
        markers = self._markers
        if markers and not any(marker in text for marker in markers):
            self.end += len(text)
            return
        for line in text.split(b"\n")[:-1]:
            start = self.end
            self.end += len(line) + 1
            if line and (not markers or any(marker in line for marker in markers)):
                yield start, line


def decoder() -> Optional[str]:
    """Which zstd decoder there is: Python's own from 3.14 on, the zstandard package or the zstd program."""
    import importlib.util
    import shutil

    if sys.version_info >= (3, 14) and importlib.util.find_spec("compression.zstd"):
        return "compression.zstd"
    if importlib.util.find_spec("zstandard"):
        return "zstandard"
    return "zstd" if shutil.which("zstd") else None


def open_zstd(path: str) -> BinaryIO:
    """The uncompressed text of an archive as a stream."""
    return _decoded(open(path, "rb"))


def unpack_zstd(data: bytes, limit: int) -> bytes:
    """The text of a frame that lies in memory, such as a column of a store; DamagedError when it is longer than `limit`."""
    import tempfile

    with tempfile.TemporaryFile() as file:  # the program reads files
        file.write(data)
        file.seek(0)
        with _decoded(file) as stream:
            pieces, length = [], 0
            while length <= limit:
                piece = stream.read(PACKED)
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
                length += len(piece)
    raise DamagedError("zstd frame is larger than anything it may hold")


def _decoded(file: BinaryIO) -> BinaryIO:
    name = decoder()
    if name is None:
        file.close()
        raise UnreadableError("zstd without a decoder; install the zstd program or Python's zstandard package")
    if name == "compression.zstd":
        from compression import zstd  # type: ignore[import-not-found]

        return zstd.open(file, "rb")
    if name == "zstandard":
        return _ZstdPackage(file)  # type: ignore[return-value]
    return _ZstdProgram(file)  # type: ignore[return-value]


class _ZstdPackage:
    """The `zstandard` package's output, frame by frame: its own file object takes a cut archive for a whole one."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard  # type: ignore[import-not-found]

        self._zstandard = zstandard
        self._decoder = zstandard.ZstdDecompressor(max_window_size=256 << 20)
        self._file = file
        self._frame = None
        self._rest = b""

    def read(self, _: int) -> bytes:
        """The next piece of text, whatever its size; empty at the end of the last frame."""
        while True:
            data = self._rest or self._file.read(PACKED)
            if not data:
                if self._frame is not None:
                    raise DamagedError("zstd archive is damaged; it ends in the middle")
                return b""
            self._frame = self._frame or self._decoder.decompressobj()
            try:
                text = self._frame.decompress(data)
            except self._zstandard.ZstdError as error:
                raise DamagedError("zstd archive is damaged; the zstandard package refuses it") from error
            self._rest = b""
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
            if text:
                return text

    def __enter__(self) -> "_ZstdPackage":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _ZstdProgram:
    """The `zstd` program's output; a failure of it is an error at the end of the stream, not an early end."""

    def __init__(self, file: BinaryIO) -> None:
        import subprocess  # here, because it costs every start 5 ms

        command = ["zstd", "-dcq", "--memory=256MB"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=file)
        self._file = file

    def read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if not data and self._process.wait() != 0:
            raise DamagedError("zstd archive is damaged; the zstd program refuses it")
        return data

    def __enter__(self) -> "_ZstdProgram":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._file.close()
        self._process.kill()
        self._process.wait()
