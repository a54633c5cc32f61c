"""Home folders furnished with our own fixtures of agents, each file where its agent would have written it.

A folder of fixtures says in `place.txt` where below a home its cases lie, so that a new agent is furnished without being listed.
"""

import shutil
from pathlib import Path

from collectors import conformance, stores  # noqa: TID251 - the folder of these tests
from meterhouse_collector import agents, sources

OWN = Path(sources.__file__).parent


def names():
    """Every agent of the package, without those that tests make up."""
    return [
        source.name
        for source in agents.installed()
        if (OWN / source.name).exists() or (OWN / f"{source.name}.py").exists()
    ]


def furnish(agent, home):
    """Put all fixtures of one agent below a home folder; a store is built from its rows, or from SQL with its own tables."""
    place = conformance.FIXTURES / agent / "place.txt"
    assert place.is_file(), f"{place}: is not there; say in it where below a home the cases of this agent lie"
    for case in conformance.cases(agent):
        folder, target = conformance.FIXTURES / agent / case, home / place.read_text().strip().format(case=case)
        if (folder / "store.jsonl").exists():
            stores.build(target, stores.OPENCODE, conformance.lines_of(folder / "store.jsonl"))
        elif (folder / "store.sql").exists():
            stores.build(target, (folder / "store.sql").read_text(encoding="utf-8"), [])
        else:
            _copy(folder, target)
    return home


def _copy(folder, target):
    """All files but what is expected of them; a path may be told to its owner, so it holds no canary here."""
    for path in (path for path in folder.rglob("*") if path.is_file() and path.name != "expected.jsonl"):
        copy = target / str(path.relative_to(folder)).replace("CANARY", "x")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
