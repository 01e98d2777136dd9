"""What commands change: keys, their budgets and prices, through the table classes.

Each change is one short transaction begun with `BEGIN IMMEDIATE`, so that a running server, which
waits 250 ms at most, is never held up. Triggers move `meta.epoch`; the server sees it at once.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, col, select

from ferrycli.rules.attribution import Policy
from ferrycli.rules.clean import safe
from ferrycli.rules.errors import (
    DatabaseLocked,
    DatabaseUnusable,
    IdAmbiguous,
    NameTaken,
    NoSuchKey,
)
from ferrycli.rules.keys import PREFIX, compose
from ferrycli.rules.pricing import Rate
from ferrycli.rules.windows import Allowance
from ferrycli.store import migrations
from ferrycli.store.connect import open_writer
from ferrycli.store.ids import IdMaker
from ferrycli.store.tables import Budget, Key, RateOverride

SECRET_BITS = 178
"""What 30 characters of base 62 can carry."""


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """A key to be made. Times in UTC microseconds."""

    name: str = ""
    """Empty: made from tenant and feature."""
    owner: str = ""
    role: str = "call"
    policies: Mapping[str, Policy] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    expires_at: int | None = None
    allowance: Allowance | None = None
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made. `secret` is nowhere else: only its hash is kept."""

    id: str
    name: str
    secret: str
    last4: str


@dataclass(frozen=True, slots=True)
class KeyEdit:
    """What to change of a key; None leaves a field as it is."""

    name: str | None = None
    owner: str | None = None
    policies: Mapping[str, Policy] | None = None
    """Replaces the policies of the dimensions that it names."""
    models: tuple[str, ...] | None = None
    expires_at: int | None = None
    never_expires: bool = False
    allowance: Allowance | None = None
    removes_budget: bool = False
    zone: str = "UTC"


def now_us() -> int:
    """UTC microseconds."""
    return time.time_ns() // 1000


def make_ids() -> IdMaker:
    """An id maker on the system's clock and chance."""
    return IdMaker(now_us, secrets.randbits)


def prepare(path: Path) -> list[str]:
    """Make or migrate the database; the names of the migrations that were applied."""
    connection = open_writer(path)
    try:
        return migrations.migrate(connection, path, now_us())
    finally:
        connection.close()


@contextmanager
def changing(path: Path) -> Iterator[Session]:
    """A session in one immediate transaction, committed at the end.

    Raises `DatabaseLocked` where another holds it for `WRITER_BUSY_MS`, and `DatabaseUnusable`.
    """
    prepare(path)

    def connect() -> sqlite3.Connection:
        return open_writer(path)

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with Session(engine, expire_on_commit=False) as session:
            yield session
            session.commit()
    except OperationalError as error:
        why = str(error.orig)
        if "locked" in why:
            raise DatabaseLocked(str(path), "another process") from error
        raise DatabaseUnusable(str(path), why) from error
    finally:
        engine.dispose()


def create_key(path: Path, plan: KeyPlan, ids: IdMaker | None = None) -> NewKey:
    """Make a key and its budget, now or on the clock of `ids`. Raises `NameTaken`."""
    ids = ids or make_ids()
    secret = compose(secrets.randbits(SECRET_BITS))
    id = ids.make()
    with changing(path) as session:
        name = safe(plan.name) or _free_name(session, plan.policies)
        if session.exec(select(Key).where(Key.name == name)).first() is not None:
            raise NameTaken("key", name)
        key = Key(
            id=id.text("key"),
            name=name,
            secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
            prefix=PREFIX,
            last4=secret[-4:],
            role=plan.role,
            owner=safe(plan.owner),
            policies=_policies_json(plan.policies),
            models=json.dumps(plan.models),
            created_at=id.at_us,
            expires_at=plan.expires_at,
        )
        session.add(key)
        if plan.allowance is not None:
            session.add(_key_budget(ids, key, plan.allowance, plan.zone))
        return NewKey(key.id, key.name, secret, key.last4)


