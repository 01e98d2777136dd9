"""Every service that Apprise knows, where it is installed: the extra `apprise`."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from ferrycli.notices.payload import plain_text
from ferrycli.rules.channels import Channel, Secrets
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message

MISSING = "apprise is not installed: `pip install 'ferry-gateway[apprise]'`"


def notify(channel: Channel, secrets: Secrets, message: Message) -> None:
    """Send by Apprise, whose own deadlines hold. Raises `NotDelivered`."""
    # What it logs may hold the address, and with it the secret.
    logging.getLogger("apprise").disabled = True
    try:
        apprise: Any = importlib.import_module("apprise")
    except ImportError:
        raise NotDelivered(channel.name, MISSING) from None
    everybody = apprise.Apprise()
    if not everybody.add(secrets.url):
        raise NotDelivered(channel.name, "Apprise does not know such an address", is_final=True)
    try:
        is_sent = everybody.notify(title=message.title, body=plain_text(message))
    except (OSError, TypeError, ValueError) as error:
        raise NotDelivered(channel.name, f"Apprise failed ({type(error).__name__})") from None
    if not is_sent:
        raise NotDelivered(channel.name, "Apprise could not deliver it, and does not say why")
