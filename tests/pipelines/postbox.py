"""A real mail server on this host whose answers a test can script, and certificates made at test time."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOGIN = (b"meterhouse", b"correct horse")


@dataclass
class Postbox:
    """What arrived, and what is answered: `refused` recipients, then one entry of `script` a message."""

    port: int = 0
    refused: set[str] = field(default_factory=set)
    script: list[str] = field(default_factory=list)  # an SMTP answer, or `close` or `hang` once the message is there
    received: list[tuple[str, EmailMessage]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    hung: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return f"550 5.1.1 <{address}> is unknown here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = self.script.pop(0) if self.script else "250 OK"
        if answer.startswith(("4", "5")):
            return answer
        for recipient in envelope.rcpt_tos:
            self.received.append((recipient, message_from_bytes(envelope.content, policy=policy.default)))
            self.raw.append(envelope.content)
        if answer == "hang":
            self.hung.set()
            while not self.released.is_set():
                await asyncio.sleep(0.01)
        if answer == "close":
            server.transport.abort()
        return "250 OK"

    @property
    def recipients(self) -> list[str]:
        return [recipient for recipient, _ in self.received]

    @property
    def message_ids(self) -> list[str]:
        return [message["Message-ID"] for _, message in self.received]


@contextlib.contextmanager
def running(box: Postbox, **options) -> Iterator[Postbox]:
    """The server, listening on `box.port`; options are aiosmtpd's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        box.port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    server.start()
    try:
        yield box
    finally:
        box.released.set()
        server.stop()


def authenticator(server, session, envelope, mechanism, login):
    """Accepts LOGIN alone."""
    return AuthResult(success=(login.login, login.password) == LOGIN, handled=False)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for this host, and the certificate that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Meterhouse test")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "server.pem", folder / "server.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return context, pem
