"""Every model that can be called now, worked out beside the server by its own functions.

Reads one moment of the database; no provider is asked, and no command is run for a key.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferrycli.prices.cards import Cards
from ferrycli.proxy.listing import entries
from ferrycli.proxy.snapshot import Providers, Snapshot
from ferrycli.rules.errors import NoCredential, NoDatabase, NoSuchKey
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.models import ModelEntry
from ferrycli.settings import Provider, Settings, credential
from ferrycli.store import books as booklet
from ferrycli.store import reads
from ferrycli.store.books import Books


@dataclass(frozen=True, slots=True)
class Listed:
    """Models, and the providers whose models are left out."""

    entries: tuple[ModelEntry, ...]
    without_key: tuple[str, ...] = ()
    """Providers that cannot be called for want of a credential."""


def listed(settings: Settings, key: str | None, now_us: int) -> Listed:
    """What can be called by `key`, its name or the beginning of its id; None: by any.

    Raises `NoSuchKey`, `BadKey` for one that makes no calls, and what reading raises.
    """
    books, terms = _read(settings, key)
    if terms is not None:
        terms.check(now_us)
    without_key = tuple(one.name for one in settings.providers if not _has_key(one, settings))
    usable = [one for one in settings.providers if one.name not in without_key]
    if settings.providers and not usable:
        return Listed((), without_key)
    snapshot = Snapshot(books, Cards(books.overrides), Providers.of(usable))
    return Listed(tuple(entries(snapshot, terms, now_us)), without_key)


def _read(settings: Settings, key: str | None) -> tuple[Books, KeyTerms | None]:
    try:
        with reads.opened(settings.database) as connection:
            books = booklet.load(connection)
            return books, None if key is None else books.keys_by_id[reads.key(connection, key).id]
    except NoDatabase:
        if key is not None:
            raise NoSuchKey(key, ()) from None
        return Books(), None


def _has_key(provider: Provider, settings: Settings) -> bool:
    """Whether its credential can be had; what a command would print is not asked for."""
    if provider.kind == "sim" or provider.api_key_cmd:
        return True
    try:
        credential(provider, settings.environment)
    except NoCredential:
        return False
    return True
