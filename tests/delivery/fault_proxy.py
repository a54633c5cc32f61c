"""A seeded proxy that fails as networks do, also after the other side has done its work. Its seed makes a run repeatable.

A fault is chosen for each request by its verb: from a script, then by weights, else none. `hits` counts what was done.
"""

import contextlib
import http.client
import random
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PORTAL = b"<html><title>Welcome</title>Please accept our terms</html>"
BEFORE = ("503", "500", "403", "429", "portal", "drop_before")  # the other side never hears of the request
AFTER = ("drop_after", "hang_after", "cut_answer", "trickle", "wrong_digest")
ALL = (*BEFORE, *AFTER)
TRICKLE = 0.02  # seconds between two bytes


class FaultProxy:
    """Stands in front of `upstream`; `url` is where to send requests instead."""

    def __init__(self, upstream, seed=0, weights=None, script=(), verbs=("POST", "PUT"), hide=()):
        self.upstream = urlsplit(upstream).netloc
        self.weights, self.script, self.verbs = dict(weights or {}), list(script), verbs
        self.hide = {name.lower() for name in hide}  # headers that the other side must not see
        self.asked = []  # method and path of every request
        self.hits, self.closed = Counter(), threading.Event()
        self._dice, self._lock = random.Random(seed), threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                self.close_connection = True
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.handle(self, body)

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self._serve
                raise AttributeError(name)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def choose(self, verb, path):
        """The next request's fault."""
        with self._lock:
            if verb not in self.verbs:
                fault = None
            elif self.script:
                fault = self.script.pop(0)
            else:
                names = [*self.weights, None]
                chances = [*self.weights.values(), max(0.0, 1 - sum(self.weights.values()))]
                (fault,) = self._dice.choices(names, chances)
            self.hits[fault or "passed"] += 1
            self.asked.append((verb, path))
        return fault

    def handle(self, request, body):
        fault = self.choose(request.command, request.path)
        if fault == "drop_before":
            return _hang_up(request)
        if fault in BEFORE:
            status = 200 if fault == "portal" else int(fault)
            kind = "text/html" if fault in ("portal", "403") else "application/json"
            return _answer(
                request, status, PORTAL if kind == "text/html" else b"{}", {"Content-Type": kind, "Retry-After": "7"}
            )
        status, headers, answer = self._forward(request, body)
        if fault == "drop_after":
            return _hang_up(request)
        if fault == "hang_after":
            self.closed.wait(30)
            return _hang_up(request)
        if fault == "wrong_digest":
            answer = answer.replace(b'"digest":"', b'"digest":"0')
        return _answer(request, status, answer, headers, fault, self.closed)

    def _forward(self, request, body):
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            headers = {
                k: v for k, v in request.headers.items() if k.lower() not in self.hide | {"connection", "expect"}
            }
            connection.request(request.command, request.path, body or None, headers)
            response = connection.getresponse()
            keep = {k: v for k, v in response.headers.items() if k.lower() not in ("connection", "transfer-encoding")}
            return response.status, keep, response.read()
        except OSError:
            return 502, {}, b""
        finally:
            connection.close()


def _answer(request, status, body, headers, fault=None, closed=None):
    length = headers.get("Content-Length", str(len(body))) if request.command == "HEAD" else str(len(body))
    headers = {**{k: v for k, v in headers.items() if k.lower() != "content-length"}, "Content-Length": length}
    head = (
        f"HTTP/1.1 {status} x\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "Connection: close\r\n\r\n"
    )
    data = head.encode("latin-1") + body
    with contextlib.suppress(OSError):  # the other side has had enough
        if fault == "cut_answer":
            request.wfile.write(data[: -max(1, len(body) // 2)])
        elif fault == "trickle":
            for place in range(len(data)):
                request.wfile.write(data[place : place + 1])
                if closed.wait(TRICKLE):
                    return
        else:
            request.wfile.write(data)


def _hang_up(request):
    """End the connection without a word."""
    with contextlib.suppress(OSError):
        request.connection.shutdown(socket.SHUT_RDWR)
