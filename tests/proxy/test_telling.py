"""The thread that tells: who hears what, who waits for nobody, and what a restart sends again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ferrycli.proxy import telling
from ferrycli.proxy.telling import Telling
from ferrycli.rules.errors import LedgerUnavailable, NobodyTold, NotDelivered
from ferrycli.rules.words import words
from ferrycli.settings import Settings, load
from ferrycli.store.deliveries import Outbox
from tests.notices.receivers import Answer, Hooks
from tests.store.noticed import Hand, alert, alerts, deliveries, prepare, rows

CANARY = "canary-4777"
DEADLINE_S = 20.0
CONFIG = """
[server]
database = "ferry.db"
[alerts]
default = "{default}"
[channels.ops]
kind = "webhook"
url_env = "OPS"
secret_env = "KEY"
timeout_s = {timeout_s}
[channels.team]
kind = "slack"
url_env = "TEAM"
"""


def until(claim: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks often, so that no test waits for a look."""
    monkeypatch.setattr(telling, "LOOK_S", 0.01)
    monkeypatch.setattr(telling, "RETRY_S", 0.01)
    monkeypatch.setattr(telling, "UNHEARD_S", 0.0)
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return prepare(tmp_path / "ferry.db")


@pytest.fixture
def clock() -> Hand:
    return Hand()


class Heard(list[Exception]):
    """What the operator is told."""

    def __call__(self, error: Exception) -> None:
        self.append(error)

    @property
    def sentences(self) -> list[str]:
        return [words(one).sentence for one in self if isinstance(one, NotDelivered | NobodyTold)]


@pytest.fixture
def heard() -> Heard:
    return Heard()


def settings_of(path: Path, default: str = "", timeout_s: int = 10, **urls: str) -> Settings:
    config = path.with_name("ferry.toml")
    config.write_text(CONFIG.format(default=default, timeout_s=timeout_s), "utf-8")
    return load({"KEY": CANARY, **urls}, config=config)


@contextmanager
def running(settings: Settings, clock: Hand, heard: Heard) -> Iterator[Telling]:
    found = Telling(settings, clock, heard)
    found.start()
    try:
        yield found
    finally:
        found.stop(DEADLINE_S)
        assert tellers() == []


def tellers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "ferry-telling"]


def ids(hooks: Hooks) -> list[str]:
    """The notices that arrived, in their order; of a webhook."""
    return [json.loads(one.body)["id"] for one in hooks.requests]


def is_told(path: Path, id: str = "a_1") -> bool:
    return alerts(path)[id] == "told"


def test_an_alert_reaches_its_owner_and_whom_the_rule_names(
    path: Path, clock: Hand, heard: Heard
) -> None:
    with Hooks() as ops, Hooks() as team:
        settings = settings_of(path, OPS=ops.url, TEAM=team.url)
        with running(settings, clock, heard):
            alert(path, "a_1", channels='["team"]')
            until(lambda: is_told(path))
    (request,) = ops.requests
    told = json.loads(request.body)
    assert told["id"] == request.headers["ferry-notice-id"] == "a_1"
    assert told["title"] == "tenant=acme has spent $40.00 of $50.00 this month, 80 %"
    # In the zone of the budget: November began an hour before it did in UTC.
    assert "Europe/Berlin" in told["text"]
    assert told["facts"]["resets_at"] == "2026-11-30T23:00:00Z"
    assert request.headers["ferry-signature"].startswith(f"t={clock.now_us // 1_000_000},v1=")
    assert len(team.requests) == 1
    assert heard == []


def test_what_was_there_before_it_started_is_told(path: Path, clock: Hand, heard: Heard) -> None:
    alert(path, "a_1")
    with Hooks() as ops, running(settings_of(path, OPS=ops.url), clock, heard):
        until(lambda: is_told(path))
    assert ids(ops) == ["a_1"]


