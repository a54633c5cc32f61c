"""Which agents are on this machine and in which version, from files alone: a program is run by `doctor` only, and briefly."""

import os
import re
import shutil
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional

from meterhouse_collector import agent_settings
from meterhouse_collector.agent_settings import Agent
from meterhouse_collector.host import Host, dig, parse_json, read_bytes

# folders named by a version, as Homebrew, mise and Claude Code's own installer make them
_IN_PATH = re.compile(
    r"[\\/](?:versions|Cellar[\\/][^\\/]+|installs[\\/][^\\/]+)[\\/]v?(\d+\.\d+\.\d+[\w.-]{0,20})(?:[\\/]|$)"
)
_IN_OUTPUT = re.compile(rb"\d+\.\d+\.\d+[0-9A-Za-z.-]{0,20}")
PARENTS = 6  # folders between a program's file and its package.json
PACKAGE_MAX = 1 << 20
ASK_TIMEOUT = 3.0  # seconds


class Found(NamedTuple):
    """One agent of this machine; `program` is None when only its folders are there."""

    agent: Agent
    program: Optional[str]
    version: Optional[str]


def agents_on(host: Host) -> List[Found]:
    """Every known agent with a program on PATH or a folder below home."""
    found = []
    for agent in agent_settings.known():
        program = program_of(agent, host)
        if program or any(folder.is_dir() for folder in folders(agent, host)):
            found.append(Found(agent, program, version_of(agent, program) if program else None))
    return found


def folders(agent: Agent, host: Host) -> Iterator[Path]:
    """Where the agent keeps its files, there or not."""
    for number, folder in enumerate(agent.folders):
        yield (
            host.folder(agent.folder_variable, folder) if number == 0 and agent.folder_variable else host.home / folder
        )


def program_of(agent: Agent, host: Host) -> Optional[str]:
    """The program on the PATH of the host's environment."""
    path = host.environment.get("PATH")
    names = agent.programs if path else ()
    return next((found for found in (shutil.which(name, path=path) for name in names) if found), None)


def version_of(agent: Agent, program: str) -> Optional[str]:
    """The version that a path or the npm package around the program tells."""
    real = os.path.realpath(program)
    named = _IN_PATH.search(real)
    if named and not agent.packages:
        return named.group(1)
    folder = os.path.dirname(real)
    for _ in range(PARENTS if agent.packages else 0):
        data = read_bytes(Path(folder, "package.json"), PACKAGE_MAX)
        package = parse_json(data.decode("utf-8", "replace")) if data else None
        if dig(package, "name") in agent.packages:
            version = dig(package, "version")
            return version if isinstance(version, str) and _IN_OUTPUT.fullmatch(version.encode()) else None
        folder = os.path.dirname(folder)
    return named.group(1) if named else None


def ask_version(program: str, timeout: float = ASK_TIMEOUT) -> Optional[str]:
    """What `program --version` prints first that looks like one; nothing else of its output is kept."""
    import subprocess  # here, because every other use of this module runs nothing

    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = _IN_OUTPUT.search(done.stdout[:1000])
    return version.group().decode("ascii") if version else None
