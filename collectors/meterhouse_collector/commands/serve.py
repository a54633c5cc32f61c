"""`serve`: the organisation's intake, and the receiver at a gateway. It answers only after the destination holds the bytes.

Speaks plain HTTP and binds to this machine alone unless told otherwise: TLS belongs to a proxy in front of it.
"""

import os
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from typing import Tuple

from meterhouse_collector.destination import open_destination
from meterhouse_collector.errors import CollectorError
from meterhouse_collector.intake.http import BoundedServer
from meterhouse_collector.intake.otlp_desk import OtlpDesk
from meterhouse_collector.intake.service import Service
from meterhouse_collector.intake.tokens import Tokens
from meterhouse_collector.place import Place, resolve

LISTEN = "127.0.0.1:4320"
TOKENS = "tokens.json"


def arguments(parser: ArgumentParser) -> None:
    """What this command takes besides what all do."""
    parser.add_argument("--listen", metavar="HOST:PORT", default=LISTEN, help=f"where to listen (default: {LISTEN})")
    add_tokens(parser)


def add_tokens(parser: ArgumentParser) -> None:
    """The argument that names the file of tokens."""
    parser.add_argument("--tokens", metavar="FILE", help=f"who may send (default: {TOKENS} beside the settings)")


def main(arguments: Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; both end it cleanly, with exit code 0."""
    place = resolve(arguments)
    destination = open_destination(place.to)  # without settings: an intake does not ship to an intake
    tokens = Tokens(tokens_file(arguments, place))
    spool = place.open_spool()
    try:
        desk = OtlpDesk(place.open_spool, place.settings, destination)
        server = listen(arguments.listen, Service(destination, tokens, desk))
    except BaseException:
        spool.close()
        raise
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: desk.stop())
    print(f"listening on {address_of(server)}, storing in {destination.url}", file=sys.stderr)
    threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
    try:
        desk.run(spool)
    finally:
        server.shutdown()
        server.server_close()
    return 0


def tokens_file(arguments: Namespace, place: Place) -> str:
    """The file of tokens that the arguments mean."""
    return os.path.abspath(arguments.tokens or os.path.join(os.path.dirname(place.settings.path), TOKENS))


def listen(address: str, service: Service) -> BoundedServer:
    """A server that is bound; port 0 takes a free one."""
    try:
        return BoundedServer(_address(address), service)
    except OSError as error:
        raise CollectorError(f"--listen {address}: cannot listen there ({error.strerror}); choose another") from error


def address_of(server: BoundedServer) -> str:
    """Where a bound server listens."""
    host, port = server.server_address[:2]
    return f"http://[{host}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"


def _address(text: str) -> Tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise CollectorError(f"--listen {text}: is no address; write HOST:PORT, such as {LISTEN}")
    return host.strip("[]") or "127.0.0.1", int(port)
