"""The command line: `meterhouse-collector once|run|preview|status|doctor|…`. stdout is data, stderr is narration.

A command is a module of `commands` with `main(options)`, and with `arguments(parser)` when it takes more than all do.

Exit codes: 0 done, 1 an error told in one line, 2 wrong usage, 75 another collector holds the spool.
"""

import argparse
import importlib
import io
import os
import sqlite3
import sys
from typing import Any, List, Optional, Tuple

from . import __version__

COMMANDS = {
    "once": "read what is new, ship it, end",
    "run": "follow session files and ship within seconds, until stopped",
    "import": "read recorded OTLP and the like, ship what is new, end",
    "serve": "the organisation's intake: take segments over HTTP, know the sender by its token, store them",
    "token": "add, remove or list who may send to an intake",
    "preview": "print exactly the event lines that would be sent next; sends nothing",
    "status": "what was sent, when and where, and what waits",
    "pull": "fetch a vendor's usage and cost reports, ship what changed, end",
    "doctor": "what is found, what cannot be read and why, whether shipping works",
    "exec": "start an agent with export and gateway in place and mark its session: exec -- AGENT …",
    "install": "run in the background from now on, at every login",
    "uninstall": "undo install; what was collected stays",
}


def parser(chosen: Optional[str] = None) -> argparse.ArgumentParser:
    """The arguments of every command, and the chosen one's own; the others' modules stay unread."""
    top = argparse.ArgumentParser(
        prog="meterhouse-collector", description="Coding agents' session files in, content-free events out."
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("--home", metavar="DIR", help="home folder to read (default: yours)")
        command.add_argument("--spool", metavar="DIR", help="where events wait (default: HOME/.meterhouse/spool)")
        command.add_argument("--settings", metavar="FILE", help="settings (default: collector.json beside the spool)")
        # preview sends nothing, but takes the line of `once` with only its first word changed
        command.add_argument(
            "--to", metavar="DEST", help="folder, s3://, gs://, az:// or https:// of an intake (default: METERHOUSE_TO)"
        )
        if name == chosen and hasattr(_module(name), "arguments"):
            _module(name).arguments(command)
    return top


def _module(name: str) -> Any:
    # `import` is a word of Python's own
    return importlib.import_module(f".commands.{name}{'_' if name == 'import' else ''}", __package__)


def _split(given: List[str]) -> Tuple[List[str], List[str]]:
    """Ours and, behind the first `--`, another program's; argparse would drop or take some of those."""
    end = given.index("--") if "--" in given else len(given)
    return given[:end], given[end + 1 :]


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one command; an error that a user can mend is one line on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    given, passed = _split(given)
    top = parser(next((word for word in given if word in COMMANDS), None))
    options, strange = top.parse_known_args(given)
    if strange and options.command == "exec":
        top.error("exec: put -- before the agent and its arguments: meterhouse-collector exec -- claude …")
    if strange:
        top.error(f"unrecognized arguments: {' '.join(strange)}")
    options.passed = passed
    if passed and options.command != "exec":
        top.error("only exec takes arguments behind --")
    command = _module(options.command)
    from .errors import CollectorError

    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name may hold what this terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return command.main(options)
    except CollectorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:  # nothing acknowledged is lost; the next run goes on from here
        return 130
    except sqlite3.Error as error:
        print(f"spool: its database failed ({error}); start again, a damaged one is put aside then", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{error.filename or 'disk'}: {error.strerror or type(error).__name__}; check rights and space",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
