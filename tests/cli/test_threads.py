"""`ferry threads release` says what it did, and changes nothing where there is nothing to do."""

from __future__ import annotations

import pytest

from ferrycli.store.ids import IdMaker
from tests.cli.driver import Ferry
from tests.store.kit import looking, rows


@pytest.fixture(autouse=True)
def _same_clock(monkeypatch: pytest.MonkeyPatch, now_us: int) -> None:
    monkeypatch.setattr("ferrycli.cli.threads.now_us", lambda: now_us)


def called(ferry: Ferry, now_us: int, thread: str, minutes_ago: int, **more: object) -> None:
    new = IdMaker(lambda: now_us - minutes_ago * 60_000_000, lambda _bits: minutes_ago).make()
    values = {"seq": new.seq, "id": new.text("c"), "state": "settled", "thread": thread}
    values |= {"started_at": new.at_us, "admitted_at": new.at_us} | more
    with looking(ferry.database) as connection:
        marks = ", ".join("?" * len(values))
        connection.execute(
            f"INSERT INTO calls ({', '.join(values)}) VALUES ({marks})", list(values.values())
        )


def releases(ferry: Ferry) -> list[tuple[str, int]]:
    found = rows(ferry.database, "SELECT * FROM thread_releases")
    return [(row["thread"], row["released_at"]) for row in found]


def test_release_says_what_it_did(filled: Ferry, now_us: int) -> None:
    called(filled, now_us, "th_loop", 3)
    called(filled, now_us, "th_loop", 2, state="denied", repeats=1_400)
    called(filled, now_us, "th_loop", 70)
    said = filled("threads", "release", "th_loop", environment={"FERRY_GUARD_LOOP": "block"})
    assert (said.code, said.out) == (0, "")
    assert said.err == (
        "thread `th_loop` is released: 1,401 calls of the last 60 min count no more, 1,400 of them"
        " refused; a running server follows at once\n"
    )
    assert releases(filled) == [("th_loop", now_us)]


@pytest.mark.parametrize(("mode", "why"), [("warn", "only warns"), ("off", "is off")])
def test_guard_that_stops_nothing_is_named(filled: Ferry, now_us: int, mode: str, why: str) -> None:
    called(filled, now_us, "th_loop", 3)
    said = filled("threads", "release", "th_loop", environment={"FERRY_GUARD_LOOP": mode})
    assert said.code == 0
    assert "1 call of the last 60 min" in said.err
    assert f"hint: the loop guard {why} here" in said.err


@pytest.mark.parametrize("thread", ["th_other", "", "th_loop\n"])
def test_thread_that_did_not_call_changes_nothing(filled: Ferry, now_us: int, thread: str) -> None:
    called(filled, now_us, "th_loop", 61)
    said = filled("threads", "release", thread)
    assert said.code == 3
    assert said.err.startswith("error: no call of thread ")
    assert "nothing was changed" in said.err
    assert releases(filled) == []


def test_without_a_database_none_is_made(ferry: Ferry) -> None:
    assert ferry("threads", "release", "th_loop").code == 3
    assert not ferry.database.exists()


def test_control_characters_of_a_name_are_left_out_as_calls_leave_them_out(
    filled: Ferry, now_us: int
) -> None:
    called(filled, now_us, "th_[31mx", 3)
    assert filled("threads", "release", "th_\x1b[31mx").code == 0
    assert releases(filled) == [("th_[31mx", now_us)]
