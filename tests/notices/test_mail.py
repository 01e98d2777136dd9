"""Mail: one letter to one address, encrypted where it says so, and no secret in any error."""

from __future__ import annotations

import email
import email.policy
import time
from dataclasses import replace
from email.message import EmailMessage

import pytest

from ferrycli.notices.sending import send
from ferrycli.rules.channels import Channel, Secrets
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message
from ferrycli.rules.words import words
from tests.notices.conftest import NOW
from tests.notices.receivers import CERTIFICATE, Post

CANARY = "canary-4777"
ANA = "ana@acme.io"


def channel(post: Post, **more: object) -> Channel:
    """A channel to `post`; plain unless something else is said."""
    plain = Channel(
        "mail",
        "email",
        host="localhost",
        port=post.port,
        starttls=False,
        sender="ferry@gateway.example",
        timeout_s=5,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def mail(written: Message, to: Channel, address: str = ANA) -> None:
    send(to, Secrets(password=CANARY), written, address, now_us=NOW)


def refused(written: Message, to: Channel, address: str = ANA) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        mail(written, to, address)
    error = caught.value
    said = words(error)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert CANARY not in f"{error!r} {error} {vars(error)} {said.sentence} {said.hint}"
    return error


def opened(content: bytes) -> EmailMessage:
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_letter_arrives_once_with_the_id_of_its_notice(written: Message) -> None:
    with Post() as post:
        mail(written, channel(post))
    (letter,) = post.letters
    assert (letter.sender, letter.to) == ("ferry@gateway.example", [ANA])
    read = opened(letter.content)
    assert read["Message-ID"] == "<a_01KAB2M7@gateway.example>"
    assert read["Ferry-Notice-Id"] == "a_01KAB2M7"
    assert (read["From"], read["To"]) == ("ferry@gateway.example", ANA)
    assert read["Subject"] == written.title
    assert read["Date"] == "Tue, 17 Nov 2026 12:00:00 -0000"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read.get_content_type() == "text/plain"
    body = read.get_content().replace("\r\n", "\n")
    assert body.startswith(f"{written.title}.\n\n{written.text}\n")
    assert "notice a_01KAB2M7" in body
    # Not every server on the way takes more than seven bits.
    assert letter.content.isascii()


def test_every_try_is_the_same_letter(written: Message) -> None:
    with Post() as post:
        mail(written, channel(post))
        mail(written, channel(post))
    first, second = (letter.content for letter in post.letters)
    assert first == second


def test_a_name_cannot_add_a_header(written: Message) -> None:
    evil = replace(written, title="x\r\nBcc: eve@evil.example")
    with Post() as post:
        refused(evil, channel(post))
    assert post.letters == []


@pytest.mark.parametrize("address", ["", "ana", "ana@acme.io\r\nRCPT TO:<eve@evil.example>"])
def test_what_is_no_address_gets_nothing(address: str, written: Message) -> None:
    with Post() as post:
        error = refused(written, channel(post), address)
    assert "the channel has no `to`" in error.why
    assert post.commands == []


def test_it_logs_in_over_tls(written: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with Post(users={"ferry": CANARY}, offers_tls=True) as post:
        mail(
            written,
            channel(post, starttls=True, user="ferry", password_env="P"),
        )
    (letter,) = post.letters
    assert (letter.login, letter.is_encrypted) == ("ferry", True)
    assert post.commands.index("STARTTLS") < post.commands.index("AUTH")


def test_a_certificate_that_nobody_signed_gets_no_password(written: Message) -> None:
    with Post(users={"ferry": CANARY}, offers_tls=True) as post:
        error = refused(written, channel(post, starttls=True, user="ferry"))
    assert error.why.startswith("its certificate is not trusted")
    assert "AUTH" not in post.commands
    assert not error.is_final


def test_a_certificate_of_another_name_gets_no_password(
    written: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with Post(offers_tls=True) as post:
        # The same machine under a name that the certificate does not have.
        error = refused(written, channel(post, starttls=True, host="127.0.0.2"))
    assert error.why.startswith(("its certificate is not trusted", "connection refused"))
    assert post.letters == []


def test_encryption_that_is_not_offered_is_not_left_out(written: Message) -> None:
    with Post() as post:
        error = refused(written, channel(post, starttls=True))
    assert error.why == "it offers no encryption or no login"
    assert "MAIL" not in post.commands


def test_a_server_that_begins_with_tls_is_not_taken_for_another(
    written: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Post() as post:
        monkeypatch.setattr("ferrycli.notices.mail.TLS_PORT", post.port)
        error = refused(written, channel(post, starttls=True))
    assert error.why in ("it does not speak TLS there", "the connection broke")
    assert post.letters == []


def test_a_wrong_password_is_told_without_it(written: Message) -> None:
    with Post(users={"ferry": "another"}) as post:
        error = refused(written, channel(post, user="ferry"))
    assert error.why == "it refuses the user or the password (535)"
    assert not error.is_final


REFUSALS: dict[str, tuple[dict[str, str], str, bool]] = {
    "an address that is not there": (
        {"RCPT": f"550 no such user {CANARY}"},
        "it refuses the address (550)",
        True,
    ),
    "an address that is full now": ({"RCPT": "452 full"}, "it refuses the address (452)", False),
    "a sender": ({"MAIL": f"553 not you {CANARY}"}, "it answers 553", False),
    "the letter": ({".": f"554 spam {CANARY}"}, "it answers 554", False),
    "the letter, now": ({"DATA": "451 later"}, "it answers 451", False),
    "everything": ({"EHLO": "502 what", "HELO": "502 what"}, "it answers 502", False),
}


@pytest.mark.parametrize(("refuses", "why", "is_final"), REFUSALS.values(), ids=REFUSALS)
def test_what_a_server_refuses_is_told_by_its_code(
    refuses: dict[str, str], why: str, is_final: bool, written: Message
) -> None:
    with Post(refuses=refuses) as post:
        error = refused(written, channel(post))
    assert (error.why, error.is_final) == (why, is_final)
    assert post.letters == []


def test_a_greeting_that_sends_away_is_told(written: Message) -> None:
    with Post(greeting=f"554 {CANARY}") as post:
        assert refused(written, channel(post)).why == "it answers 554"


@pytest.mark.parametrize("at", ["greeting", "EHLO", "DATA"])
def test_a_server_that_is_too_slow_is_left_at_the_deadline(at: str, written: Message) -> None:
    with Post(hangs_at=at) as post:
        began_s = time.monotonic()
        error = refused(written, channel(post, timeout_s=1))
        took_s = time.monotonic() - began_s
    assert error.why == "no answer within 1 s"
    assert 0.9 < took_s < 3


def test_what_was_kept_is_delivered_whatever_comes_after(written: Message) -> None:
    with Post(refuses={"QUIT": "500 never"}) as post:
        mail(written, channel(post))
    assert len(post.letters) == 1


def test_where_nobody_listens_is_told(written: Message) -> None:
    with Post() as post:
        gone = channel(post)
    assert refused(written, gone).why == "connection refused"
