"""What a selector names in this database, and whether any call can match it.

A selector is written with a key's name and kept with its id. One that can match nothing (an unknown
key, provider or route, or what the key's own policies rule out) is refused before anything changes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ferrycli.rules.attribution import Policy
from ferrycli.rules.errors import BadSelector, IdAmbiguous, NoSuchKey, RuleUnknownName
from ferrycli.rules.meters import METER
from ferrycli.rules.routing import ProviderTerms, accepts
from ferrycli.rules.selectors import ANY, Selector, contradiction, may_be_missing
from ferrycli.rules.thresholds import Rule

_KEY = "SELECT id, name, role, owner, policies, models, revoked_at FROM keys"


@dataclass(frozen=True, slots=True)
class KeyNamed:
    """A key as far as selectors have to know it."""

    id: str
    name: str
    role: str
    owner: str
    policies: Mapping[str, Policy]
    models: tuple[str, ...]
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """A selector whose names exist."""

    selector: Selector
    """As a person writes it, with the key's name."""
    pairs: tuple[tuple[str, str], ...]
    """As it is kept, with the key's id."""
    key: KeyNamed | None
    """The one key that it names."""

    @property
    def own_key_id(self) -> str:
        """The id of the key where it names that and nothing else; else empty."""
        return self.key.id if self.key is not None and len(self.pairs) == 1 else ""


def chosen(connection: sqlite3.Connection, selector: Selector) -> Chosen:
    """`selector` with its key looked up by name, id or the beginning of one. Raises `NoSuchKey`."""
    wanted = dict(selector.pairs).get("key", ANY)
    if wanted == ANY:
        return Chosen(selector, selector.pairs, None)
    key = find_key(connection, wanted)
    return Chosen(Selector(_with_key(selector, key.name)), _with_key(selector, key.id), key)


def _with_key(selector: Selector, value: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value if name == "key" else other) for name, other in selector.pairs)


def find_key(connection: sqlite3.Connection, name: str) -> KeyNamed:
    """The key of this name, or whose id begins so. Raises `NoSuchKey` or `IdAmbiguous`."""
    row = connection.execute(f"{_KEY} WHERE name = ?", (name,)).fetchone()
    if row is None and len(name) > len("key_"):
        query = f"{_KEY} WHERE substr(id, 1, ?) = ? LIMIT 2"
        rows = connection.execute(query, (len(name), name)).fetchall()
        if len(rows) > 1:
            raise IdAmbiguous("key", name, len(rows))
        row = rows[0] if rows else None
    if row is None:
        names = connection.execute("SELECT name FROM keys")
        raise NoSuchKey(name, tuple(one[0] for one in names))
    return _key(tuple(row))


def _key(row: tuple[str, str, str, str, str, str, int | None]) -> KeyNamed:
    id, name, role, owner, policies, models, revoked_at = row
    said = {one: Policy(*pair) for one, pair in json.loads(policies).items()}
    return KeyNamed(id, name, role, owner, said, tuple(json.loads(models)), revoked_at is not None)


def check_possible(
    connection: sqlite3.Connection, found: Chosen, providers: Collection[str] | None
) -> None:
    """Raise `BadSelector` where no call can match. `providers`: those configured; None: any."""
    for dimension, value in found.selector.pairs:
        if value in ("", ANY):
            continue
        if dimension == "provider" and providers is not None and value not in providers:
            raise _bad(found, dimension, "no provider is configured as", value, providers)
        if dimension == "route" and value not in (known := route_names(connection)):
            raise _bad(found, dimension, "there is no route", value, known)
    if found.key is not None:
        _check_key(found, found.key)


