"""The key of a vendor's API: from the environment, or from a file that nobody else may read. It is in no error, log or event."""

import os
import stat
from typing import Mapping

from .errors import SettingsError

LENGTH_MAX = 8192
PRINTABLE = frozenset(map(chr, range(0x21, 0x7F)))


def variable(vendor: str, what: str) -> str:
    """METERHOUSE_<VENDOR>_<WHAT>."""
    return f"METERHOUSE_{vendor.upper()}_{what}"


def read_key(vendor: str, environment: Mapping[str, str]) -> str:
    """The key; SettingsError in one line when there is none or it lies open."""
    direct, by_file = variable(vendor, "KEY"), variable(vendor, "KEY_FILE")
    if environment.get(direct):
        return _checked(environment[direct], direct)
    path = environment.get(by_file)
    if not path:
        raise SettingsError(f"{direct}: is not set; set it, or {by_file} to a file of mode 0600 that holds the key")
    return _checked(_content(path), path)


def _content(path: str) -> str:
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SettingsError(f"{path}: is no regular file; name a file of mode 0600 that holds the key")
            if os.name != "nt" and status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise SettingsError(
                    f"{path}: others may read this key (mode {mode:04o}); chmod 600 it, and renew the key"
                )
            return file.read(LENGTH_MAX + 1).decode("ascii", "replace")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from None


def _checked(key: str, place: str) -> str:
    # http.client would repeat a header that it refuses in its error
    key = key.strip()
    if not key or len(key) > LENGTH_MAX or not PRINTABLE.issuperset(key):
        raise SettingsError(f"{place}: holds no key; it must be one line of ASCII without blanks")
    return key
