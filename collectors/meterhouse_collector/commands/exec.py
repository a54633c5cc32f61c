"""`exec -- AGENT …`: start an agent with export and gateway in place and mark its session; then get out of its way.

On POSIX this process becomes the agent: terminal, signals and exit code are the agent's own, and nothing of ours runs beside
it. So its end is not seen; `--wait` stays as its parent and records exit code and duration, and Windows knows no other way.
Whatever of ours is broken or absent, the agent starts.
"""

import os
import shutil
import signal
import socket
import sys
import time
import uuid
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional
from urllib.parse import urlsplit

from meterhouse_collector import agent_settings, launches, settings
from meterhouse_collector.agent_settings import Agent
from meterhouse_collector.errors import CollectorError
from meterhouse_collector.host import PLATFORMS, Host
from meterhouse_collector.inventory import found

ORIGINS = ("person", "schedule", "ci", "agent")
LAUNCH, DEPTH = "METERHOUSE_LAUNCH_ID", "METERHOUSE_LAUNCH_DEPTH"
DEPTH_MAX = 8  # a shim that is named like the agent and starts us would go round for ever
RESOURCE = "OTEL_RESOURCE_ATTRIBUTES"
ATTRIBUTES = ("meterhouse.launch_id", "meterhouse.origin")
CI = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "BUILDKITE", "TF_BUILD", "TEAMCITY_VERSION")
LOOK = 0.2  # seconds that looking for the receiver may take; on this machine the answer is immediate
FORWARDED = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH")
NOT_FOUND, NOT_RUN = 127, 126  # as shells say it


class Start(NamedTuple):
    """What will be run and what may be told of it."""

    command: List[str]
    environment: Dict[str, str]
    facts: Dict[str, Any]


def arguments(parser: ArgumentParser) -> None:
    """What this command takes besides what all do."""
    parser.add_argument(
        "--origin", choices=ORIGINS, help="who starts it (default: METERHOUSE_ORIGIN, else what can be seen)"
    )
    parser.add_argument("--wait", action="store_true", help="stay as its parent and record exit code and duration")
    parser.usage = "meterhouse-collector exec [options] -- AGENT [arguments of the agent]"


def main(options: Namespace) -> int:
    """Start the agent; returns only when it is waited for or cannot be started."""
    if not options.passed:
        raise CollectorError("exec: no agent; write meterhouse-collector exec -- claude …")
    name, *rest = options.passed
    program = shutil.which(name)
    if program is None:
        print(f"{name}: not found on PATH; install it or give its full path", file=sys.stderr)
        return NOT_FOUND
    if _number(os.environ.get(DEPTH)) >= DEPTH_MAX:
        print(f"{name}: starts meterhouse-collector exec again and again; give the agent's full path", file=sys.stderr)
        return NOT_RUN
    spool = os.path.join(os.path.expanduser("~"), ".meterhouse", "spool")
    with suppress(OSError):  # in a folder that is gone, a relative one names nothing
        spool = os.path.abspath(
            options.spool or (os.path.join(options.home, ".meterhouse", "spool") if options.home else spool)
        )
    launch_id, began = uuid.uuid4().hex, time.time()
    start = _prepare(program, name, rest, options, spool, launch_id)
    started_at = _instant(began)
    folder = launches.folder_of(spool)
    launches.write(folder, launch_id, started_at, start.facts)
    if not options.wait and hasattr(os, "fork"):
        return _become(program, start)
    clock = time.monotonic()
    code = _run(program, start)
    ended = {"exit_code": code, "duration_ms": int((time.monotonic() - clock) * 1000)}
    launches.write(folder, launch_id, started_at, {**start.facts, **ended})
    return _end_like(code)


def _prepare(program: str, name: str, rest: List[str], options: Namespace, spool: str, launch_id: str) -> Start:
    """The agent as asked for, with what we can add; when ours fails, exactly as asked for."""
    plain = Start([name, *rest], dict(os.environ), {"agent": "other"})
    try:
        agent = agent_settings.by_program(name)
        path = os.path.abspath(options.settings) if options.settings else settings.default_path(spool)
        try:
            chosen = settings.load(path, os.environ, required=bool(options.settings))
        except CollectorError as error:
            _say(f"{error}; {name} starts without gateway")
            chosen = settings.Settings(path)
        return _equip(plain, agent, program, chosen, launch_id, options.origin or _origin(os.environ))
    except Exception as error:  # a defect of ours must not keep anybody from working
        _say(f"exec: {type(error).__name__}; {name} starts as if we were not there")
        return plain


