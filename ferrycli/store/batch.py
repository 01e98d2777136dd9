"""One transaction for all messages of a moment: judge, write rows and windows, or change nothing.

Invariants: standings in memory equal the windows table after every commit; whatever fails drops
them, and they are read again; a message is answered only after COMMIT. Source: docs/money.md,
section 5, "The batch".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ferrycli.store import books as booklet
from ferrycli.store.draft import Draft
from ferrycli.store.memory import Memory
from ferrycli.store.messages import Admit, Message, Verdict


class Desk(Memory):
    """Where messages are judged, on the ledger thread's own connection."""

    def refresh(self) -> bool:
        """Read the books again if another connection has committed; whether one had."""
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return False
        self.till.forget()
        self.alarms.forget()
        self.period.forget()
        self.has_moved = True
        if booklet.read_epoch(self.connection) != self.books.epoch:
            before = self.books
            self.books = self._load()
            # Another limit, or less money, may be one that is reached already.
            self._unchecked = (
                *self._unchecked,
                *(
                    one
                    for one in self.books.budgets.values()
                    if before.budgets.get(one.id) != one
                    or before.grants.get(one.id) != self.books.grants.get(one.id)
                ),
            )
        self._version = version
        return True

    def process(
        self, messages: Iterable[Message], waiting: Sequence[Admit] = ()
    ) -> list[Verdict | None]:
        """Carry out `messages` in order in one transaction, then ask for those that wait again.

        A verdict for each message and then for each of `waiting`; None where nothing was asked.
        Raises sqlite3.Error, having changed nothing, in the file or in memory.
        """
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            # After BEGIN: read before it, another's commit could fall between the two.
            self.refresh()
            draft = Draft(self)
            verdicts = draft.judge(messages, waiting)
            draft.check(self._unchecked)
            draft.write()
            self.connection.execute("COMMIT")
        except BaseException:
            self.forget()
            raise
        self._accept(draft)
        return verdicts

    def _accept(self, draft: Draft) -> None:
        """What was drafted is committed."""
        self._unchecked = ()
        self.has_moved = False
        self.till.accept(draft.change)
        if draft.has_corrected:
            self.till.forget()
            self.alarms.forget()
        self._open.update(draft.opened)
        self.calls_admitted += draft.admitted
        for seq in draft.closed:
            self._open.pop(seq, None)
        self.last_used.update(draft.used)
        self.sequence = draft.sequence
        self.limiter.commit()
        if draft.has_learned:
            self.learned.written()
            self.manners.written()
        for answer in draft.endings.answers:
            self.learned.note(*answer)
        for answered in draft.endings.answered:
            self.manners.note(answered)

    def forget(self) -> None:
        """Undo an open transaction and drop what is in memory: it is read again from the file."""
        self.till.forget()
        self.alarms.forget()
        self.storms.forget()
        self.limiter.rollback()
        self._version = -1
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
