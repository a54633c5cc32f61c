"""Runs git to read other people's repositories: their settings may start no program, reach no network and hold us no longer
than a timeout. What git complains about is never repeated, because it names paths."""

import os
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Tuple

from .errors import UnreadableError

if TYPE_CHECKING:
    import subprocess  # imported where a process starts: most passes start none

SECONDS = 120
SAFE = (
    "--no-pager", "-c", "core.fsmonitor=", "-c", "core.hooksPath=" + os.devnull, "-c", "protocol.allow=never",
    "-c", "log.showSignature=false", "-c", "log.showRoot=true", "-c", "diff.external=", "-c", "diff.renameLimit=400",
)  # fmt: skip
ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",  # no index refresh: we write nothing
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone would fetch what is missing, through programs its settings name
    "GIT_ASKPASS": "",
    "LC_ALL": "C",
}


def present() -> bool:
    """Whether there is a git to run."""
    import shutil

    return shutil.which("git") is not None


def run(tree: str, *arguments: str) -> str:
    """Output of a short git command."""
    return "".join(fields(tree, *arguments))


def fields(tree: str, *arguments: str) -> Iterator[str]:
    """Output of a git command, split at NUL, as it comes."""
    import threading

    process = _start(tree, arguments)
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    rest = b""
    try:
        assert process.stdout is not None
        while True:
            block = process.stdout.read(1 << 16)
            if not block:
                break
            *whole, rest = (rest + block).split(b"\0")
            for piece in whole:
                yield piece.decode("utf-8", "replace")
        if rest:
            yield rest.decode("utf-8", "replace")
        if process.wait() != 0:
            raise UnreadableError(f"git {arguments[0]} failed or took more than {SECONDS} s")
    finally:
        watchdog.cancel()
        process.kill()
        process.stdout.close()  # type: ignore[union-attr]
        process.wait()


def email(tree: str) -> Optional[str]:
    """The address that this tree commits under, or None."""
    try:
        return run(tree, "config", "user.email").strip().lower() or None
    except UnreadableError:  # git answers 1 when it is not set
        return None


def _start(tree: str, arguments: Tuple[str, ...]) -> "subprocess.Popen[bytes]":
    import subprocess

    command: List[str] = ["git", *SAFE, "-C", tree, *arguments]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment()
        )
    except FileNotFoundError:
        raise UnreadableError("git is not installed") from None


def _environment() -> Dict[str, str]:
    """Ours, without any GIT_ variable that would point git elsewhere."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("GIT_")}, **ENVIRONMENT}
