"""Channels in the config: what each kind takes, what is refused, and that no secret is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ferrycli import settings
from ferrycli.rules.errors import ChannelUnusable, ConfigBadValue, ConfigUnknownKey, FerryError
from ferrycli.rules.words import words
from ferrycli.settings import CHANNEL_KINDS, Channel, goes_to, load, secrets_of
from ferrycli.settings.channels import CHANNELS_MAX

CANARY = "hunter2-canary"
MAIL = 'kind = "email"\nhost = "mail.example"\nfrom = "ferry@example.com"\n'

Read = Callable[[str], settings.Settings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def loaded(text: str, **environment: str) -> settings.Settings:
        path = tmp_path / "ferry.toml"
        path.write_text(text, "utf-8")
        return load(environment, config=path)

    return loaded


def channel(read: Read, text: str) -> Channel:
    (found,) = read(f"[channels.x]\n{text}").channels
    return found


KINDS: dict[str, tuple[str, Channel]] = {
    "webhook": (
        'kind = "webhook"\nurl = "https://hooks.example/ferry"\nsecret_env = "S"\ntimeout_s = 3\n',
        Channel("x", "webhook", url="https://hooks.example/ferry", secret_env="S", timeout_s=3),
    ),
    "webhook, hidden": (
        'kind = "webhook"\nurl_env = "OPS_WEBHOOK"\n',
        Channel("x", "webhook", url_env="OPS_WEBHOOK"),
    ),
    "slack": ('kind = "slack"\nurl_env = "SLACK"\n', Channel("x", "slack", url_env="SLACK")),
    "email": (
        f'{MAIL}port = 465\nuser = "u"\npassword_env = "P"\nto = ["a@b.c", "d@e.f", "a@b.c"]\n',
        Channel(
            "x",
            "email",
            host="mail.example",
            port=465,
            user="u",
            password_env="P",
            sender="ferry@example.com",
            to=("a@b.c", "d@e.f"),
        ),
    ),
    "email, to one": (
        f'{MAIL}to = "a@b.c"\nstarttls = false\n',
        Channel(
            "x",
            "email",
            host="mail.example",
            starttls=False,
            sender="ferry@example.com",
            to=("a@b.c",),
        ),
    ),
    "command": (
        'kind = "command"\nargv = ["page", "--team", "ops"]\nenv = ["PAGER_TOKEN"]\n',
        Channel("x", "command", argv=("page", "--team", "ops"), env=("PAGER_TOKEN",)),
    ),
    "apprise": (
        'kind = "apprise"\nurl_env = "PHONE"\n',
        Channel("x", "apprise", url_env="PHONE"),
    ),
}


@pytest.mark.parametrize(("text", "wanted"), KINDS.values(), ids=KINDS)
def test_a_channel_is_what_was_written(text: str, wanted: Channel, read: Read) -> None:
    assert channel(read, text) == wanted


def test_channels_stand_in_the_order_of_the_file(read: Read) -> None:
    got = read('[channels.b]\nkind="slack"\nurl_env="B"\n[channels.a]\nkind="slack"\nurl_env="A"\n')
    assert [one.name for one in got.channels] == ["b", "a"]
    assert load({}).channels == ()


def test_a_channel_named_like_its_kind_needs_none(read: Read) -> None:
    (found,) = read('[channels.slack]\nurl_env = "SLACK"\n').channels
    assert found.kind == "slack"


UNKNOWN = [
    ('kind = "webhook"\nurl_evn = "X"\n', "url_evn", "url_env"),
    (f'kind = "webhook"\nsecret = "{CANARY}"\n', "secret", "secret_env"),
    (f'kind = "slack"\nurl = "https://{CANARY}"\n', "url", "url_env"),
    (f'kind = "apprise"\nurl = "tgram://{CANARY}"\n', "url", "url_env"),
    (f'{MAIL}password = "{CANARY}"\n', "password", "password_env"),
    ('kind = "slack"\nurl_env = "X"\nsecret_env = "Y"\n', "secret_env", ""),
    ('kind = "command"\nargv = ["x"]\nurl_env = "Y"\n', "url_env", ""),
]


@pytest.mark.parametrize(("text", "key", "near"), UNKNOWN)
def test_a_key_that_this_kind_has_not_is_an_error_that_names_the_nearest(
    text: str, key: str, near: str, read: Read
) -> None:
    with pytest.raises(ConfigUnknownKey) as caught:
        channel(read, text)
    assert (caught.value.table, caught.value.key) == ("channels.x", key)
    assert f"`{near}`" in words(caught.value).hint or not near
    assert not tells(caught.value)


BAD = [
    ('kind = "pigeon"\n', "kind"),
    ('url_env = "X"\n', "kind"),
    ("kind = 5\n", "kind"),
    ('kind = "webhook"\n', "url_env"),
    (f'kind = "webhook"\nurl = "https://a.example/{CANARY}"\nurl_env = "X"\n', "url"),
    (f'kind = "webhook"\nurl = "https://u:{CANARY}@a.example/"\n', "url"),
    (f'kind = "webhook"\nurl = "https://a.example/?token={CANARY}"\n', "url"),
    (f'kind = "webhook"\nurl = "ftp://a.example/{CANARY}"\n', "url"),
    ('kind = "webhook"\nurl = 5\n', "url"),
    (f'kind = "webhook"\nurl_env = "https://hooks.example/{CANARY}"\n', "url_env"),
    (f'kind = "webhook"\nurl_env = "X"\nsecret_env = "{CANARY}"\n', "secret_env"),
    ('kind = "webhook"\nurl_env = "X"\ntimeout_s = 0\n', "timeout_s"),
    ('kind = "webhook"\nurl_env = "X"\ntimeout_s = 61\n', "timeout_s"),
    ('kind = "webhook"\nurl_env = "X"\ntimeout_s = true\n', "timeout_s"),
    ('kind = "slack"\n', "url_env"),
    ('kind = "email"\nfrom = "f@e.x"\n', "host"),
    ('kind = "email"\nhost = "https://mail"\nfrom = "f@e.x"\n', "host"),
    ('kind = "email"\nhost = "mail"\n', "from"),
    ('kind = "email"\nhost = "mail"\nfrom = "Ferry <f@e.x>"\n', "from"),
    (f"{MAIL}port = 65536\n", "port"),
    (f'{MAIL}port = "25"\n', "port"),
    (f'{MAIL}starttls = "no"\n', "starttls"),
    (f'{MAIL}user = "u"\n', "password_env"),
    (f'{MAIL}password_env = "P"\n', "user"),
    (f'{MAIL}user = "u"\npassword_env = "P"\nstarttls = false\n', "starttls"),
    (f'{MAIL}user = "u"\npassword_env = "{CANARY}"\n', "password_env"),
    (f'{MAIL}to = ["a"]\n', "to"),
    (f"{MAIL}to = [5]\n", "to"),
    (f"{MAIL}to = 5\n", "to"),
    ('kind = "command"\n', "argv"),
    ('kind = "command"\nargv = []\n', "argv"),
    ('kind = "command"\nargv = [""]\n', "argv"),
    (f'kind = "command"\nargv = "page {CANARY}"\n', "argv"),
    (f'kind = "command"\nargv = ["page", 5, "{CANARY}"]\n', "argv"),
    ('kind = "command"\nargv = ["page", "a\\u0000b"]\n', "argv"),
    (f'kind = "command"\nargv = ["page"]\nenv = ["TOKEN={CANARY}"]\n', "env"),
]


@pytest.mark.parametrize(("text", "key"), BAD)
def test_a_bad_value_is_an_error_that_names_the_key_and_no_secret(
    text: str, key: str, read: Read
) -> None:
    with pytest.raises(ConfigBadValue) as caught:
        channel(read, text)
    assert caught.value.key == f"channels.x.{key}"
    assert caught.value.wanted
    assert not tells(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "channels = []\n",
        "[channels]\nx = 5\n",
        "[channels.X]\n",
        '[channels."a b"]\nkind="slack"\n',
    ],
)
def test_a_channel_is_a_table_with_a_name(text: str, read: Read) -> None:
    with pytest.raises(ConfigBadValue) as caught:
        read(text)
    assert caught.value.key == "channels"


def test_there_are_only_so_many(read: Read) -> None:
    def many(count: int) -> str:
        return "".join(f'[channels.c{at}]\nkind = "slack"\nurl_env = "X"\n' for at in range(count))

    assert len(read(many(CHANNELS_MAX)).channels) == CHANNELS_MAX
    with pytest.raises(ConfigBadValue):
        read(many(CHANNELS_MAX + 1))


def test_a_password_goes_unencrypted_to_this_machine_alone(read: Read) -> None:
    text = MAIL.replace("mail.example", "127.0.0.1")
    found = channel(read, f'{text}user = "u"\npassword_env = "P"\nstarttls = false\n')
    assert (found.user, found.starttls) == ("u", False)


# The default --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("default", "channels"),
    [
        ("pager", '[channels.ops]\nkind = "slack"\nurl_env = "X"\n'),
        ("ops", ""),
        ("mail", f"[channels.mail]\n{MAIL}"),
    ],
)
def test_a_default_that_reaches_nobody_is_refused(default: str, channels: str, read: Read) -> None:
    with pytest.raises(ConfigBadValue) as caught:
        read(f'[alerts]\ndefault = "{default}"\n{channels}')
    assert (caught.value.key, caught.value.value) == ("alerts.default", default)


def test_the_default_is_a_channel(read: Read) -> None:
    got = read('[alerts]\ndefault = "ops"\n[channels.ops]\nkind = "slack"\nurl_env = "X"\n')
    assert got.alerts_default == "ops"
    assert load({}).alerts_default == ""
    with pytest.raises(ConfigBadValue) as caught:
        load({"FERRY_ALERTS_DEFAULT": "ops"})
    assert caught.value.origin == "env FERRY_ALERTS_DEFAULT"


# Secrets ------------------------------------------------------------------------------------


def tells(error: FerryError) -> bool:
    said = words(error)
    return CANARY in f"{error!r} {error} {vars(error)} {said.sentence} {said.hint}"


HOOK = Channel("x", "webhook", url_env="URL", secret_env="KEY")
COMMAND = Channel("x", "command", argv=("page",), env=("TOKEN",))


def test_secrets_are_what_the_variables_hold() -> None:
    found = secrets_of(HOOK, {"URL": f" https://h.example/{CANARY}\n", "KEY": CANARY})
    assert (found.url, found.signing) == (f"https://h.example/{CANARY}", CANARY)
    mail = Channel("x", "email", user="u", password_env="P")
    assert secrets_of(mail, {"P": CANARY}).password == CANARY
    plain = Channel("x", "webhook", url="https://h.example/ferry")
    assert secrets_of(plain, {}).url == "https://h.example/ferry"
    phone = Channel("x", "apprise", url_env="URL")
    assert secrets_of(phone, {"URL": "tgram://1/2"}).url == "tgram://1/2"


def test_a_command_sees_what_it_was_given_and_no_key_of_a_provider() -> None:
    environment = {"PATH": "/bin", "TOKEN": "t", "OPENAI_API_KEY": CANARY, "LANG": "C"}
    assert secrets_of(COMMAND, environment).environment == {
        "PATH": "/bin",
        "LANG": "C",
        "TOKEN": "t",
    }


@pytest.mark.parametrize(
    ("channel", "environment", "origin", "why"),
    [
        (HOOK, {}, "env URL", "the variable is not set"),
        (HOOK, {"URL": " "}, "env URL", "the variable is not set"),
        (HOOK, {"URL": "https://h.example"}, "env KEY", "the variable is not set"),
        (HOOK, {"URL": CANARY, "KEY": "k"}, "env URL", "it is no address"),
        (HOOK, {"URL": f"file:///{CANARY}", "KEY": "k"}, "env URL", "it is no address"),
        (HOOK, {"URL": f"https://h/\n{CANARY}", "KEY": "k"}, "env URL", "it is not plain text"),
        (HOOK, {"URL": f"https://h/ {CANARY}", "KEY": "k"}, "env URL", "it is no address"),
        (HOOK, {"URL": f"https://h/é{CANARY}", "KEY": "k"}, "env URL", "it is not plain text"),
        (COMMAND, {}, "env TOKEN", "the variable is not set"),
    ],
)
def test_a_secret_that_cannot_be_had_is_an_error_without_it(
    channel: Channel, environment: dict[str, str], origin: str, why: str
) -> None:
    with pytest.raises(ChannelUnusable) as caught:
        secrets_of(channel, environment)
    error = caught.value
    assert (error.channel, error.origin) == ("x", origin)
    assert error.why.startswith(why)
    assert not tells(error)


@pytest.mark.parametrize(
    ("channel", "shown"),
    [
        (HOOK, "env URL"),
        (Channel("x", "webhook", url="https://h.example"), "https://h.example"),
        (Channel("x", "webhook", url=f"https://h.example/{CANARY}/b"), "https://h.example/…"),
        (Channel("x", "email", host="m", to=("a@b.c", "d@e.f")), "a@b.c, d@e.f by m:587"),
        (Channel("x", "email", host="m", port=25), "owners by m:25"),
        (Channel("x", "command", argv=("/opt-x/page", CANARY)), "page …"),
        (Channel("x", "command", argv=("page",)), "page"),
    ],
)
def test_where_it_goes_is_shown_without_a_secret(channel: Channel, shown: str) -> None:
    assert goes_to(channel) == shown


def test_every_kind_has_an_example_here() -> None:
    assert {wanted.kind for _, wanted in KINDS.values()} == set(CHANNEL_KINDS)
