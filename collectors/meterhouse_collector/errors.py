"""The errors that a user can mend; each text reads `file or key: what is wrong; what to do` and holds no content."""

from typing import Optional


class CollectorError(Exception):
    """The command line prints its text alone, without a trace."""

    exit_code = 1


class SettingsError(CollectorError):
    """The settings file or an environment variable is broken."""


class SpoolError(CollectorError):
    """The spool cannot be opened, written or made durable; nothing acknowledged is lost."""


class SpoolFullError(SpoolError):
    """The spool has reached its size, or the disk its floor; session files are the buffer until it drains."""


class LockedError(CollectorError):
    """Another collector holds this spool."""

    exit_code = 75


class UnreadableError(CollectorError):
    """A file cannot be read here and now; the text is its reason, counted and shown. Tried again at every pass."""


class DamagedError(CollectorError):
    """A file's content cannot be read; the text is its reason, counted and shown. Tried again when the file changes."""


class ShipError(CollectorError):
    """A segment did not reach the destination and stays in the spool; `passing` when trying again soon may help.

    `retry_after`: seconds for which the destination asked to be left alone.
    """

    def __init__(self, text: str, passing: bool, retry_after: Optional[float] = None) -> None:
        super().__init__(text)
        self.passing = passing
        self.retry_after = retry_after


class ClashError(ShipError):
    """The destination holds other bytes under this segment's number: this spool is a copy of another one."""


class TooLargeError(ShipError):
    """The segment is too large; `final` when the intake itself says so, not a filter on the way."""

    def __init__(self, text: str, final: bool) -> None:
        super().__init__(text, False)
        self.final = final


class RefusedError(ShipError):
    """The intake read the segment and will never take it as it is."""


class VendorError(CollectorError):
    """A vendor's report cannot be had now: refused, or not reached; its text never holds a key, a query or an answer."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class WindowError(CollectorError):
    """One window of a vendor's report did not come whole; what an earlier fetch said of it stays in force."""