def check_configured(
    connection: sqlite3.Connection,
    found: Chosen,
    providers: Sequence[ProviderTerms] | None,
    *,
    counts_events: bool = False,
) -> None:
    """As `check_possible`, and `model` is one that a provider may be sent. None: any.

    `counts_events`: `meter` is a provider too, and a meter that has a price one of its models.
    """
    wanted = dict(found.selector.pairs)
    model, provider = wanted.get("model", ANY), wanted.get("provider", ANY)
    if counts_events and provider == METER:
        providers = None
    names = None if providers is None else [one.name for one in providers]
    check_possible(connection, found, names)
    if model in ("", ANY) or not providers:
        return
    asked = [one for one in providers if provider in ("", ANY, one.name)]
    is_known = counts_events and provider == ANY and _has_price(connection, model)
    if not is_known and not any(accepts(one, model) for one in asked):
        who = (
            "no provider lists" if provider in ("", ANY) else f"provider `{provider}` does not list"
        )
        globs = [glob for one in asked for glob in one.models]
        raise _bad(found, "model", f"{who} the model", model, globs)


def _has_price(connection: sqlite3.Connection, meter: str) -> bool:
    """Whether a meter of this name was ever priced."""
    rows = connection.execute("SELECT model FROM rates WHERE provider = ?", (METER,))
    return any(fnmatchcase(meter, glob) for (glob,) in rows)


def _check_key(found: Chosen, key: KeyNamed) -> None:
    if key.is_revoked:
        raise _bad(found, "key", f"key `{key.name}` is revoked and makes no calls")
    if key.role != "call":
        raise _bad(found, "key", f"key `{key.name}` has the role `{key.role}` and makes no calls")
    if (why := contradiction(found.selector, key.policies)) is not None:
        raise _bad(found, "key", why)
    wanted = dict(found.selector.pairs)
    provider, model = wanted.get("provider", ANY), wanted.get("model", ANY)
    # What a key may call says nothing of the events that it tells.
    if (
        key.models
        and provider != METER
        and not any(_may_be(glob, provider, model) for glob in key.models)
    ):
        raise _bad(found, "key", f"key `{key.name}` may use other models only")


def _may_be(glob: str, provider: str, model: str) -> bool:
    """Whether something that a key's glob allows is of this provider and model; `*`: any."""
    left, slash, right = glob.partition("/")
    if not slash:
        return model == ANY or fnmatchcase(model, glob)
    if provider != ANY and model != ANY:
        return fnmatchcase(f"{provider}/{model}", glob)
    # A star before the slash may reach over it, into the model's own name.
    is_open = "*" in left
    if provider != ANY:
        return is_open or fnmatchcase(provider, left)
    return model == ANY or fnmatchcase(model, f"*{right}" if is_open else right)


def _bad(
    found: Chosen, dimension: str, why: str, name: str = "", known: Iterable[str] = ()
) -> BadSelector:
    text = str(found.selector)
    at = max(text.find(f"{dimension}="), 0)
    # With nothing to offer, the name has to stand in the sentence itself.
    known = tuple(sorted(known))
    return BadSelector(text, at, why if known or not name else f"{why} `{name}`", name, known)


def route_names(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The routes that there are."""
    rows = connection.execute("SELECT name FROM routes WHERE removed_at IS NULL ORDER BY name")
    return tuple(row[0] for row in rows)


def check_names(
    connection: sqlite3.Connection, rules: Iterable[Rule], channels: Collection[str] | None
) -> None:
    """Raise `RuleUnknownName` for a rule's route or channel that does not exist.

    `channels`: those configured; None: any.
    """
    known: tuple[str, ...] | None = None
    for rule in rules:
        if rule.route:
            known = route_names(connection) if known is None else known
            if rule.route not in known:
                raise RuleUnknownName(str(rule), "route", rule.route, known)
        for name in rule.channels:
            if channels is not None and name not in channels:
                raise RuleUnknownName(str(rule), "channel", name, tuple(sorted(channels)))


def left_out(connection: sqlite3.Connection, selector: Selector) -> tuple[str, ...]:
    """Dimensions with `*` that calls of some key may be without, so that they count nowhere."""
    if not selector.is_each:
        return ()
    wanted = dict(selector.pairs).get("key", ANY)
    rows = connection.execute(f"{_KEY} WHERE revoked_at IS NULL AND role = 'call'")
    keys = [_key(tuple(row)) for row in rows]
    return may_be_missing(selector, [one.policies for one in keys if wanted in (ANY, one.name)])
