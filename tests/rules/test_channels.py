"""Who is told: the owner, else the default, and whom a rule names; each once."""

from __future__ import annotations

import pytest

from ferrycli.rules.channels import Channel, Recipient, Secrets, is_address, recipients

OPS = Channel("ops", "webhook", url_env="OPS")
TEAM = Channel("team", "slack", url_env="TEAM")
MAIL = Channel("mail", "email", host="m", sender="f@m", to=("ops@acme.io", "ben@acme.io"))
BARE = Channel("bare", "email", host="m", sender="f@m")
EVERY = (OPS, TEAM, MAIL)

CASES: dict[str, tuple[str, tuple[str, ...], str, list[Recipient]]] = {
    "a channel": ("ops", (), "", [Recipient("ops")]),
    "a channel before the default": ("ops", (), "team", [Recipient("ops")]),
    "an address by mail": ("ana@acme.io", (), "ops", [Recipient("mail", "ana@acme.io")]),
    "no owner": ("", (), "ops", [Recipient("ops")]),
    "an owner who is a person": ("ana", (), "ops", [Recipient("ops")]),
    "an owner who is a person, and no default": ("ana", (), "", []),
    "nobody": ("", (), "", []),
    "a rule besides": ("ops", ("team",), "", [Recipient("ops"), Recipient("team")]),
    "a rule besides the default": ("", ("team",), "ops", [Recipient("ops"), Recipient("team")]),
    "a rule alone": ("", ("team",), "", [Recipient("team")]),
    "twice the same": ("ops", ("ops", "team", "ops"), "", [Recipient("ops"), Recipient("team")]),
    "a channel of mail is each of its addresses": (
        "mail",
        (),
        "",
        [Recipient("mail", "ops@acme.io"), Recipient("mail", "ben@acme.io")],
    ),
    "an address once, though the channel has it too": (
        "ben@acme.io",
        ("mail",),
        "",
        [Recipient("mail", "ben@acme.io"), Recipient("mail", "ops@acme.io")],
    ),
    "a channel that is gone is kept": ("", ("pager",), "", [Recipient("pager")]),
    "a channel that is gone, and the default": (
        "",
        ("pager",),
        "ops",
        [Recipient("ops"), Recipient("pager")],
    ),
    "an address that would break a header": ("a@b\r\nBcc: c@d", (), "ops", [Recipient("ops")]),
}


@pytest.mark.parametrize(("owner", "named", "default", "told"), CASES.values(), ids=CASES)
def test_who_is_told(
    owner: str, named: tuple[str, ...], default: str, told: list[Recipient]
) -> None:
    assert list(recipients(owner, named, EVERY, default)) == told


def test_an_address_without_a_channel_of_mail_is_the_defaults() -> None:
    assert recipients("ana@acme.io", (), (OPS,), "ops") == (Recipient("ops"),)
    assert recipients("ana@acme.io", (), (OPS,), "") == ()


def test_the_first_channel_of_mail_serves_an_address() -> None:
    assert recipients("ana@acme.io", (), (OPS, BARE, MAIL), "") == (
        Recipient("bare", "ana@acme.io"),
    )


def test_a_channel_of_mail_without_addresses_stays_to_fail_where_it_is_seen() -> None:
    assert recipients("bare", (), (BARE,), "") == (Recipient("bare"),)


@pytest.mark.parametrize(
    "text", ["ana@acme.io", "a.b+c@mail.acme.co.uk", "root@localhost", "o'hara@acme.io"]
)
def test_an_address(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana",
        "@acme.io",
        "ana@",
        "ana@@acme.io",
        "ana@acme.io,ben@acme.io",
        "Ana <ana@acme.io>",
        "ana@acme.io\n",
        "ana@acme.io\r\nBcc: eve@evil.example",
        "ana @acme.io",
        '"ana"@acme.io',
        "ana@acme..io",
        "änä@acme.io",
        "a" * 65 + "@acme.io",
        "ana@" + ".".join(["a" * 60] * 5),
    ],
)
def test_no_address(text: str) -> None:
    assert not is_address(text)


def test_a_channel_names_what_it_needs_and_secrets_hide_it() -> None:
    channel = Channel("x", "webhook", url_env="A", secret_env="B", env=("C",))
    assert channel.variables == ("A", "B", "C")
    assert "canary" not in repr(Secrets("canary", "canary", "canary", {"A": "canary"}))
