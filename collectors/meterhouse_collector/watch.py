"""Decides where `run` looks between full searches: at the files that changed last, and at their folders for new files.

A folder's own time changes when a file is made, renamed or removed in it, not when one grows. So a new session is seen
within a second although a full search of a large home would cost too much to do so often.
"""

import os
from typing import Dict, Mapping, Optional

from .agents import Source
from .cursors import Seen
from .folders import changed

HOT = 100  # files, and as many folders
SEARCH = 30.0  # seconds between full searches, at least
SEARCH_SHARE = 300  # and so many times as long as one takes: a third of a percent of one core
HURRY = 1.0  # seconds between searches that a changed folder asks for, at least
HURRY_SHARE = 50


class Watch:
    """The files and folders under watch, and when the next full search is due."""

    def __init__(self) -> None:
        self.files: Dict[str, Source] = {}
        self._folders: Dict[str, Optional[int]] = {}
        self._due = 0.0
        self._not_before = 0.0

    def search_due(self, now: float) -> bool:
        """Whether to search everything now."""
        if now >= self._due:
            return True
        return now >= self._not_before and any(changed(path) != known for path, known in self._folders.items())

    def searched(
        self,
        files: Mapping[str, Source],
        looks: Mapping[str, Seen],
        folders: Mapping[str, Optional[int]],
        now: float,
        took: float,
    ) -> None:
        """Choose anew after a full search that took so many seconds; `folders` as they looked before it."""
        latest = sorted((path for path in files if path in looks), key=lambda path: looks[path].mtime_ns)[-HOT:]
        self.files = {path: files[path] for path in latest}
        parents = {os.path.dirname(path) for path in latest}
        parents |= {os.path.dirname(parent) for parent in parents}
        # also those without a file yet: that of an agent just installed, of a new project, of a session's sub-agents
        missing = [folder for folder, time_ns in folders.items() if time_ns is None]
        hot = sorted(folders, key=lambda folder: folders[folder] or 0)[-HOT:]
        self._folders = {folder: changed(folder) for folder in parents - folders.keys()}
        self._folders.update((folder, folders[folder]) for folder in {*missing, *hot, *(parents & folders.keys())})
        self._due = now + max(SEARCH, SEARCH_SHARE * took)
        self._not_before = now + max(HURRY, HURRY_SHARE * took)
