"""One server per database file: a lock of the operating system, held for the server's life.

The lock ends with its process, however that ends, so a crash never locks anybody out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Self

from ferrycli.rules.errors import DatabaseUnusable, ServerRunning

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


HOLDER_BYTES_MAX = 200
_LOCKED_BYTE = 1 << 20
"""Windows locks bytes, and a locked one cannot be read: it is one that no holder line reaches."""


class ServerLock:
    """The right to serve one database file, from `acquire` until `release` or death."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, database: Path, holder: str) -> Self:
        """Take the lock beside `database` and leave `holder` (who we are) in it.

        Raises `ServerRunning` naming who has it.
        """
        path = database.with_name(f"{database.name}.server")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise DatabaseUnusable(str(database), (error.strerror or "").lower()) from None
        try:
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            _lock(descriptor)
        except OSError:
            os.lseek(descriptor, 0, os.SEEK_SET)
            other = os.read(descriptor, HOLDER_BYTES_MAX).decode("utf-8", "replace").strip()
            os.close(descriptor)
            raise ServerRunning(str(database), other or "another process") from None
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, holder.encode()[:HOLDER_BYTES_MAX])
        return cls(descriptor)

    def release(self) -> None:
        """Give the right back. The file stays: removing it would race with the next server."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
