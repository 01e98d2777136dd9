"""What commands change: keys, budgets and prices, each whole, and no secret ever in the file."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.attribution import Policy
from ferrycli.rules.errors import (
    DatabaseLocked,
    DatabaseUnusable,
    IdAmbiguous,
    NameTaken,
    NoSuchKey,
)
from ferrycli.rules.keys import is_well_formed
from ferrycli.rules.pricing import Rate
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes, plan_changes, reads
from ferrycli.store.changes import KeyEdit, KeyPlan
from ferrycli.store.connect import open_writer
from tests.store.kit import (
    NOON,
    PYTHON,
    SECOND_US,
    USD,
    Clock,
    Ids,
    admit,
    locking,
    looking,
    make_key,
    rows,
    running,
    settled,
    staged,
)


def epoch(path: Path) -> int:
    (found,) = rows(path, "SELECT value FROM meta WHERE name = 'epoch'")
    return int(found["value"])


def budgets(path: Path) -> list[dict[str, Any]]:
    return rows(path, "SELECT * FROM budgets ORDER BY created_at, id")


def key_of(path: Path, name: str) -> dict[str, Any]:
    (found,) = [one for one in rows(path, "SELECT * FROM keys") if one["name"] == name]
    return found


def bytes_beside(path: Path) -> bytes:
    """Database, WAL and all, read by another process: closing a descriptor here ends our locks."""
    script = (
        "import pathlib, sys\n"
        "for file in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    sys.stdout.buffer.write(file.read_bytes())\n"
    )
    found = subprocess.run(
        [PYTHON, "-c", script, str(path.parent)], capture_output=True, check=True
    )
    return found.stdout


def modes_beside(path: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}


@staged
async def test_secret_of_a_key_is_nowhere_in_the_files(path: Path, clock: Clock, ids: Ids) -> None:
    made = make_key(path, budget="5/month")
    seen = b""
    async with running(path, clock) as ledger:
        new = ids.make()
        await ledger.admit(admit(new, made.id, ledger.books.epoch))
        ledger.settle_soon(settled(new, 5))
        await ledger.refresh()
        seen += bytes_beside(path)
    assert made.id.encode() in seen, "the files that were looked at are the right ones"
    assert made.secret.encode() not in seen
    assert made.secret[3:].encode() not in seen
    assert made.secret[3:20].encode() not in seen
    assert hashlib.sha256(made.secret.encode()).hexdigest().encode() in seen


def test_key_is_kept_as_it_was_planned(path: Path) -> None:
    plan = KeyPlan(
        name="acme-web",
        owner="ops\u202e@acme",
        role="read",
        policies={"tenant": Policy.of("pin", "acme"), "thread": Policy.of("deny")},
        models=("openai/*", "m-1"),
        expires_at=NOON + SECOND_US,
    )
    made = changes.create_key(path, plan)
    assert is_well_formed(made.secret)
    found = key_of(path, "acme-web")
    wanted = {
        "id": made.id,
        "secret_sha256": hashlib.sha256(made.secret.encode()).hexdigest(),
        "prefix": "fk_",
        "last4": made.secret[-4:],
        "role": "read",
        "owner": "ops@acme",
        "created_at": NOON,
        "expires_at": NOON + SECOND_US,
        "revoked_at": None,
        "last_used_at": None,
        "version": 1,
    }
    assert {name: found[name] for name in wanted} == wanted
    assert json.loads(found["policies"]) == {"tenant": ["pin", "acme"], "thread": ["deny", ""]}
    assert json.loads(found["models"]) == ["openai/*", "m-1"]
    assert budgets(path) == []


def test_budget_of_a_key_is_of_that_key_alone_and_strict(path: Path) -> None:
    made = make_key(path, "acme", "12.50/week", "Europe/Berlin")
    (found,) = budgets(path)
    wanted = {
        "selector": "key=acme",
        "key_id": made.id,
        "limit_nanousd": 12 * USD + USD // 2,
        "period": "week",
        "zone": "Europe/Berlin",
        "mode": "strict",
        "clamp": "unset",
        "counts_from": NOON,
        "removed_at": None,
    }
    assert {name: found[name] for name in wanted} == wanted
    assert json.loads(found["subject"]) == [["key", made.id]]


@pytest.mark.parametrize(
    ("policies", "names"),
    [
        ({"tenant": "Acme Inc.", "feature": "Support Bot"}, ["acme-inc-support-bot"]),
        ({"tenant": "acme"}, ["acme", "acme-2", "acme-3"]),
        ({"feature": "chat"}, ["chat", "chat-2"]),
        ({}, ["key", "key-2"]),
        ({"tenant": "日本"}, ["key"]),
        ({"user": "ann"}, ["key"]),
    ],
)
def test_name_is_made_of_what_the_key_pins(
    path: Path, policies: dict[str, str], names: list[str]
) -> None:
    plan = KeyPlan(policies={name: Policy.of("pin", value) for name, value in policies.items()})
    assert [changes.create_key(path, plan).name for _ in names] == names


def test_name_that_is_taken_makes_no_key(path: Path) -> None:
    make_key(path, "acme", "5/month")
    before = rows(path, "SELECT * FROM keys"), budgets(path), epoch(path)
    with pytest.raises(NameTaken) as refused:
        make_key(path, "acme", "9/month")
    assert (refused.value.what, refused.value.name) == ("key", "acme")
    make_key(path, "other")
    with pytest.raises(NameTaken):
        changes.edit_key(path, "other", KeyEdit(name="acme"))
    changes.edit_key(path, "other", KeyEdit(name="other"))
    changes.revoke_key(path, "other")
    with pytest.raises(NameTaken):
        make_key(path, "other")
    kept = [one for one in rows(path, "SELECT * FROM keys") if one["name"] == "acme"]
    assert (kept, budgets(path)) == (before[0], before[1])


@pytest.mark.parametrize("name", ["red\x1b[31m", "a\u202eb", "x" * 5_000])
def test_name_of_a_key_is_clean(path: Path, name: str) -> None:
    made = make_key(path, name)
    assert made.name.isprintable()
    assert len(made.name) <= 200


def test_edit_changes_what_it_names_and_nothing_else(path: Path) -> None:
    plan = KeyPlan(
        name="acme",
        owner="ann",
        policies={"tenant": Policy.of("pin", "acme"), "user": Policy.of("require")},
        models=("m-1",),
        expires_at=NOON + SECOND_US,
        allowance=Allowance.parse("5/month"),
    )
    made = changes.create_key(path, plan)
    before = key_of(path, "acme")
    assert changes.edit_key(path, "acme", KeyEdit()) == made.id
    assert key_of(path, "acme") | {"version": 1} == before
    changes.edit_key(
        path, "acme", KeyEdit(policies={"user": Policy.of("deny"), "thread": Policy.of("require")})
    )
    assert json.loads(key_of(path, "acme")["policies"]) == {
        "tenant": ["pin", "acme"],
        "user": ["deny", ""],
        "thread": ["require", ""],
    }
    changes.edit_key(path, "acme", KeyEdit(models=(), owner="bob\x07", expires_at=NOON + 9))
    found = key_of(path, "acme")
    assert (found["models"], found["owner"], found["expires_at"]) == ("[]", "bob", NOON + 9)
    changes.edit_key(path, "acme", KeyEdit(never_expires=True))
    assert key_of(path, "acme")["expires_at"] is None
    assert key_of(path, "acme")["secret_sha256"] == before["secret_sha256"]


def test_renamed_key_keeps_its_budget_under_the_new_name(path: Path) -> None:
    made = make_key(path, "acme", "5/month")
    changes.edit_key(path, "acme", KeyEdit(name="bolt"))
    (found,) = budgets(path)
    assert (found["selector"], found["key_id"]) == ("key=bolt", made.id)
    assert (found["limit_nanousd"], found["removed_at"]) == (5 * USD, None)


def test_new_limit_moves_the_budget_that_is_there(path: Path) -> None:
    make_key(path, "acme", "5/month")
    (before,) = budgets(path)
    changes.edit_key(path, "acme", KeyEdit(allowance=Allowance.parse("8/month")))
    (after,) = budgets(path)
    assert after == before | {"limit_nanousd": 8 * USD, "revision": 2}


def test_new_period_is_a_new_budget(path: Path, clock: Clock) -> None:
    make_key(path, "acme", "5/month")
    clock.move(60)
    changes.edit_key(path, "acme", KeyEdit(allowance=Allowance.parse("8/day")))
    old, new = budgets(path)
    assert (old["period"], old["removed_at"]) == ("month", clock.now_us)
    assert (new["period"], new["limit_nanousd"], new["removed_at"]) == ("day", 8 * USD, None)
    assert new["id"] != old["id"]
    assert new["counts_from"] == NOON - 12 * 3_600 * SECOND_US


def test_a_budget_keeps_its_zone_where_another_is_configured_now(path: Path) -> None:
    """Only a zone that is named makes another budget beside it."""
    make_key(path, "acme", "5/month", "UTC")
    changes.edit_key(path, "acme", KeyEdit(allowance=Allowance.parse("5/month"), zone="Asia/Tokyo"))
    assert [one["zone"] for one in budgets(path) if one["removed_at"] is None] == ["UTC"]


def test_budget_is_given_taken_and_given_again(path: Path) -> None:
    make_key(path, "acme")
    for limit in (5, 6):
        changes.edit_key(path, "acme", KeyEdit(allowance=Allowance.parse(f"{limit}/month")))
        (live,) = [one for one in budgets(path) if one["removed_at"] is None]
        assert live["limit_nanousd"] == limit * USD
        changes.edit_key(path, "acme", KeyEdit(removes_budget=True))
        assert all(one["removed_at"] is not None for one in budgets(path))
    assert len(budgets(path)) == 2


def test_budget_of_another_key_is_left_alone(path: Path) -> None:
    make_key(path, "one", "5/month")
    make_key(path, "two", "7/month")
    changes.edit_key(path, "one", KeyEdit(allowance=Allowance.parse("1/day"), name="uno"))
    (found,) = [one for one in budgets(path) if one["selector"] == "key=two"]
    assert (found["limit_nanousd"], found["revision"], found["removed_at"]) == (7 * USD, 1, None)


def test_revoking_twice_keeps_the_first_time(path: Path, clock: Clock) -> None:
    made = make_key(path)
    assert changes.revoke_key(path, "acme") == made.id
    before, moved = key_of(path, "acme"), epoch(path)
    clock.move(60)
    assert changes.revoke_key(path, "acme") == made.id
    assert key_of(path, "acme") == before
    assert before["revoked_at"] == NOON
    assert epoch(path) == moved


def test_key_is_found_by_its_name_or_the_beginning_of_its_id(path: Path, clock: Clock) -> None:
    one = make_key(path, "one")
    clock.move(3600)
    two = make_key(path, "two")
    assert changes.revoke_key(path, two.id) == two.id
    assert changes.revoke_key(path, one.id[:20]) == one.id
    with pytest.raises(IdAmbiguous) as ambiguous:
        changes.revoke_key(path, one.id[:6])
    assert ambiguous.value.matches == 2
    with pytest.raises(NoSuchKey) as unknown:
        changes.revoke_key(path, "thr")
    assert set(unknown.value.known) == {"one", "two"}


@pytest.mark.parametrize(
    "name", ["", "key", "key_", "key_%", "key__", "_____", "%%%%%%", "keyX01", "k"]
)
def test_no_pattern_finds_a_key(path: Path, name: str) -> None:
    make_key(path, "one")
    with pytest.raises(NoSuchKey):
        changes.revoke_key(path, name)
    with reads.opened(path) as connection, pytest.raises(NoSuchKey):
        reads.key(connection, name)


def test_name_that_looks_like_the_id_of_another_is_a_name(path: Path) -> None:
    one = make_key(path, "one")
    two = make_key(path, one.id[:12])
    assert changes.revoke_key(path, one.id[:12]) == two.id
    with reads.opened(path) as connection:
        assert reads.key(connection, one.id[:12]).id == two.id


def test_price_that_is_set_again_replaces_the_one_before(path: Path, clock: Clock) -> None:
    first = changes.set_price(path, "up", "m-*", Rate(input=3, output=15))
    clock.move(1)
    second = changes.set_price(path, "up", "m-*", Rate(input=4, output=16, web_search=7))
    found = {one["id"]: one for one in rows(path, "SELECT * FROM rates")}
    assert found[first]["removed_at"] == NOON + SECOND_US
    assert found[second]["removed_at"] is None
    with reads.opened(path) as connection:
        (live,) = reads.overrides(connection)
    assert (live.id, live.provider, live.model_glob) == (second, "up", "m-*")
    assert live.rate == Rate(input=4, output=16, web_search=7)


@pytest.mark.parametrize(
    "more",
    [
        {"provider": "other"},
        {"model_glob": "m-1"},
        {"tier": "flex"},
        {"from_us": NOON},
    ],
)
def test_price_of_another_place_or_time_stands_beside_it(path: Path, more: dict[str, Any]) -> None:
    given: dict[str, Any] = {"provider": "up", "model_glob": "m-*", "rate": Rate(input=3, output=1)}
    changes.set_price(path, **given)
    changes.set_price(path, **given | more)
    with reads.opened(path) as connection:
        assert len(reads.overrides(connection)) == 2


def test_prices_are_read_the_latest_first_and_each_in_its_bucket(path: Path) -> None:
    names = list(Rate.__dataclass_fields__)
    rate = Rate(**{name: number + 1 for number, name in enumerate(names)})
    made = [changes.set_price(path, "up", "m", rate, from_us=at) for at in (5, 9, 7)]
    with reads.opened(path) as connection:
        found = reads.overrides(connection)
    assert [one.id for one in found] == [made[1], made[2], made[0]]
    assert {one.rate for one in found} == {rate}
    assert [one.from_us for one in found] == [9, 7, 5]


CHANGES: dict[str, Callable[[Path], object]] = {
    "a key is made": lambda path: make_key(path, "new"),
    "a key is renamed": lambda path: changes.edit_key(path, "acme", KeyEdit(name="n")),
    "a policy": lambda path: changes.edit_key(
        path, "acme", KeyEdit(policies={"user": Policy.of("deny")})
    ),
    "models": lambda path: changes.edit_key(path, "acme", KeyEdit(models=("m",))),
    "an end": lambda path: changes.edit_key(path, "acme", KeyEdit(expires_at=1)),
    "a limit": lambda path: changes.edit_key(
        path, "acme", KeyEdit(allowance=Allowance.parse("9/month"))
    ),
    "a period": lambda path: changes.edit_key(
        path, "acme", KeyEdit(allowance=Allowance.parse("9/day"))
    ),
    "no budget": lambda path: changes.edit_key(path, "acme", KeyEdit(removes_budget=True)),
    "a revocation": lambda path: changes.revoke_key(path, "acme"),
    "a price": lambda path: changes.set_price(path, "up", "m", Rate(input=1, output=1)),
    "a budget by hand": lambda path: by_hand(
        path, "INSERT INTO budgets (id, selector, period) VALUES ('b', 's', 'day')"
    ),
    "a budget gone by hand": lambda path: by_hand(path, "DELETE FROM budgets"),
    "a key gone by hand": lambda path: by_hand(path, "DELETE FROM keys"),
}


def by_hand(path: Path, statement: str) -> None:
    with looking(path) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("change", CHANGES)
def test_epoch_moves_with_what_a_server_must_know(path: Path, change: str) -> None:
    make_key(path, "acme", "5/month")
    before = epoch(path)
    CHANGES[change](path)
    assert epoch(path) > before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE keys SET last_used_at = 5",
        "UPDATE instances SET heartbeat_at = 5",
        "INSERT INTO windows (budget_id, subject, start) VALUES ('b', '', 0)",
        "INSERT INTO calls (seq, id, state) VALUES (1, 'c', 'held')",
        "INSERT INTO corrections (id, call_seq) VALUES ('x', 1)",
    ],
)
def test_epoch_stays_where_no_book_changed(path: Path, statement: str) -> None:
    make_key(path, "acme", "5/month")
    before = epoch(path)
    by_hand(path, statement)
    assert epoch(path) == before


def test_failed_change_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(plan_changes, "carry_out", broken)
    with pytest.raises(RuntimeError):
        make_key(path, "acme", "5/month")
    assert rows(path, "SELECT * FROM keys") == []
    assert epoch(path) == 1


def test_commands_that_write_at_once_wait_for_each_other(path: Path) -> None:
    failures: list[BaseException] = []

    def make(number: int) -> None:
        try:
            make_key(path, f"k{number}", "5/month")
        except BaseException as error:  # noqa: BLE001  # Told to the test below.
            failures.append(error)

    threads = [threading.Thread(target=make, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(rows(path, "SELECT * FROM keys")) == len(budgets(path)) == 8


@staged
async def test_files_are_for_their_owner_alone(tmp_path: Path, clock: Clock, ids: Ids) -> None:
    path = tmp_path / "ferry.db"
    before = os.umask(0)
    try:
        made = make_key(path)
        async with running(path, clock) as ledger:
            await ledger.admit(admit(ids.make(), made.id, ledger.books.epoch))
            found = modes_beside(path)
    finally:
        os.umask(before)
    assert found == {"ferry.db": 0o600, "ferry.db-wal": 0o600, "ferry.db-shm": 0o600}


def test_command_that_finds_the_file_locked_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "open_writer", functools.partial(open_writer, busy_ms=20))
    with locking(path), pytest.raises(DatabaseLocked) as refused:
        make_key(path)
    assert refused.value.path == str(path)
    assert rows(path, "SELECT * FROM keys") == []


def test_command_that_finds_a_table_missing_says_so(path: Path) -> None:
    by_hand(path, "DROP TABLE keys")
    with pytest.raises(DatabaseUnusable) as refused:
        make_key(path)
    assert "keys" in refused.value.why


def test_the_file_is_locked_before_the_clock_is_read(path: Path) -> None:
    with changes.changing(path), looking(path) as other:
        other.execute("PRAGMA busy_timeout=0")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
