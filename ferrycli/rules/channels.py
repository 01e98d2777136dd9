"""Channels of notices by name, and who is told of an alert. Pure. Source: docs/notices.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WEBHOOK, SLACK, EMAIL, COMMAND, APPRISE = "webhook", "slack", "email", "command", "apprise"
CHANNEL_KINDS = (WEBHOOK, SLACK, EMAIL, COMMAND, APPRISE)

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_ADDRESS_LENGTH_MAX = 254


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to reach somebody, as configured. What is secret is named here, never held."""

    name: str
    kind: str
    url: str = ""
    """Of a webhook whose address is no secret."""
    url_env: str = ""
    """The variable that holds the address."""
    secret_env: str = ""
    """The variable that holds what a webhook is signed with."""
    host: str = ""
    port: int = 587
    starttls: bool = True
    user: str = ""
    password_env: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    """Who gets mail when the channel is named; an owner's address needs none."""
    argv: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    """Variables that a command gets besides the usual ones."""
    timeout_s: int = 10

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that must be set."""
        named = (self.url_env, self.secret_env, self.password_env, *self.env)
        return tuple(name for name in named if name)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the variables of one channel hold."""

    url: str = field(default="", repr=False)
    signing: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of a command: all that it may see."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One delivery: a channel, and for mail an address."""

    channel: str
    address: str = ""


def is_address(text: str) -> bool:
    """Whether `text` is one plain e-mail address, with nothing that a header could mistake."""
    return len(text) <= _ADDRESS_LENGTH_MAX and _ADDRESS.fullmatch(text) is not None


def recipients(
    owner: str, named: Iterable[str], channels: Iterable[Channel], default: str
) -> tuple[Recipient, ...]:
    """Who is told: the owner, else `default`; and the channels that a rule names. Each once.

    An owner is a channel's name, or an address that the first channel of kind email serves. A
    channel that is not configured stays in the list: that it is missing is a failed delivery.
    """
    by_name = {channel.name: channel for channel in channels}
    names = list(named)
    found: list[Recipient] = []
    mail = next((one.name for one in by_name.values() if one.kind == EMAIL), "")
    if owner in by_name:
        names.insert(0, owner)
    elif mail and is_address(owner):
        found.append(Recipient(mail, owner))
    elif default:
        names.insert(0, default)
    for name in names:
        channel = by_name.get(name)
        addresses = channel.to if channel is not None and channel.kind == EMAIL else ()
        found += [Recipient(name, address) for address in addresses] or [Recipient(name)]
    return tuple(dict.fromkeys(found))
