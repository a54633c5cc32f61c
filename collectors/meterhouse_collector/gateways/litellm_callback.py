"""A callback for LiteLLM's proxy: `litellm_settings.callbacks: meterhouse_collector.gateways.litellm_callback.handler`.

A request never fails and never waits because of us: a callback picks its numbers, puts them into a queue and returns.
Settings: METERHOUSE_TO, METERHOUSE_PSEUDONYM_KEY, METERHOUSE_GATEWAY_SPOOL, or collector.json in that folder.
"""

import importlib
import os
import time
from typing import Any, Dict, Optional

from meterhouse_collector.here import tool_key
from meterhouse_collector.settings import pseudonym

from .forwarder import RETRY, Forwarder, open_forwarder, tell
from .litellm import CHANNEL, SOURCE, UNKNOWN, drafts_of

FOLDER_VARIABLE = "METERHOUSE_GATEWAY_SPOOL"
_DEFAULT = os.path.join("~", ".meterhouse", "gateway")


def _base() -> Any:
    """LiteLLM's own class, by which it knows a callback; elsewhere, as in tests, none is needed."""
    try:
        return importlib.import_module("litellm.integrations.custom_logger").CustomLogger
    except ImportError:
        return object


class _Names:
    """What a reader of records may make of names, with the organisation's key."""

    def __init__(self, key: Optional[bytes]) -> None:
        self._key = key

    def tool_key(self, name: str) -> str:
        """Hash of a tool's name."""
        return tool_key(name, self._key)

    def pseudonym(self, name: Optional[str]) -> Optional[str]:
        """Pseudonym of a person; nobody without a key."""
        return pseudonym(name, self._key) if name and self._key else None


class Handler(_base()):  # type: ignore[misc]
    """One a process. Threads start with the first call, in the worker that serves it and not in the process that forks."""

    def __init__(self) -> None:
        super().__init__()
        self._forwarder: Optional[Forwarder] = None
        self._names = _Names(None)
        self._process = 0
        self._not_before = 0.0

    # LiteLLM passes the four by name

    async def async_log_success_event(
        self, kwargs: Dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """LiteLLM calls it behind an answer."""
        self.record(kwargs)

    async def async_log_failure_event(
        self, kwargs: Dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """LiteLLM calls it behind a failure, its own refusals among them."""
        self.record(kwargs)

    def log_success_event(self, kwargs: Dict[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        """The same for calls that are not asynchronous; told both ways, a call is one event."""
        self.record(kwargs)

    def log_failure_event(self, kwargs: Dict[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        """The same for failures."""
        self.record(kwargs)

    def record(self, kwargs: Dict[str, Any]) -> None:
        """Never raises, never waits."""
        try:
            forwarder = self._opened()
            if forwarder is None:
                return
            drafts = drafts_of(kwargs.get("standard_logging_object"), self._names)
            if drafts is None:
                forwarder.drop(UNKNOWN)
            elif drafts:
                forwarder.offer(drafts)
        except Exception as error:  # by its class alone: a text could hold content
            tell(f"a call could not be recorded ({type(error).__name__}); the request went on")

    def flush(self, seconds: float = 5.0) -> bool:
        """Whether everything recorded so far is on disk within the time."""
        return self._forwarder is None or self._forwarder.wait(seconds)

    def _opened(self) -> Optional[Forwarder]:
        """This process's forwarder; what cannot be opened is tried again later, and calls meanwhile are not recorded."""
        if self._process != os.getpid():
            self._process, self._forwarder, self._not_before = os.getpid(), None, 0.0
        if self._forwarder is None and time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + RETRY
            try:
                folder = os.path.abspath(os.path.expanduser(os.environ.get(FOLDER_VARIABLE) or _DEFAULT))
                self._forwarder = open_forwarder(folder, SOURCE, CHANNEL)
                self._names = _Names(self._forwarder.key)
            except Exception as error:
                reason = getattr(error, "strerror", None) or error
                tell(f"{FOLDER_VARIABLE} or its settings: {reason}; calls are not recorded until this is mended")
        return self._forwarder


handler = Handler()