def edit_key(path: Path, name: str, edit: KeyEdit) -> str:
    """Change a key; its id. Raises `NoSuchKey` or `NameTaken`."""
    with changing(path) as session:
        key = _find(session, name)
        if (name_wanted := safe(edit.name or "")) and name_wanted != key.name:
            if session.exec(select(Key).where(Key.name == name_wanted)).first() is not None:
                raise NameTaken("key", name_wanted)
            key.name = name_wanted
        if edit.owner is not None:
            key.owner = safe(edit.owner)
        if edit.policies is not None:
            merged = json.loads(key.policies) | json.loads(_policies_json(edit.policies))
            key.policies = json.dumps(merged)
        if edit.models is not None:
            key.models = json.dumps(edit.models)
        if edit.never_expires or edit.expires_at is not None:
            key.expires_at = None if edit.never_expires else edit.expires_at
        key.version += 1
        session.add(key)
        _edit_budget(session, key, edit)
        return key.id


def revoke_key(path: Path, name: str) -> str:
    """End a key at once, for good; its id. Revoking twice keeps the first time."""
    with changing(path) as session:
        key = _find(session, name)
        if key.revoked_at is None:
            key.revoked_at = now_us()
            key.version += 1
            session.add(key)
        return key.id


def set_price(
    path: Path, provider: str, model_glob: str, rate: Rate, *, from_us: int = 0, tier: str = ""
) -> str:
    """Set what a model costs; the override's id. An equal glob's earlier price stays in the past.

    Replaces (marks removed) an override of the same provider, glob, tier and start.
    """
    with changing(path) as session:
        same = select(RateOverride).where(
            RateOverride.provider == provider,
            RateOverride.model == model_glob,
            RateOverride.tier == tier,
            RateOverride.from_at == from_us,
            col(RateOverride.removed_at).is_(None),
        )
        for earlier in session.exec(same):
            earlier.removed_at = now_us()
            session.add(earlier)
        row = RateOverride(
            id=make_ids().make().text("rate"),
            provider=provider,
            model=model_glob,
            tier=tier,
            from_at=from_us,
            created_at=now_us(),
            **asdict(rate),
        )
        session.add(row)
        return row.id


def _find(session: Session, name: str) -> Key:
    if (named := session.exec(select(Key).where(Key.name == name)).first()) is not None:
        return named
    found = []
    if len(name) > len("key_"):
        found = list(session.exec(select(Key).where(col(Key.id).startswith(name, autoescape=True))))
    if len(found) > 1:
        raise IdAmbiguous("key", name, len(found))
    if not found:
        raise NoSuchKey(name, tuple(session.exec(select(Key.name))))
    return found[0]


def _free_name(session: Session, policies: Mapping[str, Policy]) -> str:
    """`acme-support-bot`, then `acme-support-bot-2`, from what the key pins."""
    parts = [policies[name].value for name in ("tenant", "feature") if name in policies]
    stem = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-") or "key"
    taken = set(session.exec(select(Key.name)))
    number = 1
    name = stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def _policies_json(policies: Mapping[str, Policy]) -> str:
    return json.dumps({name: [one.mode, one.value] for name, one in policies.items()})


def _key_budget(ids: IdMaker, key: Key, allowance: Allowance, zone: str) -> Budget:
    id = ids.make()
    return Budget(
        id=id.text("b"),
        selector=f"key={key.name}",
        subject=json.dumps([["key", key.id]]),
        key_id=key.id,
        limit_nanousd=allowance.limit_nanousd,
        period=allowance.period,
        zone=zone,
        counts_from=id.at_us,
        created_at=id.at_us,
    )


def _edit_budget(session: Session, key: Key, edit: KeyEdit) -> None:
    """A new limit moves the budget that is there; a new period or zone is a new budget."""
    query = select(Budget).where(Budget.key_id == key.id, col(Budget.removed_at).is_(None))
    current = list(session.exec(query))
    for budget in current:
        budget.selector = f"key={key.name}"
        is_kept = edit.allowance is None or (
            (edit.allowance.period, edit.zone) == (budget.period, budget.zone)
        )
        if edit.removes_budget or not is_kept:
            budget.removed_at = now_us()
        elif edit.allowance is not None:
            budget.limit_nanousd = edit.allowance.limit_nanousd
        budget.revision += 1
        session.add(budget)
    if edit.allowance is not None and all(one.removed_at is not None for one in current):
        session.add(_key_budget(make_ids(), key, edit.allowance, edit.zone))
