"""From a source's draft to the bytes that may leave: who, at which level, and nothing that the contract does not know."""

import re
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from . import events
from .here import digest

# a local engine may call its model by its path, or by an address; @cf/… and …@20250514 are names of providers
_PLACE = re.compile(r"(?:^|\s)\.{0,2}[/~]|^[A-Za-z]:[\\/]|:/|\\|[^/@\s]@[^/@\s]+\.[A-Za-z]{2,}")
_ADDRESS = re.compile(r"[^/@\s]+@[^/@\s]+\.[A-Za-z]{2,}")
_LOCAL = re.compile(r"(?:^|\s)(?:[/~]|[A-Za-z]:[\\/])|\\")
_MODELS = ("model", "model_requested")
_OURS = (*_MODELS, "person_key", "repository")  # models are treated apart, the others are made here and hold neither
_TELLING = re.compile(r"__|[^A-Za-z0-9_-]")  # in the id of a call: it may be made of the tool's name
MAIN_BRANCHES = ("main", "master", "trunk", "develop")


@dataclass(frozen=True)
class Publisher:
    """Makes events for one person at one level of privacy."""

    person_key: str
    privacy: str
    key: Optional[bytes]

    def event(self, draft: events.Draft, source: str, channel: str) -> Tuple[str, bytes]:
        """Event id and canonical bytes; raises ContractError for a draft that may not be published."""
        values, key = self._discreet({"person_key": self.person_key, **draft.values}), draft.key
        if self.privacy == "counts":
            values, key = self._counts(values, key)
        event = events.make(
            draft.kind, source=source, channel=channel, occurred_at=draft.occurred_at, key=key, **values
        )
        return event["event_id"], events.line(event)

    def _discreet(self, values: Dict[str, Any]) -> Dict[str, Any]:
        """Names that people or machines made up of paths, addresses or tool names leave as a digest."""
        for name in _MODELS:
            model = values.get(name)
            if isinstance(model, str) and _PLACE.search(model):
                values[name] = "model-" + digest(model, self.key)[:16]
        for name in ("tool_call_id", "native_id") if values.get("tool_key") else ():
            if isinstance(values.get(name), str) and _TELLING.search(values[name]):
                values[name] = "call-" + digest(values[name], self.key)[:24]
        for name, value in values.items():  # no field is meant for them, but a file may hold them anywhere
            if isinstance(value, str) and name not in _OURS:
                values[name] = self._placeless(value)
            elif isinstance(value, (list, tuple)):
                values[name] = [self._placeless(part) if isinstance(part, str) else part for part in value]
        return values

    def _placeless(self, text: str) -> str:
        """Addresses hidden, never hashed, because a dictionary would undo it; what holds a path as a digest."""
        if "@" in text:
            text = _ADDRESS.sub("hidden", text)
        return "place-" + digest(text, self.key)[:24] if _LOCAL.search(text) else text

    def _counts(self, values: Dict[str, Any], key: Tuple[Any, ...]) -> Tuple[Dict[str, Any], Tuple[Any, ...]]:
        """Repository, branch and what a gateway's caller named: told from each other, readable in no field and no id."""
        repository = values.get("repository")
        if isinstance(repository, str):
            hashed = "repo-" + digest(repository, self.key)[:16]
            values["repository"] = hashed
            key = tuple(hashed if part == repository else part for part in key)
            if isinstance(values.get("native_id"), str):
                values["native_id"] = values["native_id"].replace(repository, hashed)
        if isinstance(values.get("branch"), str):
            values["branch"] = "main" if values["branch"] in MAIN_BRANCHES else "other"
        if isinstance(values.get("gateway_key"), str):  # keys are named after people, tags after repositories
            values["gateway_key"] = "key-" + digest(values["gateway_key"], self.key)[:16]
        if isinstance(values.get("tags"), (list, tuple)):
            values["tags"] = ["tag-" + digest(str(tag), self.key)[:16] for tag in values["tags"]]
        return values, key
