"""Alerts on their way: each at least once and marked once, whoever dies in between."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ferrycli.rules.channels import Channel, Recipient, recipients
from ferrycli.rules.errors import DatabaseUnusable, LedgerUnavailable
from ferrycli.rules.notice_words import message
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import Rule
from ferrycli.store.alerts import crossed
from ferrycli.store.alerts import insert as insert_alerts
from ferrycli.store.connect import open_writer
from ferrycli.store.deliveries import (
    CLAIMED_MAX,
    ERROR_LENGTH_MAX,
    TOLD_WITHIN_US,
    TRIES_MAX,
    WAIT_US_MAX,
    Due,
    Outbox,
    wait_us,
)
from ferrycli.store.ids import seq_prefix
from tests.store.noticed import (
    NOON,
    SECOND_US,
    USD,
    Hand,
    alert,
    alerts,
    deliveries,
    insert,
    prepare,
    rows,
    writing,
)

OPS = Channel("ops", "webhook", url_env="OPS")
TEAM = Channel("team", "slack", url_env="TEAM")
MAIL = Channel("mail", "email", host="m", sender="f@m", to=("a@m.example", "b@m.example"))
CHANNELS = (OPS, TEAM, MAIL)
NAMES = tuple(one.name for one in CHANNELS)
resolve = partial(recipients, channels=CHANNELS, default="")
to_the_default = partial(recipients, channels=CHANNELS, default="team")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return prepare(tmp_path / "ferry.db")


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def outbox(path: Path, clock: Hand) -> Iterator[Outbox]:
    with Outbox(path, clock, lambda: 0.0) as found:
        yield found


def one(outbox: Outbox, *channels: str) -> Due:
    (due,) = outbox.begin(channels or ("ops",))
    return due


# Claiming -----------------------------------------------------------------------------------


def test_a_new_alert_is_claimed_once_with_its_recipients(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1", channels='["team", "mail", "team"]')
    claimed = outbox.claim(resolve)
    assert (claimed.count, claimed.unheard) == (1, ())
    assert alerts(path) == {"a_1": "sending"}
    assert list(deliveries(path)) == [
        ("a_1", "mail", "a@m.example"),
        ("a_1", "mail", "b@m.example"),
        ("a_1", "ops", ""),
        ("a_1", "team", ""),
    ]
    assert outbox.claim(resolve).count == 0


def test_an_alert_for_nobody_stays_as_a_row(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1", owner="ana")
    claimed = outbox.claim(resolve)
    assert [one.id for one in claimed.unheard] == ["a_1"]
    assert (alerts(path), deliveries(path)) == ({"a_1": "nobody"}, {})
    assert outbox.claim(to_the_default).count == 0


def test_the_default_hears_what_has_no_owner(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1", owner="")
    alert(path, "a_2", kind="circuit", owner="", subject="openai/gpt-5", budget_id="")
    assert outbox.claim(to_the_default).unheard == ()
    assert list(deliveries(path)) == [("a_1", "team", ""), ("a_2", "team", "")]


def test_many_are_claimed_in_parts_the_oldest_first(path: Path, outbox: Outbox) -> None:
    with writing(path) as connection:
        for at in range(CLAIMED_MAX + 1):
            insert(connection, f"a_{at:03}", created_at=NOON - at)
    assert outbox.claim(resolve).count == CLAIMED_MAX
    assert [id for id, state in alerts(path).items() if state == "new"] == ["a_000"]
    assert outbox.claim(resolve).count == 1


def test_what_was_written_is_what_is_told(path: Path, outbox: Outbox) -> None:
    alert(
        path,
        "a_1",
        detail='{"period": "week", "zone": "Asia/Tokyo", "n": 5, "l": [1], "b": true}',
        held_nanousd=7,
        doubt_nanousd=8,
        subject='["t"]',
        channels='["team"]',
    )
    outbox.claim(resolve)
    told = one(outbox).alert
    assert (told.id, told.kind, told.at_us, told.threshold) == ("a_1", "budget", NOON, 80)
    assert (told.period, told.zone, told.is_prepaid) == ("week", "Asia/Tokyo", False)
    assert (told.held_nanousd, told.doubt_nanousd, told.channels) == (7, 8, ("team",))
    assert told.detail == {"n": 5, "l": "[1]", "b": "true"}


def test_a_budget_says_what_the_alert_does_not(path: Path, outbox: Outbox) -> None:
    with writing(path) as connection:
        connection.execute(
            "INSERT INTO budgets (id, selector, subject, limit_nanousd, period, zone, created_at,"
            " is_prepaid) VALUES ('b_x', 'tenant=acme', '[]', 1, 'total', 'Europe/Rome', 1, 1)"
        )
    alert(path, "a_1", budget_id="b_x", detail="{}")
    outbox.claim(resolve)
    told = one(outbox).alert
    assert (told.period, told.zone, told.is_prepaid) == ("total", "Europe/Rome", True)


@pytest.mark.parametrize("more", [{"zone": "Asia/Tokyo"}, {"period": "day"}, {"removed_at": 1}])
def test_an_alert_knows_whether_a_command_must_name_its_zone(
    path: Path, outbox: Outbox, more: dict[str, object]
) -> None:
    with writing(path) as connection:
        for id, other in (("b_x", {}), ("b_y", more)):
            given = {"zone": "Europe/Rome", "period": "month", "removed_at": None} | other
            connection.execute(
                "INSERT INTO budgets (id, selector, subject, limit_nanousd, zone, period,"
                " removed_at, created_at) VALUES (?, 'tenant=acme', '[]', 1, ?, ?, ?, 1)",
                (id, *given.values()),
            )
    alert(path, "a_1", budget_id="b_x", detail="{}")
    outbox.claim(resolve)
    assert one(outbox).alert.needs_zone == ("zone" in more)


def test_a_balance_is_told_by_what_was_drawn_since_its_last_grant(
    path: Path, outbox: Outbox
) -> None:
    terms = Terms(
        "b_x", "tenant=acme", "total", "UTC", 0, rules=(Rule(80, "notify"),), is_prepaid=True,
        owner="ops",
    )  # fmt: skip
    with writing(path) as connection:
        connection.execute(
            "INSERT INTO budgets (id, selector, subject, limit_nanousd, period, zone, created_at,"
            " is_prepaid) VALUES ('b_x', 'tenant=acme', '[]', 0, 'total', 'UTC', 1, 1)"
        )
        # $100 long gone, and $16 of the $20 that came after.
        standing = Standing(
            terms, 0, None, spent=116 * USD, extra_nanousd=120 * USD, base_nanousd=20 * USD,
            alert_start_us=NOON,
        )  # fmt: skip
        insert_alerts(connection, crossed(standing, NOON), lambda: "a_1")
    outbox.claim(resolve)
    said = message(one(outbox).alert)
    assert said.title == "tenant=acme has used $16.00 of its balance of $20.00, 80 %"
    assert "The last payment came 2026-11-18 12:00 UTC." in said.text


def test_an_overrun_names_its_call(path: Path, outbox: Outbox) -> None:
    # The row key of a call that began at noon.
    seq = NOON // 1000 << 21
    alert(path, "a_1", kind="overrun", subject=str(seq), detail="{}")
    outbox.claim(resolve)
    assert one(outbox).alert.subject == seq_prefix(seq)
    with writing(path) as connection:
        row = "INSERT INTO calls (seq, id, state, started_at) VALUES (?, 'c_whole', 'settled', ?)"
        connection.execute(row, [seq, NOON])
    alert(path, "a_2", kind="overrun", subject=str(seq), detail="{}", channels='["team"]')
    outbox.claim(resolve)
    assert one(outbox, "team").alert.subject == "c_whole"


@pytest.mark.parametrize("text", ["", "[", "5", "null", '"x"'])
def test_a_row_that_cannot_be_read_silences_nobody(text: str, path: Path, outbox: Outbox) -> None:
    alert(path, "a_1", channels=text, detail=text)
    assert outbox.claim(resolve).count == 1
    told = one(outbox).alert
    assert (told.channels, told.detail) == ((), {})
    assert message(told).title


# Trying -------------------------------------------------------------------------------------


def test_a_try_is_written_down_before_it_is_made(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    due = one(outbox)
    assert (due.key, due.number) == (("a_1", "ops", ""), 1)
    assert deliveries(path)[due.key] == ("waiting", 1, "")
    assert outbox.next_us() == NOON + SECOND_US
    assert outbox.begin(NAMES) == []


def test_each_channel_has_its_own_turn_the_oldest_first(
    path: Path, outbox: Outbox, clock: Hand
) -> None:
    for at in range(3):
        alert(path, f"a_{at}", channels='["team"]')
        outbox.claim(resolve)
        clock.move(1)
    found = [due.key for due in outbox.begin(["team", "ops", "mail"])]
    assert found == [("a_0", "team", ""), ("a_0", "ops", "")]
    assert [due.key for due in outbox.begin(["ops"])] == [("a_1", "ops", "")]
    assert outbox.begin([]) == []


def test_what_is_delivered_is_marked_once(path: Path, outbox: Outbox, clock: Hand) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    due = one(outbox)
    clock.move(2)
    outbox.delivered(due)
    told = rows(path, "SELECT state, told_at FROM alerts")
    assert told == [{"state": "told", "told_at": clock.now_us}]
    clock.move(5)
    outbox.delivered(due)
    assert not outbox.not_delivered(due, "late", is_final=False)
    assert rows(path, "SELECT told_at FROM alerts") == [{"told_at": NOON + 2 * SECOND_US}]
    assert deliveries(path)[due.key] == ("delivered", 1, "")
    assert outbox.next_us() is None


def test_an_alert_is_told_when_its_last_delivery_has_ended(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1", channels='["team"]')
    outbox.claim(resolve)
    outbox.delivered(one(outbox, "ops"))
    assert alerts(path) == {"a_1": "sending"}
    assert outbox.not_delivered(one(outbox, "team"), "gone", is_final=True)
    assert alerts(path) == {"a_1": "told"}


def test_an_alert_that_no_channel_took_has_failed(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1", channels='["team"]')
    outbox.claim(resolve)
    assert outbox.not_delivered(one(outbox, "ops"), "gone", is_final=True)
    assert alerts(path) == {"a_1": "sending"}
    assert outbox.not_delivered(one(outbox, "team"), "x" * 999, is_final=True)
    assert alerts(path) == {"a_1": "failed"}
    assert rows(path, "SELECT told_at FROM alerts") == [{"told_at": None}]
    assert deliveries(path)["a_1", "team", ""] == ("failed", 1, "x" * ERROR_LENGTH_MAX)


def test_what_failed_is_tried_again_later_and_later(
    path: Path, outbox: Outbox, clock: Hand
) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    waits: list[float] = []
    for _ in range(15):
        due = one(outbox)
        assert not outbox.not_delivered(due, "it answers 500", is_final=False)
        next_us = outbox.next_us()
        assert next_us is not None
        waits.append((next_us - clock.now_us) / SECOND_US)
        clock.now_us = next_us - 1
        assert outbox.begin(NAMES) == []
        clock.now_us = next_us
    assert waits == [float(min(2**at, 3600)) for at in range(15)]
    assert deliveries(path)["a_1", "ops", ""] == ("waiting", 15, "it answers 500")


def test_a_success_takes_the_error_away(path: Path, outbox: Outbox, clock: Hand) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    outbox.not_delivered(one(outbox), "it answers 500", is_final=False)
    clock.move(1)
    outbox.delivered(one(outbox))
    assert deliveries(path)["a_1", "ops", ""] == ("delivered", 2, "")


@pytest.mark.parametrize(("wait_s", "next_s"), [(0, 1), (30, 30), (3_600, 3_600), (9_999, 3_600)])
def test_a_receiver_may_ask_for_time(wait_s: int, next_s: int, path: Path, outbox: Outbox) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    outbox.not_delivered(one(outbox), "it answers 429", is_final=False, wait_s=wait_s)
    assert outbox.next_us() == NOON + next_s * SECOND_US


def test_after_three_days_it_is_given_up(path: Path, outbox: Outbox, clock: Hand) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    clock.now_us = NOON + TOLD_WITHIN_US - 1
    assert not outbox.not_delivered(one(outbox), "away", is_final=False)
    clock.now_us += WAIT_US_MAX
    assert outbox.not_delivered(one(outbox), "away", is_final=False)
    assert alerts(path) == {"a_1": "failed"}


def test_what_waited_while_no_server_ran_is_tried_once_more(
    path: Path, outbox: Outbox, clock: Hand
) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    clock.now_us = NOON + 10 * TOLD_WITHIN_US
    outbox.delivered(one(outbox))
    assert alerts(path) == {"a_1": "told"}


def test_three_days_hold_fewer_tries_than_there_may_be() -> None:
    waited, tries = 0, 0
    while waited < TOLD_WITHIN_US:
        tries += 1
        waited += wait_us(tries, 1.0)
    assert 80 < tries < TRIES_MAX


def test_who_dies_of_every_try_ends_trying(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    with writing(path) as connection:
        connection.execute("UPDATE deliveries SET tries = ?", [TRIES_MAX - 1])
    assert outbox.not_delivered(one(outbox), "away", is_final=False)


@pytest.mark.parametrize(
    ("number", "chance", "seconds"),
    [
        (1, 0.0, 1.0),
        (1, 1.0, 1.0),
        (2, 0.0, 2.0),
        (2, 1.0, 1.0),
        (5, 0.5, 12.0),
        (12, 0.0, 2048.0),
        (13, 0.0, 3600.0),
        (13, 1.0, 1800.0),
        (10_000, 0.0, 3600.0),
    ],
)
def test_waits_double_up_to_an_hour_less_a_part_by_chance(
    number: int, chance: float, seconds: float
) -> None:
    assert wait_us(number, chance) == seconds * SECOND_US


def test_a_clock_that_was_set_back_silences_nobody(path: Path, outbox: Outbox, clock: Hand) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    outbox.not_delivered(one(outbox), "away", is_final=False)
    # It waits for one second after noon.
    clock.now_us = NOON + SECOND_US - WAIT_US_MAX
    assert outbox.begin(NAMES) == []
    clock.now_us -= 1
    assert one(outbox).key == ("a_1", "ops", "")


def test_a_channel_that_is_not_configured_any_more_is_found(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1", channels='["pager"]')
    outbox.claim(resolve)
    assert [due.channel for due in outbox.begin(NAMES)] == ["ops"]
    assert [due.key for due in outbox.begin_elsewhere(NAMES)] == [("a_1", "pager", "")]
    assert outbox.begin_elsewhere(NAMES) == []


# The file -----------------------------------------------------------------------------------


def test_it_notices_what_others_write_and_not_what_it_writes(path: Path, outbox: Outbox) -> None:
    assert outbox.has_moved()
    assert not outbox.has_moved()
    alert(path, "a_1")
    assert outbox.has_moved()
    outbox.claim(resolve)
    assert not outbox.has_moved()


def test_a_locked_file_is_an_error_of_the_house_and_changes_nothing(
    path: Path, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferrycli.store.deliveries.open_writer", partial(open_writer, busy_ms=1))
    alert(path, "a_1")
    with Outbox(path, clock, lambda: 0.0) as outbox:
        with writing(path) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnavailable):
                outbox.claim(resolve)
            other.execute("ROLLBACK")
        assert alerts(path) == {"a_1": "new"}
        outbox.claim(resolve)
        due = one(outbox)
        with writing(path) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnavailable):
                outbox.delivered(due)
        outbox.delivered(due)
    assert alerts(path) == {"a_1": "told"}


def test_it_holds_no_lock_while_a_message_is_under_way(path: Path, outbox: Outbox) -> None:
    alert(path, "a_1")
    outbox.claim(resolve)
    due = one(outbox)
    with writing(path) as other:
        other.execute("PRAGMA busy_timeout=0")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("ROLLBACK")
    outbox.delivered(due)


def test_a_file_of_another_program_is_refused(tmp_path: Path, clock: Hand) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE x (y)")
    connection.close()
    with pytest.raises(DatabaseUnusable):
        Outbox(path, clock, lambda: 0.0)


def test_an_empty_file_is_an_error_of_the_house(tmp_path: Path, clock: Hand) -> None:
    path = tmp_path / "empty.db"
    with Outbox(path, clock, lambda: 0.0) as outbox, pytest.raises(LedgerUnavailable):
        outbox.claim(resolve)


# Crashes ------------------------------------------------------------------------------------

SCHEDULES = 1_000
LIVES = 4
ROUNDS_ENOUGH = 8
"""Three alerts to two addresses, one at a time on a channel."""


class Crash(BaseException):
    """The process is gone."""


class World:
    """Receivers that remember, a process that dies, and a clock that goes on."""

    def __init__(self, path: Path, ledger: sqlite3.Connection, seed: int) -> None:
        self.path = path
        self.ledger = ledger
        self.dice = random.Random(seed)
        self.clock = Hand()
        self.got: Counter[tuple[str, str, str]] = Counter()
        self.written = 0
        self.danger = self.dice.choice([0.0, 0.02, 0.1, 0.3])
        self.trouble = self.dice.choice([0.0, 0.3, 0.7])

    def chance(self) -> float:
        # This and the time are asked for inside of transactions: a crash leaves these half done.
        self.maybe_die()
        return self.dice.random()

    def time(self) -> int:
        self.maybe_die()
        return self.clock.now_us

    def resolve(self, owner: str, named: tuple[str, ...]) -> tuple[Recipient, ...]:
        self.maybe_die()
        return resolve(owner, named)

    def maybe_die(self) -> None:
        if self.dice.random() < self.danger:
            raise Crash

    def live(self, rounds: int) -> None:
        """A server's life: its end comes when it comes."""
        try:
            with Outbox(self.path, self.time, self.chance) as outbox:
                for _ in range(rounds):
                    self.round(outbox)
        except Crash:
            pass

    def round(self, outbox: Outbox) -> None:
        if self.written < 3 and self.dice.random() < 0.5:
            self.write()
        outbox.claim(self.resolve)
        self.maybe_die()
        tries = outbox.begin(NAMES)
        self.maybe_die()
        self.dice.shuffle(tries)
        for due in tries:
            if self.dice.random() < self.trouble:
                outbox.not_delivered(due, "away", is_final=False)
                continue
            self.got[message(due.alert).id, due.channel, due.recipient] += 1
            self.maybe_die()
            outbox.delivered(due)
        self.clock.move(self.dice.choice([0.1, 1, 60, 3_600]))

    def write(self) -> None:
        self.written += 1
        channels = self.dice.choice(["[]", '["team"]', '["team", "mail"]'])
        id, now_us = f"a_{self.written}", self.clock.now_us
        insert(self.ledger, id, channels=channels, created_at=now_us)


