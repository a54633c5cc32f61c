"""`install`: write collector.json and the platform's service file, switch the service on. Doing it again changes nothing.

Settings go into collector.json, 0600, and nowhere else: a unit, plist or task names paths only.
"""

import json
import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Dict, Tuple

from meterhouse_collector import durable, service, settings
from meterhouse_collector.errors import CollectorError
from meterhouse_collector.place import resolve
from meterhouse_collector.service import Job, Plan

GIVEN = ("to", "person", "privacy", "gateway_url")
TIMEOUT = 60.0  # seconds for one command of the system


def arguments(parser: ArgumentParser) -> None:
    """What this command takes besides what all do."""
    parser.add_argument("--person", metavar="WHO", help="pseudonym, or e-mail with METERHOUSE_PSEUDONYM_KEY set")
    parser.add_argument("--privacy", choices=settings.LEVELS, help="level of privacy (default: names)")
    parser.add_argument("--gateway-url", metavar="URL", help="address of the organisation's model gateway, for exec")
    parser.add_argument(
        "--print", action="store_true", dest="shows", help="show what would be written and run; do nothing"
    )


def main(arguments: Namespace) -> int:
    """Install for this user; what cannot be switched on from here is said."""
    place = resolve(arguments)
    path = place.settings.path
    values = _merged(path, arguments)
    chosen = settings.check_values(path, values)
    if not chosen.to:
        raise CollectorError("--to: no destination; pass --to DEST, so that the service knows where to ship")
    home = str(place.home) if arguments.home else None
    job = Job(service.command_of(path, place.spool, home), Path(place.home), Path(path).parent)
    plan = service.platform_of().plan(job, os.environ)
    if arguments.shows:
        _show(plan, path, values)
        return 0
    durable.make_private(os.path.dirname(path))
    changed = _write(path, json.dumps(values, indent=1, ensure_ascii=False).encode("utf-8") + b"\n")
    plan.path.parent.mkdir(parents=True, exist_ok=True)
    changed |= _write(str(plan.path), plan.text.encode(plan.encoding))
    print(f"{plan.path}: {'written' if changed else 'is as it should be'}; settings in {path}", file=sys.stderr)
    return _start(plan)


def _merged(path: str, arguments: Namespace) -> Dict[str, Any]:
    """What the file says, with what was given on top; the environment's pseudonym key is kept for the service."""
    values = settings.read(path)
    for name in GIVEN:
        value = getattr(arguments, name, None)
        if value:
            values[name] = os.path.abspath(value) if name == "to" and "://" not in value else value
    for name, variable in settings.VARIABLES.items():
        if os.environ.get(variable) and name not in values:
            values[name] = os.environ[variable]
    return values


def _show(plan: Plan, path: str, values: Dict[str, Any]) -> None:
    """Everything, with secrets left out."""
    hidden = {key: "…" if key in settings.SECRETS else value for key, value in values.items()}
    print(f"# {path}\n{json.dumps(hidden, indent=1, ensure_ascii=False)}\n\n# {plan.path}\n{plan.text}")
    print("\n".join("$ " + " ".join(command) for command in plan.start))


def _write(path: str, data: bytes) -> bool:
    """Write a file of the user's alone, whole or not at all; whether it was another before."""
    try:
        with open(path, "rb") as file:
            same = file.read() == data
    except FileNotFoundError:
        same = False
    if not same:
        durable.publish(path, data)
    elif os.name != "nt":
        os.chmod(path, 0o600)
    return not same


def _start(plan: Plan) -> int:
    if shutil.which(plan.start[0][0]) is None:
        return _by_hand(plan, "is not here")
    for number, command in enumerate(plan.start):
        code, said = run(command)
        if code != 0 and (number == len(plan.start) - 1 or "bootout" not in command):
            return _by_hand(plan, f"refused ({said or f'code {code}'})")
    print(f"started; logs: {plan.logs}", file=sys.stderr)
    return 0


def _by_hand(plan: Plan, why: str) -> int:
    print(f"{plan.start[0][0]} {why}; when it is there, run:", file=sys.stderr)
    for command in plan.start:
        print("  " + " ".join(f'"{word}"' if " " in word else word for word in command), file=sys.stderr)
    return 0


def run(command: Tuple[str, ...]) -> Tuple[int, str]:
    """Exit code and the last line of what a command of the system said."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return 1, type(error).__name__
    lines = (done.stderr or done.stdout).strip().splitlines()
    return done.returncode, lines[-1][:200] if lines else ""
