"""Pictures of all pages, to be looked at: `python tests/dashboards/screenshot.py --data DIR --out DIR`; needs Chromium.

Speaks Chromium's DevTools protocol over its pipe (NUL-ended JSON on descriptors 3 and 4), so nothing has to be installed
besides the browser. No test: what is beautiful is judged by eyes.
"""

import argparse
import base64
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meterhouse_dashboards import navigation

WIDTH, HEIGHT = 1400, 900
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
READY = """(() => {
  const app = document.querySelector('[data-testid="stApp"]');
  return !!app && app.dataset.testScriptState === 'notRunning' && !!document.querySelector('[data-testid="stHeading"]')
    && !document.querySelector('[data-testid="stSkeleton"]');
})()"""
TALL = "Math.ceil(document.querySelector('[data-testid=\"stMainBlockContainer\"]').getBoundingClientRect().height)"

LOADED = "document.readyState === 'complete'"
DOCUMENT_TALL = "document.documentElement.scrollHeight"


class Browser:
    """One tab of a headless browser."""

    def __init__(self, process: subprocess.Popen, out: int, back: int) -> None:
        self._process, self._out, self._back, self._numbers = process, out, back, itertools.count(1)
        self._rest, self._session = b"", None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; events in between are passed over."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def resize(self, height: int) -> None:
        """Make the window as tall as the page: Streamlit scrolls inside, so a full-page capture would cut it."""
        self.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=height, deviceScaleFactor=1, mobile=False)

    def _read(self) -> bytes:
        while b"\0" not in self._rest:
            chunk = os.read(self._back, 1 << 20)
            if not chunk:
                raise RuntimeError("the browser closed its pipe; start it by hand to see why")
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return message


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser with an empty profile."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit(f"screenshot: found none of {', '.join(BROWSERS)}; install Chromium")
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()

    def connect_pipes() -> None:
        os.dup2(their_in, 3)
        os.dup2(their_out, 4)

    flags = ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *flags, f"--user-data-dir={profile}"],
            preexec_fn=connect_pipes, pass_fds=(3, 4, their_in, their_out), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield Browser(process, our_out, our_in)
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def dashboard(data: Path) -> Iterator[str]:
    """The dashboard as a user starts it, on a free port; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "meterhouse_dashboards", "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "the dashboard does not answer")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def shoot(tab: Browser, address: str, file: Path, ready: str = READY, tall: str = TALL) -> None:
    """One page, in its full height, after its last chart is drawn."""
    tab.resize(HEIGHT)
    tab.call("Page.navigate", url=address)
    _wait(lambda: tab.value(ready), f"{address}: does not finish")
    time.sleep(2)  # charts and tables are drawn after the script has ended, and nothing says when
    tab.resize(max(HEIGHT, tab.value(tall)))
    time.sleep(1)
    picture = tab.call("Page.captureScreenshot", format="png")["data"]
    file.write_bytes(base64.b64decode(picture))
    print(file)


def shoot_reports(reports: Path, out: Path) -> None:
    """All weekly reports of a folder, as a mail client and as a printer show them."""
    with browser() as tab:
        for page in sorted(reports.glob("*.html")):
            shoot(tab, page.resolve().as_uri(), out / f"{page.stem}.png", LOADED, DOCUMENT_TALL)
    for document in sorted(reports.glob("*.pdf")):
        subprocess.run(["pdftoppm", "-png", "-r", "110", document, out / f"{document.stem}-page"], check=True)


def _wait(done: Any, problem: str, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise SystemExit(f"screenshot: {problem} within {seconds:.0f} s")
        time.sleep(0.2)


def main() -> None:
    """All pages into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--report", type=Path, help="folder of built reports, whose HTML and PDF are taken too")
    parser.add_argument("--query", default="", help="filters, such as team=search")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.report:
        shoot_reports(given.report, given.out)
    with dashboard(given.data) as address, browser() as tab:
        for number, view in enumerate(navigation.views()):
            path = view.path.stem if number else ""
            file = given.out / f"{view.path.stem}.png"
            shoot(tab, f"{address}/{path}?{given.query}", file)


if __name__ == "__main__":
    main()
