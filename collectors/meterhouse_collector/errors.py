"""The errors that a user can mend; each text reads `file or key: what is wrong; what to do` and holds no content."""


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
    """A segment did not reach the destination and stays in the spool; `passing` when trying again soon may help."""

    def __init__(self, text: str, passing: bool) -> None:
        super().__init__(text)
        self.passing = passing
