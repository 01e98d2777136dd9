"""Channels of notices as configured, and the secrets that their variables hold.

The file holds names of secrets, never secrets: a key that would hold one is unknown, and a value
that looks like one is refused without being shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferrycli.rules.channels import CHANNEL_KINDS, EMAIL, Channel, Secrets, is_address
from ferrycli.rules.errors import ChannelUnusable, ConfigBadValue, ConfigUnknownKey
from ferrycli.settings.options import check_table

CHANNELS_MAX = 32
"""Each may have a delivery of its own under way."""
ARGUMENTS_MAX = 64
ADDRESSES_MAX = 32
TIMEOUT_S_MAX = 60
HIDDEN = "…"
"""What stands for a value that may be a secret."""

CHANNEL_KEYS = {
    "kind": "webhook, slack, email, command or apprise",
    "url": "its address, where that is no secret",
    "url_env": "name of the variable that holds its address",
    "secret_env": "name of the variable that it is signed with",
    "host": "the mail server",
    "port": "587 if it is left out; 465 begins with TLS",
    "starttls": "false: not encrypted on its way to the server",
    "user": "whose account there, if it wants one",
    "password_env": "name of the variable that holds the password",
    "from": "the sender",
    "to": "who gets it; an owner who is an address needs no `to`",
    "argv": "program and arguments; the notice is its stdin",
    "env": "variables that it sees besides PATH and the like",
    "timeout_s": "seconds for one try",
}
KEYS_OF = {
    "webhook": ("url", "url_env", "secret_env", "timeout_s"),
    "slack": ("url_env", "timeout_s"),
    "email": ("host", "port", "starttls", "user", "password_env", "from", "to", "timeout_s"),
    "command": ("argv", "env", "timeout_s"),
    "apprise": ("url_env",),
}

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?", re.IGNORECASE)
_SECRET_URL = re.compile(r"https?://[^\s/?#]+(/\S*)?", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
# Not the lower case: a password that was written here by mistake is told from a name.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
_COMMAND_SEES = "PATH HOME USER LOGNAME SHELL LANG LC_ALL LC_CTYPE TZ TMPDIR TEMP TMP SYSTEMROOT"


def read_channels(written: Mapping[str, Any], path: Path | None) -> tuple[Channel, ...]:
    """The file's channels, in its order. Raises `ConfigUnknownKey` or `ConfigBadValue`."""
    tables: Mapping[str, Any] = written.get("channels", {})
    if len(tables) > CHANNELS_MAX:
        count = str(len(tables))
        raise ConfigBadValue(f"file {path}", "channels", count, f"at most {CHANNELS_MAX} channels")
    return tuple(_Table(name, content, path).channel() for name, content in tables.items())


def check_default(default: str, origin: str, channels: tuple[Channel, ...]) -> None:
    """Raise `ConfigBadValue` where `alerts.default` is no channel, or one that has no address."""
    if not default:
        return
    names = [channel.name for channel in channels]
    if default not in names:
        wanted = f"the name of a channel: {', '.join(names)}" if names else "a `[channels.NAME]`"
        raise ConfigBadValue(origin, "alerts.default", default, wanted)
    channel = channels[names.index(default)]
    if channel.kind == EMAIL and not channel.to:
        raise ConfigBadValue(origin, "alerts.default", default, "a channel of mail that has a `to`")


def secrets_of(channel: Channel, environment: Mapping[str, str]) -> Secrets:
    """What the channel's variables hold. Raises `ChannelUnusable`, never with a value."""

    def value(name: str) -> str:
        found = environment.get(name, "").strip() if name else ""
        if name and not found:
            raise ChannelUnusable(channel.name, f"env {name}", "the variable is not set")
        if not found.isascii() or (found and not found.isprintable()):
            why = "it is not plain text of one line"
            raise ChannelUnusable(channel.name, f"env {name}", why)
        return found

    url = value(channel.url_env) or channel.url
    if channel.kind in ("webhook", "slack") and not _SECRET_URL.fullmatch(url):
        why = "it is no address that begins with https:// or http://"
        raise ChannelUnusable(channel.name, f"env {channel.url_env}", why)
    seen = {name: environment[name] for name in _COMMAND_SEES.split() if name in environment}
    seen |= {name: value(name) for name in channel.env}
    return Secrets(url, value(channel.secret_env), value(channel.password_env), seen)