_MARKS = """
CREATE TABLE marks (alert_id TEXT, channel TEXT, recipient TEXT);
CREATE TABLE ends (alert_id TEXT, state TEXT);
CREATE TRIGGER marked AFTER UPDATE OF state ON deliveries WHEN NEW.state <> OLD.state
    BEGIN INSERT INTO marks VALUES (NEW.alert_id, NEW.channel, NEW.recipient); END;
CREATE TRIGGER ended AFTER UPDATE OF state ON alerts WHEN NEW.state IN ('told', 'failed')
    BEGIN INSERT INTO ends VALUES (NEW.id, NEW.state); END;
"""


def test_a_thousand_schedules_of_crashes_tell_each_at_least_once_and_mark_it_once(
    path: Path,
) -> None:
    """One id for all tries of an alert; more than once only where somebody died in between."""
    crashed = repeated = 0
    # Held open as a server's ledger is: whoever closes a file last tidies it up.
    with writing(path) as ledger:
        ledger.executescript(_MARKS)
        for seed in range(SCHEDULES):
            world = World(path, ledger, seed)
            for _ in range(LIVES):
                world.live(world.dice.randrange(1, 4))
            died, world.danger, world.trouble = world.danger > 0, 0.0, 0.0
            while world.written < 2:
                world.write()
            world.clock.move(3_600)
            world.live(ROUNDS_ENOUGH)
            crashed += died
            repeated += max(world.got.values()) > 1
            assert died or max(world.got.values()) == 1, seed
            check(world, seed)
            for table in ("alerts", "deliveries", "marks", "ends"):
                ledger.execute(f"DELETE FROM {table}")
    assert crashed > SCHEDULES / 2
    assert repeated > SCHEDULES / 20


def check(world: World, seed: int) -> None:
    def found(query: str) -> list[tuple[str, ...]]:
        return [tuple(row) for row in world.ledger.execute(query)]

    ids = [f"a_{at + 1}" for at in range(world.written)]
    told = [(id, "told") for id in ids]
    assert found("SELECT id, state FROM alerts ORDER BY id") == told, seed
    assert found("SELECT alert_id, state FROM ends ORDER BY alert_id") == told, seed
    assert found("SELECT DISTINCT state FROM deliveries") == [("delivered",)], seed
    sent = found("SELECT alert_id, channel, recipient FROM deliveries")
    # Whoever should have it has it, by the id of the alert; nobody else has anything.
    assert set(world.got) == set(sent), seed
    assert Counter(found("SELECT * FROM marks")) == dict.fromkeys(sent, 1), seed
