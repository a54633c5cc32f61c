"""Replays recorded OTLP/JSON: one body a line or one a file, plain or gzip; a body that was received live adds nothing."""

import gzip
import sys
import zlib
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Iterator

from meterhouse_collector.errors import CollectorError
from meterhouse_collector.inlet import Inlets
from meterhouse_collector.otlp import receive
from meterhouse_collector.otlp.body import BodyError, loads
from meterhouse_collector.otlp.records import signal_of

ABOUT = "recorded OTLP/JSON bodies, as an OpenTelemetry collector's file or S3 exporter writes them"
_BODY_MAX = 64 << 20
_GZIP = b"\x1f\x8b"


def arguments(parser: ArgumentParser) -> None:
    """What this kind takes."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="files of bodies, one a line or one a file, or .gz of them"
    )


def load(options: Namespace, inlets: Inlets) -> None:
    """Every body of every file; one that is none is counted, told and passed over."""
    for name in options.files:
        broken = 0
        try:
            for body in _bodies(Path(name)):
                broken += _take(body, inlets)
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or "is no whole gzip file"
            raise CollectorError(f"{name}: cannot be read ({reason}); check its name and rights") from None
        inlets.commit()
        if broken:
            print(f"{name}: {broken} bodies are no OTLP/JSON; they are counted as dropped", file=sys.stderr)


def _take(text: bytes, inlets: Inlets) -> int:
    """What one text holds, a body or a list of them; gives how many were none."""
    try:
        found = loads(text)
    except BodyError:
        found = None
    broken = 0
    for body in found if isinstance(found, list) and found else [found]:
        signal = signal_of(body)
        if signal is not None:
            receive(inlets, signal, body)
        else:
            inlets("otlp", "otlp").drop("otlp_broken")
            broken += 1
    return broken


def _bodies(path: Path) -> Iterator[bytes]:
    """A file whose first line is no whole body is one body written over several lines."""
    with _opened(path) as file:
        first = file.readline(_BODY_MAX)
        try:
            loads(first)
        except BodyError:
            yield first + file.read(_BODY_MAX)
            return
        yield first
        while True:
            line = file.readline(_BODY_MAX)
            if not line:
                return
            if line.strip():
                yield line


def _opened(path: Path) -> Any:
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    return gzip.open(path, "rb") if is_packed else path.open("rb")