def _equip(
    plain: Start, agent: Optional[Agent], program: str, chosen: settings.Settings, launch_id: str, origin: Optional[str]
) -> Start:
    environment, extra = dict(plain.environment), []
    endpoint = chosen.otlp_endpoint
    if not _exports_already(agent, plain.environment) and _listens(endpoint):
        wanted = agent.environment(endpoint) if agent else agent_settings.standard_environment(endpoint)
        if not any(environment.get(variable, value) != value for variable, value in wanted.items()):
            environment.update(
                wanted
            )  # all or none: half of somebody's own settings with half of ours exports to nowhere
        extra += agent.arguments(endpoint) if agent else ()
    if chosen.gateway_url and agent:
        url = chosen.gateway_url.rstrip("/")
        for variable, path in agent.gateway.items():
            environment.setdefault(variable, url + path)
        extra += agent.gateway_arguments(url)
    version = found.version_of(agent, program) if agent else None
    added, session_id = agent.session(plain.command[1:], version) if agent else ((), None)
    environment[LAUNCH] = launch_id
    environment[DEPTH] = str(_number(environment.get(DEPTH)) + 1)
    environment[RESOURCE] = marked(environment.get(RESOURCE, ""), launch_id, origin)
    facts = {
        "agent": agent.name if agent else "other",
        "agent_version": version,
        "session_id": session_id,
        "origin": origin,
        "gateway": "configured" if chosen.gateway_url else None,
        "platform": PLATFORMS.get(sys.platform),
    }
    command = [plain.command[0], *extra, *added, *plain.command[1:]]
    return Start(command, environment, {key: value for key, value in facts.items() if value is not None})


def _exports_already(agent: Optional[Agent], environment: Mapping[str, str]) -> bool:
    """Whether settings of the person or the organisation switch export on; to wherever that is, it is left alone."""
    host = Host(Path.home(), environment, Path(os.sep))
    return bool(agent and agent.export and agent.export(host).is_on)


def marked(attributes: str, launch_id: str, origin: Optional[str]) -> str:
    """Resource attributes with our marks; those of an outer launch give way, all others stay as they are."""
    kept = [part for part in attributes.split(",") if part.strip() and part.split("=")[0].strip() not in ATTRIBUTES]
    ours = [f"{ATTRIBUTES[0]}={launch_id}"] + ([f"{ATTRIBUTES[1]}={origin}"] if origin else [])
    return ",".join(kept + ours)


def _origin(environment: Mapping[str, str]) -> Optional[str]:
    """Who starts it, when that can be seen; a pipe without a terminal may be anybody's, so it stays unknown."""
    told = environment.get("METERHOUSE_ORIGIN")
    if told in ORIGINS:
        return told
    if environment.get(LAUNCH) or environment.get("CLAUDECODE"):
        return "agent"
    if any(environment.get(name) for name in CI):
        return "ci"
    return "person" if any(os.isatty(number) for number in (0, 1, 2)) else None


def _listens(endpoint: str) -> bool:
    """Whether an export would arrive: agents try again for seconds at their end when it does not. Elsewhere is trusted to."""
    try:
        address = urlsplit(endpoint)
        if address.hostname not in ("127.0.0.1", "localhost", "::1"):
            return True
        with socket.create_connection((address.hostname, address.port or 4318), timeout=LOOK):
            return True
    except (OSError, ValueError):
        _say(f"{endpoint}: nothing listens; started without export")
        return False


def _become(program: str, start: Start) -> int:
    """Replace this process by the agent."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored is inherited
        os.execve(program, start.command, start.environment)  # noqa: S606 - a list, and no shell is wanted
    except OSError as error:
        return _refused(start, error)


def _run(program: str, start: Start) -> int:
    """Run the agent as a child; signals meant for it reach it, and those of the terminal reach both."""
    import subprocess

    children: "list[subprocess.Popen[bytes]]" = []
    early: "list[int]" = []  # came before there was a child to have them

    def forward(number: int, _: object) -> None:
        if children:
            children[0].send_signal(number)
        else:
            early.append(number)

    quiet = [signal.SIGINT] + ([signal.SIGQUIT] if hasattr(signal, "SIGQUIT") else [])
    passed = [getattr(signal, name) for name in FORWARDED if hasattr(signal, name)]
    # caught and not ignored, so that the child inherits none; before it starts, so that none is missed. What is ignored already, as
    # under nohup, stays so for both
    handlers: "dict[int, Any]" = {**dict.fromkeys(quiet, lambda *_: None), **dict.fromkeys(passed, forward)}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()
              if signal.getsignal(number) is not signal.SIG_IGN}  # fmt: skip
    try:
        child = subprocess.Popen(start.command, executable=program, env=start.environment, restore_signals=True)
    except OSError as error:
        return _refused(start, error)
    children.append(child)
    for number in early:
        child.send_signal(number)
    code = child.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    return code


def _refused(start: Start, error: OSError) -> int:
    print(f"{start.command[0]}: cannot be started ({error.strerror}); check its rights", file=sys.stderr)
    return NOT_RUN


def _end_like(code: int) -> int:
    """End as the agent ended, also by a signal, so that a shell sees the same."""
    if code < 0:
        with suppress(OSError):  # SIGKILL has no other meaning
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _say(text: str) -> None:
    """For a person at a terminal; a harness may take any line on stderr for a failure."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(text, file=sys.stderr)


def _number(text: Optional[str]) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 4 else 0


def _instant(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"
