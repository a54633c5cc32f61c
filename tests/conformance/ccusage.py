"""ccusage beside us: another program's totals over the same session files. It is used where it is installed and never downloaded."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

VERSION = "20.0.24"
VARIABLE = "METERHOUSE_CCUSAGE"
HOW = f"ccusage is not here: npm install ccusage@{VERSION}, or name the program in {VARIABLE}"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Totals:
    """What it adds up, in our classes of tokens; it tells no number of requests. `cost` is USD at its own prices.

    `unclassed` tokens are in its total and in none of its classes: Gemini's thoughts.
    """

    tokens: tuple[int, int, int, int]
    unclassed: int
    cost: Decimal


def find() -> str | None:
    """The program: the one that a variable names, else of this checkout's node_modules, else on PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        assert shutil.which(named), f"{VARIABLE}: {named} is no program; name ccusage's own file"
        return named
    local = ROOT / "node_modules" / ".bin" / "ccusage"
    return shutil.which(local) or shutil.which("ccusage")


def command(program: str, agent: str) -> list[str]:
    """Its report of one agent's sessions, as JSON, at the prices that it brings."""
    return [program, agent, "session", "--json", "--offline", "-z", "UTC"]


def environment(home: Path) -> dict[str, str]:
    """Nothing but this home: a variable of whoever runs this would lead it to their own sessions."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC"}


def totals(program: str, agent: str, home: Path) -> Totals | None:
    """Its totals of one agent below a home; None for an agent that it does not know or find."""
    done = subprocess.run(command(program, agent), env=environment(home), capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.lstrip().startswith("{"):
        return None
    found = json.loads(done.stdout, parse_float=Decimal).get("totals")
    if not found:
        return None
    names = ("inputTokens", "cacheReadTokens", "cacheCreationTokens", "outputTokens")
    tokens = tuple(int(found.get(name) or 0) for name in names)
    unclassed = int(found.get("totalTokens") or 0) - sum(tokens)
    cost = Decimal(found.get("totalCost", found.get("costUSD", 0)))
    return Totals((tokens[0], tokens[1], tokens[2], tokens[3]), unclassed, cost)
