"""One try to deliver one message. Each kind of channel loads what it needs when it is used."""

from __future__ import annotations

from ferrycli.rules.channels import Channel, Secrets
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message


def send(
    channel: Channel, secrets: Secrets, message: Message, address: str, *, now_us: int
) -> None:
    """Deliver `message`, within the channel's `timeout_s`. Raises `NotDelivered`.

    `address`: of mail, who gets it. Calling it again sends again, with the same id.
    """
    match channel.kind:
        case "webhook" | "slack":
            from ferrycli.notices import posting

            posting.post(channel, secrets, message, now_us)
        case "email":
            from ferrycli.notices import mail

            mail.mail(channel, secrets, message, address, now_us)
        case "command":
            from ferrycli.notices import command

            command.run(channel, secrets, message)
        case "apprise":
            from ferrycli.notices import apprised

            apprised.notify(channel, secrets, message)
        case kind:
            raise NotDelivered(channel.name, f"there is no kind {kind}", is_final=True)
