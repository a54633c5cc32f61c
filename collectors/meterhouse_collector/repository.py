"""Repository names as `host/owner/name`, from any form of git remote; credentials, port and `.git` never survive.

Whoever writes `repository` into an event gets it from here, so that agents, git and forges name one repository alike.
"""

import re
from typing import Optional
from urllib.parse import urlsplit

_SCP = re.compile(r"^(?:[^@/\s]+@)?(?P<host>[^:/@\s]+):(?!//)(?P<path>[^\s].*)$")  # git@host:owner/name.git
_HOST = re.compile(r"^(?=.{1,100}$)[a-z0-9-]{2,}(\.[a-z0-9-]+)*$|^[a-z0-9-]+(\.[a-z0-9-]+)+$")  # one letter is C:\
_PART = re.compile(r"^(?!\.{1,2}$)[A-Za-z0-9._+%-]{1,100}$")
_FOLDERS = ("home", "Users", "root", "var", "srv", "opt", "mnt", "tmp")  # a path on a server, often with a name in it
_SCHEMES = ("https", "http", "ssh", "git", "git+ssh", "ssh+git", "git+https")


def normalise_remote(url: object) -> Optional[str]:
    """`host/owner/name` (or deeper, as GitLab's groups go), host in lower case; None for paths and anything doubtful."""
    if not isinstance(url, str) or len(url) > 1000:
        return None
    host, path = _split(url.strip())
    parts = [part for part in path.split("/") if part]
    if parts and parts[-1].endswith(".git"):
        parts[-1] = parts[-1][: -len(".git")]
    if not _HOST.match(host) or len(parts) < 2 or parts[0] in _FOLDERS or not all(map(_PART.match, parts)):
        return None
    name = "/".join([host, *parts])
    return name if len(name) <= 200 else None


def _split(url: str) -> "tuple[str, str]":
    """Host and path of a remote; ("", "") when it has none."""
    if "://" not in url:
        found = _SCP.match(url)
        return (found["host"].lower(), found["path"]) if found else ("", "")
    try:
        parsed = urlsplit(url)
        host = parsed.hostname or ""
    except ValueError:  # an open bracket, an impossible port: not an address
        return "", ""
    return (host, parsed.path) if parsed.scheme in _SCHEMES else ("", "")