def test_a_slow_webhook_holds_up_nobody_else(path: Path, clock: Hand, heard: Heard) -> None:
    with Hooks("hang", 200) as ops, Hooks() as team:
        settings = settings_of(path, OPS=ops.url, TEAM=team.url)
        with running(settings, clock, heard):
            for at in range(5):
                alert(path, f"a_{at}", channels='["team"]', created_at=clock.now_us + at)
            until(lambda: len(team.requests) == 5)
            until(lambda: states(path, "team") == ["delivered"] * 5)
            # The first is still under way, and the others wait for their turn behind it.
            assert ids(ops) == ["a_0"]
            assert states(path, "ops") == ["waiting"] * 5
            ops.release()
            until(lambda: is_told(path, "a_4"))
    assert ids(ops) == [f"a_{at}" for at in range(5)]


def states(path: Path, channel: str) -> list[str]:
    return [state for (_, name, _), (state, _, _) in deliveries(path).items() if name == channel]


def test_what_fails_is_tried_again_with_the_same_id_until_it_gets_through(
    path: Path, clock: Hand, heard: Heard
) -> None:
    answers: list[Answer] = [500, 503, (307, {"location": "/elsewhere"}), 200]
    with Hooks(*answers) as ops, running(settings_of(path, OPS=ops.url), clock, heard):
        alert(path, "a_1")
        for why in ("answers 500", "answers 503", "redirect"):
            until(partial(has_failed, path, why))
            clock.move(60)
        until(lambda: is_told(path))
    assert ids(ops) == ["a_1"] * 4
    assert {one.path for one in ops.requests} == {"/hook"}
    assert len({one.body for one in ops.requests}) == 1
    assert deliveries(path) == {("a_1", "ops", ""): ("delivered", 4, "")}
    # Once, not with each try.
    assert heard.sentences == ["a notice did not get through `ops`: it answers 500"]


def has_failed(path: Path, why: str, id: str = "a_1") -> bool:
    """Whether the last try of the delivery through `ops` has ended like this."""
    found = deliveries(path).get((id, "ops", ""))
    return found is not None and why in found[2]


def test_a_channel_that_works_again_and_fails_again_is_told_again(
    path: Path, clock: Hand, heard: Heard
) -> None:
    with Hooks(500, 200, 410) as ops, running(settings_of(path, OPS=ops.url), clock, heard):
        alert(path, "a_1")
        until(partial(has_failed, path, "answers 500"))
        clock.move(60)
        until(lambda: is_told(path))
        alert(path, "a_2")
        until(lambda: alerts(path)["a_2"] == "failed")
    assert heard.sentences == [
        "a notice did not get through `ops`: it answers 500",
        "a notice did not get through `ops`: it answers 410",
    ]
    assert "not tried again" in words(heard[1]).hint  # type: ignore[arg-type]


def test_a_channel_without_its_variable_fails_and_says_which(
    path: Path, clock: Hand, heard: Heard
) -> None:
    with running(settings_of(path), clock, heard):
        alert(path, "a_1")
        until(partial(has_failed, path, "not set"))
    assert deliveries(path)["a_1", "ops", ""][2] == "env OPS: the variable is not set"
    assert not is_told(path)


def test_a_channel_that_is_gone_from_the_config_is_not_told_in_silence(
    path: Path, clock: Hand, heard: Heard
) -> None:
    with Hooks() as ops, running(settings_of(path, OPS=ops.url), clock, heard):
        alert(path, "a_1", channels='["pager"]')
        until(lambda: len(ops.requests) == 1 and "pager" in str(heard.sentences))
    why = "there is no channel of this name in the config"
    assert deliveries(path)["a_1", "pager", ""] == ("waiting", 1, why)
    assert heard.sentences == [f"a notice did not get through `pager`: {why}"]


def test_the_operator_hears_of_notices_for_nobody(path: Path, clock: Hand, heard: Heard) -> None:
    for at in range(3):
        alert(path, f"a_{at}", owner="", created_at=clock.now_us + at)
    with running(settings_of(path), clock, heard):
        until(lambda: len(heard) == 1)
    (sentence,) = heard.sentences
    assert sentence == (
        "nobody was told, because no channel is configured:"
        " tenant=acme has spent $40.00 of $50.00 this month, 80 %, and 2 more"
    )
    assert set(alerts(path).values()) == {"nobody"}


