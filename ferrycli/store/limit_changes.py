"""Limits per minute and at once, as commands change them: on a key, or on a selector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlmodel import Session, col, select

from ferrycli.rules.routing import ProviderTerms
from ferrycli.rules.selectors import Selector
from ferrycli.store import changes, selecting, terms_changes
from ferrycli.store.planning import Limits
from ferrycli.store.selecting import Chosen
from ferrycli.store.tables import Key
from ferrycli.store.tables_control import Limit
from ferrycli.store.terms import pairs_text


def set_limits(
    path: Path,
    selector: Selector,
    limits: Limits,
    providers: Sequence[ProviderTerms] | None = None,
) -> Limits:
    """Set limits of what matches `selector`; all that now hold, None where there is none.

    Raises `NoSuchKey`, or `BadSelector` where no call can match.
    """
    changes.prepare(path)
    with changes.changing(path) as session:
        found = selecting.chosen(terms_changes.raw(session), selector)
        selecting.check_configured(terms_changes.raw(session), found, providers)
        now_us = changes.now_us()
        if found.own_key_id:
            key = session.get_one(Key, found.own_key_id)
            terms_changes.apply_limits(key, limits)
            key.version += 1
            session.add(key)
            return _held(key)
        row = _limit(session, found)
        if row is None:
            row = Limit(
                id=changes.make_ids().make().text("l"),
                selector=str(found.selector),
                subject=pairs_text(found.pairs),
                created_at=now_us,
                revision=0,
            )
        before = _held(row)
        terms_changes.apply_limits(row, limits)
        if _held(row) != before:
            row.removed_at = None if _held(row) else now_us
            terms_changes.change(session, row, now_us)
        return _held(row)


def _held(row: Key | Limit) -> Limits:
    return Limits(row.rpm, row.tpm, row.parallel_max)


def _limit(session: Session, found: Chosen) -> Limit | None:
    query = select(Limit).where(
        Limit.subject == pairs_text(found.pairs), col(Limit.removed_at).is_(None)
    )
    return session.exec(query).first()
