"""The one base of all errors that a user sees; each text reads `file or key: what is wrong; what to do`."""


class MeterhouseError(Exception):
    """Something the user can mend; the command line prints its text alone, without a trace."""

    exit_code = 1


class SettingsError(MeterhouseError):
    """A setting, governance file or roster is broken."""


class StorageError(MeterhouseError):
    """Object storage cannot be reached, listed or read."""


class ModelError(MeterhouseError):
    """A SQL model, metric or alert file breaks a rule or fails to run."""


class ContractFileError(MeterhouseError):
    """The published contract cannot be read."""


class CheckError(MeterhouseError):
    """A check of a model found rows that break its promise; nothing was published."""


class LakeError(MeterhouseError):
    """A file of the lake is damaged or gone; raw objects have its events."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: cannot be read ({reason}); `meterhouse rebuild --from raw` makes the lake anew")


class LossError(MeterhouseError):
    """A rebuild would lose events, because raw objects are gone or overwritten; nothing was changed."""


class LockedError(MeterhouseError):
    """Another run holds the data directory."""

    exit_code = 75


def is_interrupt(error: BaseException) -> bool:
    """Whether somebody ended the process: Ctrl-C, Dagster's word for it, or a plain RuntimeError when DuckDB was at work.

    What is no Exception is one, but for a panic of a library in Rust.
    """
    if isinstance(error, Exception):
        return type(error) is RuntimeError and str(error) == "Query interrupted"
    return type(error).__name__ != "PanicException"
