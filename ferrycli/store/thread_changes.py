"""Threads as a command changes them: let go on after the loop guard stopped them."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import col, delete

from ferrycli.store import changes
from ferrycli.store.tables_control import ThreadRelease

KEPT_US = 30 * 24 * 3600 * 1_000_000
"""Releases older than this go: the guard looks back a day at the most."""


def release_thread(path: Path, thread: str) -> int:
    """Let a thread begin anew for the loop guard; when, in UTC microseconds."""
    id = changes.make_ids().make()
    with changes.changing(path) as session:
        older = delete(ThreadRelease).where(col(ThreadRelease.released_at) < id.at_us - KEPT_US)
        session.exec(older)
        session.add(ThreadRelease(id=id.text("tr"), thread=thread, released_at=id.at_us))
    return id.at_us
