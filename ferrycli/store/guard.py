"""Notices that the database was deleted or replaced under a running server.

The system lets a process write to a deleted file as if nothing were wrong, and all of it is gone
with the process. So before each transaction the files are looked at: are they still ours?
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path


class FileGuard:
    """The database and its WAL, as they were when the guard was made."""

    def __init__(self, path: Path) -> None:
        files = (path, path.with_name(f"{path.name}-wal"))
        self._inodes = {os.fspath(one): one.stat().st_ino for one in files}

    def check(self) -> None:
        """Raise sqlite3.OperationalError where a file is gone or is another one."""
        for path, inode in self._inodes.items():
            try:
                is_same = os.stat(path).st_ino == inode
            except OSError:
                is_same = False
            if not is_same:
                raise sqlite3.OperationalError(
                    f"{Path(path).name} was deleted or replaced while ferry ran; stop it, put the"
                    " file back, start again"
                )