def test_a_zone_that_does_not_exist_silences_nobody(path: Path, clock: Hand, heard: Heard) -> None:
    alert(path, "a_1", detail='{"period": "month", "zone": "Mars/Phobos"}')
    with Hooks() as ops, running(settings_of(path, OPS=ops.url), clock, heard):
        until(lambda: is_told(path))
    assert "UTC" in json.loads(ops.requests[0].body)["text"]


def test_a_defect_in_one_message_delays_no_other_channel(
    path: Path, clock: Hand, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = telling.written_of

    def broken(alert: Any) -> Any:
        if alert.id == "a_1":
            raise KeyError(CANARY)
        return whole(alert)

    monkeypatch.setattr(telling, "written_of", broken)
    with Hooks() as ops, running(settings_of(path, OPS=ops.url), clock, heard):
        alert(path, "a_1")
        alert(path, "a_2")
        until(lambda: is_told(path, "a_2"))
        until(partial(has_failed, path, "KeyError"))
    assert deliveries(path)["a_1", "ops", ""] == ("waiting", 1, "it failed (KeyError)")


# Crashes ------------------------------------------------------------------------------------


def test_who_dies_between_sending_and_marking_sends_again_with_the_same_id(
    path: Path, clock: Hand, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hooks() as ops:
        settings = settings_of(path, OPS=ops.url)
        alert(path, "a_1")
        with monkeypatch.context() as patch:
            # Nothing is marked: this process might as well be gone.
            patch.setattr(Telling, "_mark", lambda _self, _outbox: None)
            first = Telling(settings, clock, heard)
            first.start()
            until(lambda: len(ops.requests) == 1)
            first.stop(0.0)
        assert deliveries(path)["a_1", "ops", ""] == ("waiting", 1, "")
        clock.move(1)
        with running(settings, clock, heard):
            until(lambda: is_told(path))
    assert ids(ops) == ["a_1", "a_1"]
    assert deliveries(path)["a_1", "ops", ""] == ("delivered", 2, "")


def test_what_could_not_be_marked_is_marked_later_and_not_sent_again(
    path: Path, clock: Hand, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, failures = Outbox.delivered, [LedgerUnavailable("database is locked")] * 3

    def delivered(self: Outbox, due: Any) -> None:
        if failures:
            clock.move(60)
            raise failures.pop()
        whole(self, due)

    monkeypatch.setattr(Outbox, "delivered", delivered)
    alert(path, "a_1")
    with Hooks() as ops, running(settings_of(path, OPS=ops.url), clock, heard):
        until(lambda: is_told(path))
    assert (failures, ids(ops)) == ([], ["a_1"])
    assert heard == []


# Starting and stopping ----------------------------------------------------------------------


def test_what_is_under_way_when_it_stops_may_arrive(path: Path, clock: Hand, heard: Heard) -> None:
    with Hooks("hang") as ops:
        found = Telling(settings_of(path, OPS=ops.url), clock, heard)
        found.start()
        alert(path, "a_1")
        until(lambda: len(ops.requests) == 1)
        stopping = threading.Thread(target=found.stop, args=(DEADLINE_S,))
        stopping.start()
        ops.release()
        stopping.join(DEADLINE_S)
    assert is_told(path)
    assert tellers() == []


def test_who_takes_too_long_is_not_waited_for(path: Path, clock: Hand, heard: Heard) -> None:
    with Hooks("hang") as ops:
        found = Telling(settings_of(path, OPS=ops.url), clock, heard)
        found.start()
        alert(path, "a_1")
        until(lambda: len(ops.requests) == 1)
        began_s = time.monotonic()
        found.stop(0.1)
        assert time.monotonic() - began_s < 2
        assert tellers() == []
        assert deliveries(path)["a_1", "ops", ""] == ("waiting", 1, "")


def test_what_the_last_calls_caused_is_told_before_it_ends(
    path: Path, clock: Hand, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would look again long after the test.
    monkeypatch.setattr(telling, "LOOK_S", 3_600.0)
    looks = Counted(monkeypatch, Outbox, "claim")
    with Hooks() as ops:
        found = Telling(settings_of(path, OPS=ops.url), clock, heard)
        found.start()
        until(lambda: looks.ended == 1)
        alert(path, "a_1")
        found.stop(DEADLINE_S)
    assert ids(ops) == ["a_1"]
    assert is_told(path)


class Counted:
    """A method that counts how often it has ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.ended = 0
        whole = getattr(owner, name)

        def method(*given: Any, **named: Any) -> Any:
            try:
                return whole(*given, **named)
            finally:
                self.ended += 1

        monkeypatch.setattr(owner, name, method)


def test_it_stops_at_once_where_there_is_nothing_to_do(
    path: Path, clock: Hand, heard: Heard
) -> None:
    found = Telling(settings_of(path), clock, heard)
    found.start()
    assert tellers()[0].daemon, "a process that ends does not wait for it"
    began_s = time.monotonic()
    found.stop(DEADLINE_S)
    found.stop(DEADLINE_S)
    assert time.monotonic() - began_s < 2
    assert tellers() == []


def test_a_file_that_is_gone_is_not_made_anew(
    tmp_path: Path, clock: Hand, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ferry.db"
    with Hooks() as ops:
        settings = settings_of(path, OPS=ops.url)
        looks = Counted(monkeypatch, Path, "exists")
        with running(settings, clock, heard):
            until(lambda: looks.ended > 3)
            assert not path.exists()
            prepare(path)
            alert(path, "a_1")
            until(lambda: is_told(path))


def test_a_file_that_is_no_database_ends_nothing(
    tmp_path: Path, clock: Hand, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ferry.db"
    path.write_bytes(b"no database at all" * 100)
    opened = Counted(monkeypatch, Outbox, "__init__")
    with running(settings_of(path), clock, heard):
        until(lambda: opened.ended > 3)
        assert len(tellers()) == 1
    assert heard == []


def test_a_defect_of_its_own_is_told_and_ends_nothing(
    path: Path, clock: Hand, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, failures = Outbox.claim, [ZeroDivisionError()]

    def claim(self: Outbox, resolve: Any) -> Any:
        if failures:
            raise failures.pop()
        return whole(self, resolve)

    monkeypatch.setattr(Outbox, "claim", claim)
    alert(path, "a_1")
    with Hooks() as ops, running(settings_of(path, OPS=ops.url), clock, heard):
        until(lambda: is_told(path))
    assert [type(one) for one in heard] == [ZeroDivisionError]


def test_an_idle_thread_waits_between_looks_and_claims_nothing(
    path: Path, clock: Hand, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Counted(monkeypatch, Outbox, "claim")
    begun = Counted(monkeypatch, Outbox, "begin")
    waits: list[float] = []
    whole = Telling._take

    def take(self: Telling, wait_s: float) -> None:
        waits.append(wait_s)
        whole(self, wait_s)

    monkeypatch.setattr(Telling, "_take", take)
    began_s = time.monotonic()
    with running(settings_of(path), clock, heard):
        until(lambda: len(waits) > 20)
        took_s = time.monotonic() - began_s
        assert (claims.ended, begun.ended) == (1, 0)
    assert set(waits) == {0.01}
    assert took_s >= 20 * 0.01


# Secrets ------------------------------------------------------------------------------------


def test_no_secret_is_in_the_file_or_in_what_the_operator_hears(
    path: Path, clock: Hand, heard: Heard
) -> None:
    with Hooks() as gone:
        pass
    with Hooks(500, 200) as team:
        settings = settings_of(
            path, OPS=f"{gone.url}/{CANARY}", TEAM=f"{team.url}/{CANARY}?token={CANARY}"
        )
        with running(settings, clock, heard):
            alert(path, "a_1", channels='["team"]')
            until(lambda: len(deliveries(path)) == 2)
            until(lambda: all(error for _, _, error in deliveries(path).values()))
            clock.move(60)
            until(lambda: states(path, "team") == ["delivered"])
    assert CANARY in team.requests[0].path
    files = [one for one in path.parent.iterdir() if one.name.startswith("ferry.db")]
    assert len(files) >= 1
    assert CANARY.encode() not in b"".join(one.read_bytes() for one in files)
    told = [f"{one!r} {one} {vars(one)} {one.__context__}" for one in heard]
    assert told
    assert CANARY not in "".join([*told, *heard.sentences])
    assert rows(path, "SELECT count(*) AS n FROM deliveries") == [{"n": 2}]
