"""Claude Code through a real LiteLLM proxy that carries our callback: one session, three witnesses.

LiteLLM is installed from PyPI into a scratch environment of its own, on the first run.
"""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.agents import Knows
from e2e.agents import claude_code as claude
from e2e.agents.claude_code import ACTIONS, BINARY, PACKAGE, VERSION, WAYS, command, speak

__all__ = ["ACTIONS", "BINARY", "KNOWS", "PACKAGE", "VERSION", "WAYS", "command", "configure", "serve", "speak"]
LITELLM = "1.106.2"  # on PyPI
KNOWS = {**claude.KNOWS, "gateway": Knows(tools=False, fails=frozenset(), lines=False, subs=False)}
COLLECTOR = Path(__file__).resolve().parents[3] / "collectors"
CONFIG = """
model_list:
  - model_name: "*"
    litellm_params: {{model: "anthropic/*", api_base: "{url}", api_key: loopback}}
litellm_settings:
  callbacks: meterhouse_collector.gateways.litellm_callback.handler
  num_retries: 0
router_settings: {{num_retries: 0, disable_cooldowns: true}}
general_settings: {{master_key: sk-loopback-only}}
"""


def configure(home: Path, url: str, otlp: str) -> dict[str, str]:
    return {**claude.configure(home, url, otlp), "ANTHROPIC_API_KEY": "sk-loopback-only"}


def _installed(where: Path) -> Path:
    folder = where / f"litellm-{LITELLM}"
    if not (folder / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(
            [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", f"litellm[proxy]=={LITELLM}"],
            check=True,
        )
    return folder / "bin" / "litellm"


@contextmanager
def serve(where: Path, work: Path, url: str, port: int, bucket: Path) -> Iterator[str]:
    """The proxy before the provider at `url`; its own segments are in the bucket when it has ended."""
    (work / "litellm.yaml").write_text(CONFIG.format(url=url))
    (work / "spool-gateway").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "PYTHONPATH": str(COLLECTOR),
        "METERHOUSE_SPOOL": str(work / "spool-gateway"),
        "METERHOUSE_TO": str(bucket),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), url),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
    }
    words = ["--config", str(work / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    with (work / "litellm.log").open("w") as log:
        proxy = subprocess.Popen([str(_installed(where)), *words], cwd=work, env=environment, stdout=log, stderr=log)
    try:
        _wait(proxy, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
        time.sleep(8)  # it seals and ships what is five seconds old
    finally:
        proxy.terminate()
        proxy.wait(timeout=60)


def _wait(proxy: "subprocess.Popen[bytes]", url: str) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/health/liveliness", timeout=5)
        except OSError as error:
            if proxy.poll() is not None or time.monotonic() > end:
                raise RuntimeError("LiteLLM's proxy does not start; litellm.log says why") from error
            time.sleep(0.5)
        else:
            return
