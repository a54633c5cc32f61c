"""LiteLLM's request log: objects of its S3, GCS or Azure logger, one a call or in batches, and exports of SpendLogs.

Objects arrive late and under the gateway's local time, so every object is looked at and what was read is remembered by
name and version: importing again ships what is new. Its FOCUS export repeats running totals and is no request log.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import List

from meterhouse_collector.errors import DamagedError
from meterhouse_collector.gateways.litellm import CHANNEL, SOURCE, UNKNOWN, drafts_of
from meterhouse_collector.inlet import Inlet, Inlets

from ._objects import SUFFIXES, Found, objects, records

ABOUT = "LiteLLM's log: files, folders or s3:// of its S3 logger's objects, or exports of SpendLogs (JSON, JSONL, CSV)"
_AUDIT = "audit-"  # beginning of an object that tells what administrators did
_BROKEN, _OTHER = "litellm_broken", "litellm_other_call"


def arguments(parser: ArgumentParser) -> None:
    """What this kind takes."""
    parser.add_argument("places", nargs="+", metavar="PATH", help="file, folder, s3://, gs:// or az:// with prefix")


def load(options: Namespace, inlets: Inlets) -> None:
    """Every object that is new or has changed; one that cannot be read is told and tried again next time."""
    inlet = inlets(SOURCE, CHANNEL)
    unreadable: List[str] = []
    counts: "Counter[str]" = Counter()
    for place in options.places:
        for found in objects(place):
            if found.suffix not in SUFFIXES or os.path.basename(found.name).startswith(_AUDIT):
                counts["passed over"] += 1
            elif not inlet.has_read(found.name, found.mark):
                try:
                    counts += _take(found, inlet)
                except DamagedError as error:
                    unreadable.append(f"{found.name}: {error}")
                    continue
                inlet.read_whole(found.name, found.mark)
    inlet.commit()
    _tell(counts, unreadable)


def _take(found: Found, inlet: Inlet) -> "Counter[str]":
    """Everything of one object; what is not LiteLLM's is counted once the whole object is read."""
    counts: "Counter[str]" = Counter()
    for record in records(found):
        drafts = drafts_of(record, inlet)
        for draft in drafts or ():
            inlet.take(draft)
        reason = _BROKEN if record is None else UNKNOWN if drafts is None else _OTHER if not drafts else "calls"
        counts[reason] += 1
    inlet.drop(_BROKEN, counts[_BROKEN])
    inlet.drop(UNKNOWN, counts[UNKNOWN])
    inlet.note(_OTHER, counts[_OTHER])
    return counts


def _tell(counts: "Counter[str]", unreadable: List[str]) -> None:
    about = {
        _BROKEN: "lines are no JSON",
        UNKNOWN: "records are none of LiteLLM's request log (its FOCUS export cannot be counted by request)",
        _OTHER: "calls asked no model",
        "passed over": "objects of other kinds were passed over",
    }
    for reason, text in about.items():
        if counts[reason]:
            print(f"{counts[reason]} {text}", file=sys.stderr)
    if unreadable:
        print(f"{len(unreadable)} objects could not be read and are tried again next time; the first: {unreadable[0]}", file=sys.stderr)  # fmt: skip
