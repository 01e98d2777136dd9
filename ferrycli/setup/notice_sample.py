"""Sends a sample notice of a budget now, to everybody who would be told, and says how that went."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ferrycli.proxy.telling import deliver, written_of
from ferrycli.rules.channels import Recipient, recipients
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.money import NANO_PER_USD
from ferrycli.rules.notice_words import SAMPLE, Alerted, Message
from ferrycli.rules.standings import Terms
from ferrycli.rules.windows import window_start
from ferrycli.settings import Channel, Settings
from ferrycli.store.ids import IdMaker

AT_ONCE_MAX = 8
"""Channels that are tried side by side, so that a slow one delays few."""
LIMIT_NANOUSD = 20 * NANO_PER_USD
"""What a balance comes to in a sample."""
PERCENT = 80
"""What the sample says to be reached where the budget has no rule."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One channel, and what came of the try."""

    channel: str
    kind: str
    """Empty where there is no such channel."""
    address: str
    """Of mail: who was written to."""
    why: str
    """Why it was not delivered; empty where it was."""
    took_ms: int

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return not self.why

    @property
    def said(self) -> str:
        """`ops (webhook): delivered in 34 ms`, in a sentence without its full stop."""
        name = f"{self.channel} ({self.kind})" if self.kind else self.channel
        to = f" to {self.address}" if self.address else ""
        if self.is_delivered:
            return f"{name}{to}: delivered in {self.took_ms:,} ms"
        return f"{name}{to}: not delivered: {self.why}"


def send_sample(settings: Settings, terms: Terms, now_us: int) -> tuple[Tried, ...]:
    """Try every channel that a notice of this budget would go to; empty where there is none.

    Each is tried once, within its `timeout_s`, side by side; nothing is written into a database.
    """
    id = IdMaker(lambda: now_us, secrets.randbits).make().text("a")
    alert = sample_alert(terms, id, now_us)
    found = recipients(alert.owner, alert.channels, settings.channels, settings.alerts_default)
    if not found:
        return ()
    with ThreadPoolExecutor(AT_ONCE_MAX, "ferry-sample") as pool:
        return tuple(pool.map(lambda one: _tried(settings, one, written_of(alert), now_us), found))


def sample_alert(terms: Terms, id: str, now_us: int) -> Alerted:
    """An alert as this budget would make it at its highest threshold up to its limit."""
    reached = [rule.percent for rule in terms.rules if rule.percent <= 100]
    percent = max(reached, default=PERCENT)
    rules = [rule for rule in terms.rules if rule.percent == percent]
    limit_nanousd = terms.limit_nanousd or LIMIT_NANOUSD
    start_us = now_us
    if not terms.is_prepaid:
        start_us = window_start(terms.period, ZoneInfo(terms.zone), now_us)
    return Alerted(
        id,
        SAMPLE,
        now_us,
        budget_id=terms.id,
        window_start_us=start_us,
        threshold=percent,
        limit_nanousd=limit_nanousd,
        selector=terms.selector,
        action=", ".join(map(str, rules)),
        owner=terms.owner,
        channels=_named(terms),
        spent_nanousd=-(-limit_nanousd * percent // 100),
        period=terms.period,
        zone=terms.zone,
        needs_zone=terms.needs_zone,
        is_prepaid=terms.is_prepaid,
    )


def _named(terms: Terms) -> tuple[str, ...]:
    """Every channel that a rule names."""
    return tuple(dict.fromkeys(name for rule in terms.rules for name in rule.channels))


def _tried(settings: Settings, one: Recipient, written: Message, now_us: int) -> Tried:
    channel = _channel(settings.channels, one.channel)
    if channel is None:
        return Tried(one.channel, "", one.address, "there is no such channel in the config", 0)
    began_s = time.monotonic()
    why = ""
    try:
        deliver(settings, channel, written, one.address, now_us)
    except NotDelivered as error:
        why = error.why
    took_ms = round((time.monotonic() - began_s) * 1000)
    return Tried(one.channel, channel.kind, one.address, why, took_ms)


def _channel(channels: Sequence[Channel], name: str) -> Channel | None:
    return next((channel for channel in channels if channel.name == name), None)
