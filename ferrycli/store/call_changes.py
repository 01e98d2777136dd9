"""Calls as a command changes them: what one truly cost, where an operator knows better."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferrycli.store import changes, corrections, reads, terms_changes


@dataclass(frozen=True, slots=True)
class Corrected:
    """A call before and after; amounts in nano-dollars."""

    id: str
    was_nanousd: int | None
    """None: it had no price."""
    cost_nanousd: int
    doubt_nanousd: int
    """What it might have cost besides, and what is in doubt no more."""
    is_new: bool
    """Whether anything is other than it was."""


def correct_call(path: Path, id: str, cost_nanousd: int, note: str = "") -> Corrected:
    """Say what a call truly cost, in every window that it counts in; its doubt is over.

    `id` may be the beginning of one. Raises `NoSuchCall`, `IdAmbiguous`, or `CallNotEnded`.
    """
    with changes.changing(path) as session:
        connection = terms_changes.raw(session)
        row = reads.call(connection, id)
        correction_id = changes.make_ids().make().text("corr")
        is_new = corrections.correct_to(
            connection, row.seq, cost_nanousd, note, "operator", correction_id, changes.now_us()
        )
    return Corrected(row.id, row.cost_nanousd, cost_nanousd, row.doubt_nanousd, is_new)
