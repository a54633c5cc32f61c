"""Measures the OTLP receiver of `run`: how long an agent waits for an answer, bodies a second, and what idling costs.

    python tests/bench/receiver_bench.py

The floor, measured in the same run, is Python's own HTTP server that answers without doing anything. It judges nothing.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COLLECTORS = Path(__file__).resolve().parents[2] / "collectors"
ALONE, TOGETHER, SENDERS, ENDS = 200, 1000, 20, 25
LAST_WORDS = """
import http.client, sys
body, port = sys.stdin.buffer.read(), int(sys.argv[1])
if port:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/logs", body, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
"""


def body(number):
    """What Claude Code exports after one request."""
    given = {
        "event.name": "api_request",
        "session.id": "s-1",
        "model": "claude-opus-4-8",
        "request_id": f"req_{number}",
    }
    counts = {"input_tokens": 3, "output_tokens": 77, "cache_read_tokens": 12000, "cache_creation_tokens": 500}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in given.items()]
    attributes += [{"key": key, "value": {"intValue": value}} for key, value in counts.items()]
    record = {
        "timeUnixNano": str(1795168941106000000 + number),
        "body": {"stringValue": "claude_code.api_request"},
        "attributes": attributes,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}).encode()


def post(port, number):
    """Send one body as an agent does; the time until the answer in ms."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/logs", body(number), {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    assert status == 200, status
    return (time.perf_counter() - begin) * 1000


class Bare(ThreadingHTTPServer):
    """Python's own server, with a queue for all senders: the default of 5 drops connections where ours does not."""

    request_queue_size = 128


class Floor(BaseHTTPRequestHandler):
    """Reads the body and answers."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        """Say nothing."""


def measure(name, port):
    """One line of figures."""
    alone = sorted(post(port, number) for number in range(ALONE))
    begin = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(lambda number: post(port, number), range(ALONE, ALONE + TOGETHER)))
    rate = TOGETHER / (time.perf_counter() - begin)
    print(
        f"{name:<22} answer p50 {statistics.median(alone):6.1f} ms   p99 {alone[-3]:6.1f} ms   {rate:6.0f} bodies/s from {SENDERS} senders"
    )
    return rate


def exits(ports):
    """Median ms from start to end of a process that exports as it ends, for each port in turn; 0 is one that exports to nobody."""
    took = {port: [] for port in ports}
    for number in range(ENDS):
        for port, times in took.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", LAST_WORDS, str(port)], input=body(10**6 + number), check=True)
            times.append((time.perf_counter() - begin) * 1000)
    return [statistics.median(times) for times in took.values()]


def processor_seconds(process):
    """Seconds of one core that a process has used; Linux only."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def figures(process, port, floor):
    """Print what is measured of a running receiver."""
    ours, bare = measure("receiver", port), measure("floor: bare server", floor.server_port)
    print(f"receiver / floor       {ours / bare:6.2f}")
    none, bare_end, our_end = exits((0, floor.server_port, port))
    ends = f"{bare_end - none:+.1f} ms to the bare server, {our_end - none:+.1f} ms to ours"
    print(f"an agent's exit        {none:6.1f} ms without export, {ends}")
    time.sleep(5)
    before = processor_seconds(process)
    time.sleep(20)
    print(f"idle                   {(processor_seconds(process) - before) / 20:6.2%} of one core")
    begin = time.perf_counter()
    process.terminate()
    process.wait(30)
    print(f"end at SIGTERM         {time.perf_counter() - begin:6.1f} s")


def main():
    """Print one figure a line."""
    floor = Bare(("127.0.0.1", 0), Floor)
    threading.Thread(target=floor.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        root, port = Path(folder), free.getsockname()[1]
        free.close()
        (root / "home").mkdir()
        (root / "collector.json").write_text(json.dumps({"otlp_port": port, "person": "p-1", "inventory": False}))
        places = ["--home", str(root / "home"), "--spool", str(root / "spool"), "--to", str(root / "lake")]
        command = [sys.executable, "-m", "meterhouse_collector", "run", *places]
        environment = {**os.environ, "PYTHONPATH": str(COLLECTORS)}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                while "listening" not in (process.stderr.readline() or "listening"):
                    pass
                figures(process, port, floor)
            finally:
                process.kill()  # whatever went wrong, it is not waited for
    floor.shutdown()


if __name__ == "__main__":
    main()
