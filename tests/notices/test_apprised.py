"""Apprise, where it is installed and where it is not; a stand-in takes its place here."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from ferrycli.notices.apprised import MISSING
from ferrycli.notices.sending import send
from ferrycli.rules.channels import Channel, Secrets
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message
from tests.notices.conftest import NOW

CANARY = "canary-4777"
PHONE = Channel("phone", "apprise", url_env="PHONE")


class StandIn:
    """Apprise as far as it is used: it takes `json://` and fails as it is told."""

    sent: list[tuple[str, str]]
    outcome: bool | Exception | None = True

    def add(self, url: str) -> bool:
        return url.startswith("json://")

    def notify(self, *, title: str, body: str) -> bool | None:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.sent.append((title, body))
        return self.outcome


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    class Fresh(StandIn):
        sent: list[tuple[str, str]] = []  # noqa: RUF012

    module = ModuleType("apprise")
    module.Apprise = Fresh  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apprise", module)
    return Fresh


def notify(written: Message, url: str = f"json://{CANARY}") -> None:
    send(PHONE, Secrets(url=url), written, "", now_us=NOW)


def refused(written: Message, url: str = f"json://{CANARY}") -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        notify(written, url)
    assert CANARY not in f"{caught.value} {vars(caught.value)}"
    return caught.value


def test_it_is_handed_the_text(written: Message, stand_in: type[StandIn]) -> None:
    notify(written)
    ((title, body),) = stand_in.sent
    assert title == written.title
    assert written.text in body
    assert "notice a_01KAB2M7" in body


def test_an_address_that_it_does_not_know_ends_it(
    written: Message, stand_in: type[StandIn]
) -> None:
    assert refused(written, f"pigeon://{CANARY}").is_final
    assert stand_in.sent == []


@pytest.mark.parametrize("outcome", [False, None, TypeError(CANARY), OSError(CANARY)])
def test_what_it_cannot_deliver_is_tried_again(
    outcome: bool | Exception | None, written: Message, stand_in: type[StandIn]
) -> None:
    stand_in.outcome = outcome
    assert not refused(written).is_final


def test_without_it_the_way_to_have_it_is_told(
    written: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    error = refused(written)
    assert (error.why, error.is_final) == (MISSING, False)
