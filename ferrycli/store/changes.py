"""What commands change of keys and prices, through the table classes.

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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import configure_mappers
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, col, select

from ferrycli.rules.attribution import Policy
from ferrycli.rules.clean import safe
from ferrycli.rules.errors import (
    DatabaseLocked,
    DatabaseUnusable,
    IdAmbiguous,
    KeyRevoked,
    NameTaken,
    NoSuchKey,
)
from ferrycli.rules.keys import PREFIX, compose
from ferrycli.rules.pricing import Rate
from ferrycli.rules.selectors import Selector
from ferrycli.rules.windows import Allowance
from ferrycli.store import migrations, plan_changes, selecting, terms_changes
from ferrycli.store.connect import open_reader, open_writer
from ferrycli.store.ids import IdMaker
from ferrycli.store.plan_changes import Prepared
from ferrycli.store.planning import (
    NO_LIMITS,
    NO_POLICY,
    BudgetPlan,
    BudgetPolicy,
    Limits,
    Money,
    aim_of,
    tally_of,
)
from ferrycli.store.tables import Key, RateOverride

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
    balance_nanousd: int | None = None
    """The first grant of a prepaid budget of its own."""
    policy: BudgetPolicy = NO_POLICY
    """Of the budget, or of the balance where it has that alone."""
    limits: Limits = NO_LIMITS


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
    """Every budget of its own, a balance included."""
    zone: str = "UTC"
    balance_nanousd: int | None = None
    policy: BudgetPolicy = NO_POLICY
    limits: Limits = NO_LIMITS


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

    # What a first statement would do, under the lock.
    configure_mappers()
    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with Session(engine, expire_on_commit=False) as session:
            # The lock from here on: what counts from now must not miss what was admitted meanwhile.
            session.connection()
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
    """Make a key and its budgets, now or on the clock of `ids`.

    Raises `NameTaken`, and what is wrong with the budgets.
    """
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
        terms_changes.apply_limits(key, plan.limits)
        session.add(key)
        session.flush()
        for budget in _budget_plans(key.id, key.owner, plan, counts_from_now=True):
            plan_changes.carry_out(session, Prepared(budget), ids, id.at_us)
        return NewKey(key.id, key.name, secret, key.last4)


def edit_key(path: Path, name: str, edit: KeyEdit) -> str:
    """Change a key; its id. Raises `NoSuchKey`, `NameTaken`, and what is wrong with its budgets."""
    prepare(path)
    while True:
        prepared = _prepared(path, name, edit)
        with suppress(plan_changes.Moved):
            return _edited(path, name, edit, prepared)


def _edited(path: Path, name: str, edit: KeyEdit, prepared: Sequence[Prepared]) -> str:
    with changing(path) as session:
        now = now_us()
        key = _find(session, name)
        was_owner = key.owner
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
        terms_changes.apply_limits(key, edit.limits)
        key.version += 1
        session.add(key)
        session.flush()
        terms_changes.rename_key(session, key.id, key.name, now)
        terms_changes.hand_over(session, key.id, was_owner, key.owner, now)
        if edit.removes_budget:
            terms_changes.end_own(session, key.id, now)
        elif edit.allowance is not None:
            terms_changes.end_other(session, key.id, edit.allowance.period, now)
        for one in prepared:
            plan_changes.carry_out(session, one, make_ids(), now)
        return key.id


def rotate_key(path: Path, name: str, grace_until: int | None = None) -> NewKey:
    """Give a key another secret; its id, its budgets and its reports stay.

    The secret before opens until `grace_until`, in UTC microseconds; None: no longer. One that was
    rotated away earlier opens no longer. Raises `NoSuchKey`, or `KeyRevoked`.
    """
    secret = compose(secrets.randbits(SECRET_BITS))
    with changing(path) as session:
        key = _find(session, name)
        if key.revoked_at is not None:
            raise KeyRevoked(key.name)
        has_grace = grace_until is not None and grace_until > now_us()
        key.previous_sha256 = key.secret_sha256 if has_grace else ""
        key.previous_last4 = key.last4
        key.previous_until = grace_until if has_grace else None
        key.secret_sha256 = hashlib.sha256(secret.encode()).hexdigest()
        key.last4 = secret[-4:]
        key.version += 1
        session.add(key)
        return NewKey(key.id, key.name, secret, key.last4)


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


def _budget_plans(
    key_id: str, owner: str, plan: KeyPlan | KeyEdit, *, counts_from_now: bool
) -> Iterator[BudgetPlan]:
    """The budgets that a key's plan or edit asks for; a policy alone changes what is there."""
    policy, allowance = plan.policy, plan.allowance
    bare = BudgetPlan(
        selector=Selector((("key", key_id),)),
        zone_default=plan.zone,
        channels=policy.channels,
        owner_default=owner,
    )
    ruled = replace(bare, rules=policy.rules, mode=policy.mode, clamp=policy.clamp)
    if allowance is not None:
        limit = replace(ruled, limit_nanousd=allowance.limit_nanousd, period=allowance.period)
        yield replace(limit, counts_from_now=counts_from_now)
    if plan.balance_nanousd is not None:
        money = Money(plan.balance_nanousd, "first grant")
        yield replace(bare if allowance is not None else ruled, balance=money)
    elif allowance is None and policy:
        yield ruled


def _prepared(path: Path, name: str, edit: KeyEdit) -> list[Prepared]:
    """What an edit makes of budgets, with what is counted back, before the lock is taken."""
    with closing(open_reader(path)) as reader:
        now = now_us()
        key = selecting.find_key(reader, name)
        owner = key.owner if edit.owner is None else safe(edit.owner)
        found = []
        for plan in _budget_plans(key.id, owner, edit, counts_from_now=False):
            aim = aim_of(reader, plan, now)
            found.append(Prepared(plan, tally_of(reader, plan, aim, now)))
        return found
