"""Who hears of a thread that repeats itself: its caller, and its owner."""

from __future__ import annotations

import pytest

from ferrycli.proxy.loop_watch import LoopWatch, Watched
from ferrycli.rules.attribution import Attribution
from ferrycli.rules.denials import LoopDetected
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.loops import LoopGuard
from ferrycli.store.books import Books
from ferrycli.wire.facts import Fingerprints

DAY_US = 86_400_000_000
NOON = 20_000 * DAY_US + DAY_US // 2
PRINTS = Fingerprints(request_hash=7, last_message_hash=8)
KEY = KeyTerms("key_1", "acme-web", "abcd")


def watched(mode: str, times: int, *, thread: str = "t-1", requests: int = 2) -> list[Watched]:
    """What `times` same calls lead to, where `requests` are allowed."""
    watch = LoopWatch(mode, LoopGuard(requests, 4, DAY_US))
    where = Attribution(thread=thread)
    return [watch.look(Books(), KEY, where, PRINTS, NOON + turn) for turn in range(times)]


@pytest.mark.parametrize("mode", ["warn", "block"])
def test_owner_is_told_of_the_day_and_the_thread_whatever_becomes_of_the_call(mode: str) -> None:
    *before, third = watched(mode, 3)
    assert before == [Watched(), Watched()]
    note = third.note
    assert note is not None
    assert (note.kind, note.subject, note.window_start) == ("loop", "t-1", NOON - NOON % DAY_US)
    detail = {"what": "request", "times": 3, "key": "acme-web"}
    assert note.detail == detail | ({"action": "block"} if mode == "block" else {})


def test_caller_is_warned_or_refused() -> None:
    *_, warned = watched("warn", 3)
    assert (warned.warning, warned.refusal) == (
        "the same request came 3 times in this thread",
        None,
    )
    *_, refused = watched("block", 3)
    assert refused.warning == ""
    assert isinstance(refused.refusal, LoopDetected)
    assert (refused.refusal.thread, refused.refusal.what) == ("t-1", "request")


def test_a_last_message_is_told_as_what_it_is() -> None:
    *_, last = watched("block", 5, requests=0)
    assert last.note is not None
    assert last.note.detail["what"] == "last message"


@pytest.mark.parametrize(("mode", "thread"), [("off", "t-1"), ("block", "")])
def test_nothing_is_seen_where_nobody_looks(mode: str, thread: str) -> None:
    assert set(watched(mode, 9, thread=thread)) == {Watched()}
