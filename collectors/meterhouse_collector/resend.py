"""Sealed segments that a destination does not take as they are: numbered anew, split in two, or set aside as dead letters.

A plan is committed together with the numbers and counters it uses, before any file changes, and carried out again after a
crash: no event is in two segments and no drop is told twice. Headers say which numbers nobody needs to wait for: `replaces`
in the segments that stand for them, `unused` in the next one after a dead letter.
"""

import json
import os
from typing import TYPE_CHECKING, Any, Dict, List

from . import durable, segment

if TYPE_CHECKING:
    from .spool import Spool, Waiting

UNUSED = "unused"  # name of the fact that holds the numbers given up
PLAN = "plan:"  # begins the name of a fact: what becomes of the segment named behind it


def renumber(spool: "Spool", waiting: "List[Waiting]") -> None:
    """Give everything that waits a new epoch: a copy of this spool ships under the old one."""
    numbers = spool.take_numbers(len(waiting), new_epoch=True)
    for one, seq in zip(waiting, numbers):  # noqa: B905 - Python 3.9 knows no strict=
        _plan(spool, one, {"parts": [[spool.epoch, seq, 0, None]]})
    _begin(spool)


def split(spool: "Spool", waiting: "Waiting", count: int) -> None:
    """Two halves with numbers of their own."""
    first, second = spool.take_numbers(2)
    half = count // 2
    _plan(spool, waiting, {"parts": [[spool.epoch, first, 0, half], [spool.epoch, second, half, None]]})
    _begin(spool)


def bury(spool: "Spool", waiting: "Waiting", header: Dict[str, Any], reason: str, answer: str) -> None:
    """Keep the segment in `dead/` with the answer; its events are a counted drop that the next segment tells."""
    spool.cursors.tell_again(header["dropped"])
    spool.cursors.count({reason: header["count"]}, told=True)
    _give_up(spool, [*header.get("replaces", ()), *header.get("unused", ()), _number(waiting.name)])
    _plan(spool, waiting, {"folder": "dead", "answer": answer})
    _begin(spool)


def put_aside(spool: "Spool", waiting: "Waiting", reason: str, count: int) -> None:
    """Keep a segment whose bytes changed on this disk in `aside/`; its events are a counted drop as well."""
    spool.cursors.count({reason: count}, told=True)
    _give_up(spool, [_number(waiting.name)])
    _plan(spool, waiting, {"folder": "aside"})
    _begin(spool)


def unused(spool: "Spool") -> List[str]:
    """Numbers whose segment will never arrive and that no header has told yet."""
    return json.loads(spool.cursors.facts().get(UNUSED, "[]"))


def carry_out(spool: "Spool") -> None:
    """Do what is planned, again if a crash came in between; the same plan makes the same bytes."""
    for fact, text in sorted(spool.cursors.facts().items()):
        if fact.startswith(PLAN):
            name, plan = fact[len(PLAN) :], json.loads(text)
            path = os.path.join(spool.folder, "segments", name)
            if os.path.exists(path):
                _replace(path, plan["parts"]) if "parts" in plan else _move(spool.folder, name, plan)
            spool.cursors.drop_fact(fact)
            spool.cursors.commit()


def _begin(spool: "Spool") -> None:
    spool.cursors.commit()
    carry_out(spool)


def _plan(spool: "Spool", waiting: "Waiting", plan: Dict[str, Any]) -> None:
    spool.cursors.put_fact(PLAN + waiting.name, json.dumps(plan))


def _replace(path: str, parts: List[Any]) -> None:
    folder, name = os.path.split(path)
    with open(path, "rb") as file:
        header, lines = segment.unseal(file.read())
    for number, (epoch, seq, start, stop) in enumerate(parts):
        own = {
            **header,
            "epoch": epoch,
            "seq": seq,
            "count": len(lines[start:stop]),
            "replaces": [*header.get("replaces", ()), _number(name)],
        }
        if number:
            own["dropped"] = {}
            own.pop("unused", None)
        new, data = segment.seal(own, lines[start:stop])
        durable.publish(os.path.join(folder, new), data)
    durable.remove(path)


def _move(folder: str, name: str, plan: Dict[str, Any]) -> None:
    target = os.path.join(folder, plan["folder"])
    durable.make_private(target)
    if "answer" in plan:
        durable.publish(os.path.join(target, name + ".answer.txt"), plan["answer"].encode("utf-8") + b"\n")
    os.replace(os.path.join(folder, "segments", name), os.path.join(target, name))
    durable.sync_folder(target)


def _give_up(spool: "Spool", numbers: List[str]) -> None:
    spool.cursors.put_fact(UNUSED, json.dumps([*unused(spool), *numbers]))


def _number(name: str) -> str:
    """Epoch and number of a segment's name, as headers tell them."""
    return name.rpartition("-")[0]
