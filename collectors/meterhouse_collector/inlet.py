"""Events that come without a session file: pushed over OTLP, imported or pulled. Nothing is acknowledged before `commit`.

Each gets its id from what it says, so a sender that repeats itself, or a file imported twice, adds nothing.
"""

import hashlib
from typing import Dict, Optional

from .cursors import INLET, NEVER, Cursor
from .events import ContractError, Draft
from .here import tool_key
from .outbox import Outbox
from .privacy import Publisher
from .settings import pseudonym


class Inlet:
    """The way of one source's drafts into an outbox, as one kind of witness; `taken` counts the new ones."""

    def __init__(self, out: Outbox, publisher: Publisher, source: str, channel: str) -> None:
        self.taken = 0
        self.refused = 0
        self._out = out
        self._publisher = publisher
        self._source = source
        self._channel = channel
        self._cursor = out.cursors.load(INLET + source, source)
        self._cursor.source = source

    @property
    def state(self) -> "dict[str, object]":
        """What the source remembers between runs; saved by `commit`."""
        return self._cursor.state

    def take(self, draft: Draft) -> bool:
        """Whether the draft was new. One that breaks the contract is dropped and counted, never half sent."""
        try:
            event_id, line = self._publisher.event(draft, self._source, self._channel)
        except (ContractError, TypeError, AttributeError):
            self._out.drop("contract")
            self.refused += 1
            return False
        if not self._cursor.first(event_id):
            return False
        self._out.add(self._cursor.path, 1, line)
        self.taken += 1
        if self._out.full:
            self.commit()
        return True

    def drop(self, reason: str, count: int = 1) -> None:
        """Something arrived and will not be sent; the next segment says so."""
        self._out.drop(reason, count)

    def note(self, name: str, count: int = 1) -> None:
        """Something arrived that is not needed; `status` shows how often."""
        self._out.note(name, count)

    def tool_key(self, name: str) -> str:
        """Hash of a tool's name, as of one that a session file names."""
        return tool_key(name, self._publisher.key)

    def pseudonym(self, name: Optional[str]) -> Optional[str]:
        """Pseudonym of somebody whom the sender names; nobody without the organisation's key, which alone hides a name."""
        return pseudonym(name, self._publisher.key) if name and self._publisher.key else None

    def has_read(self, name: str, mark: str) -> bool:
        """Whether the object of this name was read to its end when it looked like `mark`."""
        return self._out.cursors.load(self._object(name), self._source).mark == mark

    def read_whole(self, name: str, mark: str) -> None:
        """All of the object is taken; true from the next commit on. Objects arrive late and in no order, so each is remembered."""
        self._out.cursors.save(Cursor(self._object(name), self._source, mark=mark))

    def _object(self, name: str) -> str:
        # hashed: names of objects hold names of teams and keys, and may be long
        return f"{INLET}{self._source}/{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"

    def commit(self) -> None:
        """Make everything taken so far durable; after a crash the ids of what was durable are known."""
        self._cursor.seen = NEVER
        self._out.cursors.save(self._cursor)
        self._out.commit()


class Inlets:
    """The inlets of one outbox by source, each made when it is first asked for."""

    def __init__(self, out: Outbox, publisher: Publisher) -> None:
        self._out = out
        self._publisher = publisher
        self._inlets: Dict[str, Inlet] = {}

    def __call__(self, source: str, channel: str) -> Inlet:
        if source not in self._inlets:
            self._inlets[source] = Inlet(self._out, self._publisher, source, channel)
        return self._inlets[source]

    @property
    def taken(self) -> int:
        """New events so far."""
        return sum(inlet.taken for inlet in self._inlets.values())

    def commit(self) -> None:
        """Make everything taken so far durable."""
        for inlet in self._inlets.values():
            inlet.commit()
