"""Webhooks and Slack: what is posted, whom it is from, and every way of not being answered."""

from __future__ import annotations

import json
import logging
import re
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_httpx import HTTPXMock

from ferrycli.notices.payload import signature
from ferrycli.notices.posting import WAIT_S_MAX
from ferrycli.notices.reasons import why
from ferrycli.notices.sending import send
from ferrycli.rules.channels import Channel, Secrets
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message
from ferrycli.rules.words import words
from tests.notices.conftest import NOW
from tests.notices.receivers import Answer, Hooks

CANARY = "canary-4777"
HOOK = Channel("ops", "webhook", url_env="URL", secret_env="KEY", timeout_s=5)
SHORT = Channel("ops", "webhook", url_env="URL", timeout_s=1)
SLACK = Channel("team", "slack", url_env="URL")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "notices.md"


def post(
    written: Message, url: str, channel: Channel = HOOK, secret: str = CANARY, now_us: int = NOW
) -> None:
    send(channel, Secrets(url=url, signing=secret), written, "", now_us=now_us)


def refused(written: Message, url: str, channel: Channel = HOOK) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        post(written, url, channel)
    error = caught.value
    said = words(error)
    assert error.channel == channel.name
    # What led to it may hold the address.
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    told = f"{error!r} {error} {vars(error)} {said.sentence} {said.hint}"
    assert CANARY not in told
    assert "127.0.0.1" not in told
    return error


