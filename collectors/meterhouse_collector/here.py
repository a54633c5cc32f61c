"""What a source may ask about the place it reads: file, offset, repository, hashed tool names.

A local path, a credential in a remote's URL or a tool's own name goes in here and never comes out.
"""

import hashlib
import hmac
from pathlib import Path
from typing import Optional

from .settings import pseudonym
from .worktrees import WorkTrees


class Here:
    """The file being read and the line's byte offset; one per file, `offset` moves with the lines."""

    def __init__(self, path: Path, home: Path, trees: Optional[WorkTrees] = None, key: Optional[bytes] = None) -> None:
        self.path = path
        self.home = home
        self.offset = 0
        self._trees = WorkTrees() if trees is None else trees
        self._key = key

    def repository(self, cwd: Optional[str], at: str) -> Optional[str]:
        """`host/owner/name` of the work tree that holds `cwd`; the tree is remembered for the git source from `at` on."""
        return self._trees.repository(cwd, at)

    def tool_key(self, name: str) -> str:
        """Hash of a tool's name: keyed with the organisation's key when there is one, else a dictionary would undo it."""
        return tool_key(name, self._key)

    def pseudonym(self, name: str) -> Optional[str]:
        """Pseudonym of somebody whom a store names; nobody without the organisation's key, which alone hides a name."""
        return pseudonym(name, self._key) if self._key else None


def tool_key(name: str, key: Optional[bytes]) -> str:
    """Hash of a tool's name, the same from every witness."""
    return digest(name, key)[:16]


def digest(text: str, key: Optional[bytes]) -> str:
    """HMAC-SHA256 under the organisation's key, or plain SHA-256 without one; hexadecimal."""
    data = text.encode("utf-8", "surrogatepass")
    return hmac.new(key, data, hashlib.sha256).hexdigest() if key else hashlib.sha256(data).hexdigest()
