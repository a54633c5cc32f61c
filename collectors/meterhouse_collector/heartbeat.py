"""The collector's sign of life: once an hour, also over restarts, with what it watches, what waits and which agents are here."""

import platform
import time
from contextlib import suppress

from . import __version__, segment
from .events import Draft
from .host import Host
from .inventory.items import names
from .privacy import Publisher
from .spool import Spool, list_waiting

SOURCE = "collector"
UNREADABLE_LINES = ("not_json", "line_too_long", "source_error")


class Heartbeat:
    """Remembers the hour of the last beat, so that most calls cost nothing."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._hour = ""

    def beat(self, spool: Spool, publisher: Publisher, files: int) -> None:
        """Spool this hour's heartbeat if it is not there yet; `files` are watched."""
        now = time.gmtime()
        hour = time.strftime("%Y-%m-%dT%H", now)
        if hour == self._hour:
            return
        self._hour = hour
        cursors = spool.cursors
        totals = cursors.totals()
        waiting = list_waiting(spool.folder)
        values = {
            "collector_version": __version__,
            "platform": platform.system().lower(),
            "files_watched": files,
            "files_unreadable": sum(map(len, cursors.problems().values())),
            "lines_skipped": sum(totals.get(reason, 0) for reason in UNREADABLE_LINES),
            "events_waiting": sum(_count(one.path) for one in waiting) + spool.unsealed_events,
            "spool_bytes": sum(one.size for one in waiting),
            "agents": names(self._host),
        }
        draft = Draft("heartbeat", (spool.sender, hour), time.strftime("%Y-%m-%dT%H:%M:%SZ", now), values)
        event_id, line = publisher.event(draft, SOURCE, SOURCE)
        cursor = cursors.load(SOURCE, SOURCE)
        cursor.source = SOURCE
        if cursor.first(event_id):
            spool.add(cursor.path, 1, line)
            cursors.save(cursor)
            spool.commit()


def _count(path: str) -> int:
    with suppress(OSError, ValueError, KeyError):
        return int(segment.read_header(path)["count"])
    return 0