def test_a_webhook_gets_the_object(written: Message) -> None:
    with Hooks(204) as hooks:
        post(written, f"{hooks.url}?token=x")
    (request,) = hooks.requests
    assert request.path == "/hook?token=x"
    assert json.loads(request.body) == {
        "schema": "ferry.notice/1",
        "id": "a_01KAB2M7",
        "kind": "budget",
        "at": "2026-11-17T12:00:00Z",
        "title": written.title,
        "text": written.text,
        "facts": {"selector": "tenant=acme & sons", "spent_nanousd": 40_120_000_000},
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["ferry-notice-id"] == "a_01KAB2M7"
    assert request.headers["user-agent"].startswith("ferry/")


def verifying() -> Any:
    """The function of the page, as a reader would copy it."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    return names["is_from_ferry"]


def test_its_signature_is_verified_as_the_page_says(written: Message) -> None:
    is_from_ferry = verifying()
    now_us = time.time_ns() // 1000
    with Hooks() as hooks:
        post(written, hooks.url, now_us=now_us)
        post(written, hooks.url, now_us=now_us - 301_000_000)
    fresh, old = hooks.requests
    header = fresh.headers["ferry-signature"]
    assert is_from_ferry(header, fresh.body, CANARY)
    assert not is_from_ferry(header, fresh.body + b" ", CANARY)
    assert not is_from_ferry(header, fresh.body, "another")
    moved = re.sub(r"t=\d+", lambda t: f"t={int(t[0][2:]) - 1}", header)
    assert not is_from_ferry(moved, fresh.body, CANARY)
    assert not is_from_ferry(old.headers["ferry-signature"], old.body, CANARY)


def test_a_signature_of_known_parts() -> None:
    # echo -n '1794916800.{}' | openssl dgst -sha256 -hmac s3cret
    assert signature(b"{}", "s3cret", 1_794_916_800) == (
        "t=1794916800,v1=8d842be3f6adac24d27a8f35699a0abb6a233809214be8c9c00c884c342b9e8c"
    )


def test_without_a_secret_nothing_is_signed(written: Message) -> None:
    with Hooks() as hooks:
        post(written, hooks.url, secret="")
    assert "ferry-signature" not in hooks.requests[0].headers


def test_every_try_has_the_same_body_and_id(written: Message) -> None:
    with Hooks(500, 200) as hooks:
        refused(written, hooks.url)
        post(written, hooks.url, now_us=NOW + 60_000_000)
    first, second = hooks.requests
    assert first.body == second.body
    assert first.headers["ferry-notice-id"] == second.headers["ferry-notice-id"]
    assert first.headers["ferry-signature"] != second.headers["ferry-signature"]


def test_slack_gets_a_text_that_mentions_nobody(written: Message) -> None:
    with Hooks() as hooks:
        post(written, hooks.url, SLACK)
    (request,) = hooks.requests
    said = json.loads(request.body)
    assert list(said) == ["text"]
    lines = said["text"].splitlines()
    assert lines[0] == "*tenant=acme &amp; sons has spent $40.12 of $50.00, 80 %*"
    assert lines[1] == "It is &lt;so&gt; far — „weit“."
    assert lines[-1] == "_a_01KAB2M7_"
    assert "<" not in said["text"]
    assert "ferry-signature" not in request.headers


ANSWERS: dict[str, tuple[Answer, bool, int]] = {
    "it broke": (500, False, 0),
    "it is away": (503, False, 0),
    "it is away for a while": ((503, {"retry-after": "7"}), False, 7),
    "too many": ((429, {"retry-after": "30"}), False, 30),
    "too many, for ever": ((429, {"retry-after": "999999999999"}), False, WAIT_S_MAX),
    "too many, until a date": ((429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), False, 0),
    "too many, nonsense": ((429, {"retry-after": "-5"}), False, 0),
    "it is wrong, and waits": ((400, {"retry-after": "9"}), True, 0),
    "not now": (409, False, 0),
    "not this key": (401, False, 0),
    "not here yet": (404, False, 0),
    "gone": (410, True, 0),
    "it cannot be read": (422, True, 0),
    "nonsense": (999, False, 0),
}


@pytest.mark.parametrize(("answer", "is_final", "wait_s"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_no_2xx_is_not_delivered(
    answer: Answer, is_final: bool, wait_s: int, written: Message
) -> None:
    with Hooks(answer) as hooks:
        error = refused(written, hooks.url)
    status = answer if isinstance(answer, int) else answer[0]
    assert error.why == f"it answers {status}"
    assert (error.is_final, error.wait_s) == (is_final, wait_s)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, written: Message) -> None:
    with Hooks() as elsewhere, Hooks((status, {"location": elsewhere.url})) as hooks:
        error = refused(written, hooks.url)
    assert error.why == f"it answers with a redirect ({status}), not followed"
    assert not error.is_final
    assert len(hooks.requests) == 1
    assert elsewhere.requests == []


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_who_is_too_slow_is_left_at_the_deadline(answer: str, written: Message) -> None:
    with Hooks(answer) as hooks:
        began_s = time.monotonic()
        error = refused(written, hooks.url, SHORT)
        took_s = time.monotonic() - began_s
    assert error.why == "no answer within 1 s"
    assert 0.9 < took_s < 3
    assert len(hooks.requests) == 1


def test_a_body_without_an_end_is_not_read(written: Message) -> None:
    with Hooks("flood") as hooks:
        began_s = time.monotonic()
        post(written, hooks.url)
        assert time.monotonic() - began_s < HOOK.timeout_s
    assert len(hooks.requests) == 1


def test_a_connection_that_breaks_is_told(written: Message) -> None:
    with Hooks("cut") as hooks:
        error = refused(written, hooks.url)
    assert error.why == "it does not speak HTTP there"


def test_where_nobody_listens_is_told(written: Message) -> None:
    with Hooks() as hooks:
        url = hooks.url
    assert refused(written, f"{url}/{CANARY}").why == "connection refused"


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError(f"cannot reach https://h.example/{CANARY}"),
        httpx.ReadError(CANARY),
        httpx.ProxyError(f"http://{CANARY}@proxy.example"),
        httpx.LocalProtocolError(CANARY),
        httpx.InvalidURL(f"https://h.example/{CANARY}"),
        httpx.UnsupportedProtocol(CANARY),
        httpx.TooManyRedirects(CANARY),
        OSError(CANARY),
        ValueError(CANARY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_error_tells_an_address(
    error: Exception, written: Message, httpx_mock: HTTPXMock
) -> None:
    httpx_mock.add_exception(error)
    found = refused(written, f"https://h.example/{CANARY}")
    assert found.why
    assert not found.is_final


def test_a_certificate_that_nobody_signed_is_not_trusted(written: Message) -> None:
    def failing(told: str) -> httpx.ConnectError:
        inner = ssl.SSLCertVerificationError(1, "x")
        inner.verify_message = told
        outer = httpx.ConnectError(CANARY)
        outer.__cause__ = inner
        return outer

    assert why(failing("certificate has expired")) == (
        "its certificate is not trusted (certificate has expired)"
    )
    assert why(failing(f"not valid for '{CANARY}.example'")) == "its certificate is not trusted"
    mismatch = f"Hostname mismatch, certificate is not valid for '{CANARY}.example'."
    assert why(failing(mismatch)) == "its certificate is not trusted (Hostname mismatch)"


def test_no_log_holds_an_address_or_a_secret(
    written: Message, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), Hooks() as hooks:
        post(written, f"{hooks.url}/{CANARY}")
    assert hooks.requests
    assert CANARY not in caplog.text
    assert signature(hooks.requests[0].body, CANARY, NOW // 1_000_000)[20:] not in caplog.text


def test_a_kind_that_does_not_exist_is_not_delivered(written: Message) -> None:
    with pytest.raises(NotDelivered) as caught:
        send(Channel("x", "pigeon"), Secrets(), written, "", now_us=NOW)
    assert caught.value.is_final
