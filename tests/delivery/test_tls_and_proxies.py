"""TLS and proxies on the way to the intake: works with the organisation's own certificate, fails closed without it."""

import base64
import datetime
import ipaddress
import select
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from delivery import house
from meterhouse_collector import spool

NAME = "intake.example"


def certificate(folder, name, issuer=None):
    """PEM files of a certificate and its key; without an issuer, of an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, signer_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(signer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer_key, hashes.SHA256())
    )  # fmt: skip
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return subject, key


class Proxy:
    """A forward proxy that asks for a login, and finds our made-up host on this machine."""

    def __init__(self, upstream_port, login):
        wanted = "Basic " + base64.b64encode(login.encode()).decode()
        self.tunnels = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self):
                if self.headers.get("Proxy-Authorization") != wanted:
                    self.send_error(407)
                    return
                proxy.tunnels.append(self.path)
                self.send_response(200)
                self.end_headers()
                _pump(self.connection, socket.create_connection(("127.0.0.1", upstream_port)))
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


def _pump(one, other):
    both = {one: other, other: one}
    while True:
        for ready in select.select(list(both), [], [], 20)[0]:
            data = ready.recv(65536)
            if not data:
                other.close()
                return
            both[ready].sendall(data)


@pytest.fixture
def secure(laptop, intake, tmp_path, monkeypatch):
    """The intake behind TLS with a certificate of the organisation's own authority."""
    issuer = certificate(tmp_path, "authority")
    certificate(tmp_path, "server", issuer)
    certificate(tmp_path, "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    intake.server.socket = context.wrap_socket(intake.server.socket, server_side=True, do_handshake_on_connect=False)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    intake.port = intake.server.server_port
    return intake


def use(laptop, **settings):
    import json

    laptop.spool.parent.mkdir(exist_ok=True)
    (laptop.spool.parent / "collector.json").write_text(json.dumps(settings))


def test_the_organisations_own_certificate_is_trusted_when_its_file_is_set_and_never_without(
    laptop, secure, tmp_path, capsys
):
    url = f"https://127.0.0.1:{secure.port}"
    assert laptop.once(url) == 1
    assert "certificate is not trusted" in capsys.readouterr().err
    use(laptop, ca_file=str(tmp_path / "stranger.pem"))
    assert laptop.once(url) == 1
    assert not laptop.to.exists()
    use(laptop, ca_file=str(tmp_path / "authority.pem"))
    assert laptop.once(url) == 0
    assert house.settled(laptop).objects == 6


def test_a_proxy_with_a_login_is_used_for_others_and_not_for_hosts_it_is_not_for(
    laptop, secure, tmp_path, monkeypatch, capsys
):
    proxy = Proxy(secure.port, "me:p@ss")
    place, url = f"127.0.0.1:{proxy.server.server_port}", f"https://{NAME}:4320"
    use(laptop, ca_file=str(tmp_path / "authority.pem"))
    monkeypatch.setenv("https_proxy", f"http://me:wrong@{place}")
    assert laptop.once(url) == 1
    error = capsys.readouterr().err
    assert "proxy asks for a login" in error
    assert "wrong" not in error
    monkeypatch.setenv("https_proxy", f"http://me:p%40ss@{place}")
    monkeypatch.setenv("no_proxy", ".example")
    assert laptop.once(url) == 1, "no_proxy: the made-up host does not exist without the proxy"
    assert proxy.tunnels == []
    monkeypatch.setenv("no_proxy", "other.example")
    assert laptop.once(url) == 0
    assert proxy.tunnels == [f"{NAME}:4320"] * 6
    assert house.settled(laptop).objects == 6
    proxy.server.shutdown()
    proxy.server.server_close()


def test_nothing_is_sent_in_the_clear_to_another_machine_unless_that_is_set(laptop, intake, capsys):
    assert laptop.once("http://intake.example") == 1
    assert "allow_http" in capsys.readouterr().err
    assert laptop.once("https://me:secret@intake.example") == 1
    assert "secret" not in capsys.readouterr().err
    use(laptop, allow_http=True)
    assert laptop.once("http://127.0.0.1:1") == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_a_token_that_others_may_read_is_refused_before_anything_is_read(laptop, intake, monkeypatch, capsys):
    monkeypatch.delenv("METERHOUSE_TOKEN")
    assert laptop.once(intake.url) == 1
    assert "no token" in capsys.readouterr().err
    laptop.spool.parent.mkdir(exist_ok=True)
    (laptop.spool.parent / "token").write_text(intake.token)
    (laptop.spool.parent / "token").chmod(0o644)
    assert laptop.once(intake.url) == 1
    assert "chmod 600" in capsys.readouterr().err
    (laptop.spool.parent / "token").chmod(0o600)
    assert laptop.once(intake.url) == 0
    assert intake.token.encode() not in b"".join(
        path.read_bytes() for path in laptop.spool.rglob("*") if path.is_file()
    )
    assert spool.list_waiting(str(laptop.spool)) == []