class _Table:
    """`[channels.NAME]` on its way to a `Channel`."""

    def __init__(self, name: str, content: Any, path: Path | None) -> None:
        self._name = name
        self._path = path
        check_table("channels", name, content, path)
        self._content = content

    def channel(self) -> Channel:
        """Every key of its kind, checked."""
        kind = self._content.get("kind", self._name if self._name in CHANNEL_KINDS else "")
        if kind not in CHANNEL_KINDS:
            raise self._bad("kind", kind, f"one of {', '.join(CHANNEL_KINDS)}")
        known = KEYS_OF[kind]
        for key in self._content:
            if key not in ("kind", *known):
                table = f"channels.{self._name}"
                raise ConfigUnknownKey(str(self._path), table, key, ("kind", *known))
        channel = Channel(
            self._name,
            kind,
            url=self._url(),
            url_env=self._variable("url_env"),
            secret_env=self._variable("secret_env"),
            host=self._text("host"),
            port=self._number("port", 587, 65_535),
            starttls=self._truth("starttls", True),
            user=self._text("user"),
            password_env=self._variable("password_env"),
            sender=self._text("from"),
            to=self._addresses(),
            argv=self._texts("argv", ARGUMENTS_MAX),
            env=self._texts("env", ARGUMENTS_MAX),
            timeout_s=self._number("timeout_s", 10, TIMEOUT_S_MAX),
        )
        self._check(channel)
        return channel

    def _check(self, channel: Channel) -> None:
        """What keys say only together."""
        if channel.url and channel.url_env:
            raise self._bad("url", HIDDEN, "either `url` or `url_env`, not both")
        if channel.kind in ("webhook", "slack", "apprise") and not (channel.url or channel.url_env):
            raise self._bad("url_env", "", "the name of the variable that holds the address")
        if channel.kind == "email":
            self._check_email(channel)
        if channel.kind == "command" and not (channel.argv and channel.argv[0]):
            raise self._bad("argv", "", "a program and its arguments, as a list")
        for name in channel.env:
            if not _VARIABLE.fullmatch(name):
                raise self._bad("env", HIDDEN, "names of variables, in capitals")

    def _check_email(self, channel: Channel) -> None:
        if not _HOST.fullmatch(channel.host):
            raise self._bad("host", channel.host, "the name of a mail server; its port is `port`")
        if not is_address(channel.sender):
            raise self._bad("from", channel.sender, "an address, such as ferry@example.com")
        if bool(channel.user) != bool(channel.password_env):
            key = "password_env" if channel.user else "user"
            raise self._bad(key, "", "both `user` and `password_env`, or neither")
        is_plain = not channel.starttls and channel.port != 465
        if channel.user and is_plain and channel.host not in _LOOPBACK:
            raise self._bad("starttls", "false", "true: the password would travel unencrypted")

    def _bad(self, key: str, value: object, wanted: str) -> ConfigBadValue:
        where = f"channels.{self._name}.{key}"
        shown = value if isinstance(value, str) else repr(value)
        return ConfigBadValue(f"file {self._path}", where, shown, wanted)

    def _text(self, key: str) -> str:
        value = self._content.get(key, "")
        if not isinstance(value, str):
            raise self._bad(key, value, "text")
        return value

    def _url(self) -> str:
        url = self._text("url")
        if url and not _URL.fullmatch(url):
            wanted = "http:// or https:// and a host; a password or query belongs in `url_env`"
            raise self._bad("url", HIDDEN, wanted)
        return url

    def _variable(self, key: str) -> str:
        name = self._text(key)
        if name and not _VARIABLE.fullmatch(name):
            raise self._bad(key, HIDDEN, "the name of a variable, in capitals: OPS_WEBHOOK")
        return name

    def _number(self, key: str, default: int, most: int) -> int:
        value = self._content.get(key, default)
        if type(value) is not int or not 1 <= value <= most:
            raise self._bad(key, value, f"a whole number from 1 to {most}")
        return value

    def _truth(self, key: str, default: bool) -> bool:
        value = self._content.get(key, default)
        if not isinstance(value, bool):
            raise self._bad(key, value, "true or false")
        return value

    def _texts(self, key: str, most: int) -> tuple[str, ...]:
        value = self._content.get(key, [])
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        # A list of words may hold a secret as well as a variable may: it is not shown.
        if not is_list or len(value) > most or any("\0" in one for one in value):
            raise self._bad(key, HIDDEN, f"a list of text, at most {most}")
        return tuple(value)

    def _addresses(self) -> tuple[str, ...]:
        value = self._content.get("to", [])
        every = [value] if isinstance(value, str) else value
        if not isinstance(every, list) or len(every) > ADDRESSES_MAX:
            raise self._bad("to", value, f"a list of addresses, at most {ADDRESSES_MAX}")
        for one in every:
            if not isinstance(one, str) or not is_address(one):
                raise self._bad("to", one, "addresses, such as ana@example.com")
        return tuple(dict.fromkeys(every))


def goes_to(channel: Channel) -> str:
    """Where notices of a channel go, for people: nothing that may be secret.

    `env OPS_WEBHOOK`, `https://hooks.example`, `ana@example.com by mail.example:587`, `notify …`.
    """
    if channel.kind == EMAIL:
        who = ", ".join(channel.to) or "owners"
        return f"{who} by {channel.host}:{channel.port}"
    if channel.argv:
        program = os.path.basename(channel.argv[0]) or channel.argv[0]
        return f"{program} …" if len(channel.argv) > 1 else program
    if channel.url_env:
        return f"env {channel.url_env}"
    # Of a path only that there is one: of many services it is the secret.
    scheme, _, rest = channel.url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{'/…' if slash and path else ''}"
