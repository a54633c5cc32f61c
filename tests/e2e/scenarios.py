"""What the agents are made to do, and what must be known of it afterwards. Every scenario works in a repository of its own."""

from dataclasses import dataclass

from e2e.provider import LIMIT, SUB, Step

# paths are relative to the scenario's repository until they are spoken
WRITE: Step = [("write", {"path": "app.py", "content": "a = 1\nb = 2\nc = 3\n"})]
READ: Step = [("read", {"path": "app.py"})]  # some agents edit only what they have read since they started
EDIT: Step = [("edit", {"path": "app.py", "old": "b = 2", "new": "b = 3\nd = 4"})]
EDIT_WRONG: Step = [("edit", {"path": "app.py", "old": "not in the file", "new": "x"})]
RUN: Step = [("run", {"command": "echo ok"})]
RUN_FAILING: Step = [("run", {"command": "exit 3"})]
SPAWN: Step = [("agent", {"prompt": f"{SUB}: look around"})]
LONG = 41  # turns


@dataclass(frozen=True)
class Launch:
    """One start of the agent: `start`, `resume` or `fork`, and what the provider tells it to do."""

    way: str
    main: tuple[Step, ...]
    sub: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """`lines` are added and removed, as `wc -l` counts; `fails` are kinds of tools that fail: `run`, `edit`."""

    name: str
    launches: tuple[Launch, ...]
    lines: tuple[int, int] = (0, 0)
    fails: tuple[str, ...] = ()
    sessions: int = 1


SCENARIOS = (
    Scenario("edit", (Launch("start", (WRITE, EDIT, RUN)),), lines=(5, 1)),
    Scenario("failing-tools", (Launch("start", (WRITE, RUN_FAILING, EDIT_WRONG, RUN)),), lines=(3, 0), fails=("run", "edit")),
    Scenario("429", (Launch("start", (RUN, LIMIT, RUN)),)),
    Scenario("resume", (Launch("start", (WRITE,)), Launch("resume", (READ, EDIT))), lines=(5, 1)),
    Scenario("fork", (Launch("start", (WRITE,)), Launch("fork", (READ, EDIT))), lines=(5, 1), sessions=2),
    Scenario("sub-agent", (Launch("start", (WRITE, SPAWN, RUN), (RUN, RUN)),), lines=(3, 0)),
    Scenario(
        "long", (Launch("start", tuple([("run", {"command": f"echo {number}"})] for number in range(LONG))),)
    ),
)  # fmt: skip
