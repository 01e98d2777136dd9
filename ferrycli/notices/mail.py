"""Mail, by SMTP: one message to one address, plain text, its Message-ID made of the notice's id."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from ferrycli.notices.payload import ID_HEADER, plain_text
from ferrycli.notices.reasons import why
from ferrycli.rules.channels import Channel, Secrets, is_address
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message

TLS_PORT = 465
"""Where a connection begins with TLS."""


def mail(channel: Channel, secrets: Secrets, message: Message, address: str, now_us: int) -> None:
    """Send `message` to `address`. Raises `NotDelivered`."""
    if not is_address(address):
        raise NotDelivered(channel.name, "nobody's address is known: the channel has no `to`")
    try:
        written = letter(channel, message, address, now_us)
        with _connected(channel) as server:
            if channel.starttls and channel.port != TLS_PORT:
                server.starttls(context=ssl.create_default_context())
            if channel.user:
                server.login(channel.user, secrets.password)
            server.send_message(written, channel.sender, [address])
    except smtplib.SMTPRecipientsRefused as error:
        code = next(iter(error.recipients.values()))[0]
        raise NotDelivered(channel.name, f"it refuses the address ({code})", code >= 500) from None
    except smtplib.SMTPAuthenticationError as error:
        said = f"it refuses the user or the password ({error.smtp_code})"
        raise NotDelivered(channel.name, said) from None
    except smtplib.SMTPResponseException as error:
        raise NotDelivered(channel.name, f"it answers {error.smtp_code}") from None
    except TimeoutError:
        said = f"no answer within {channel.timeout_s} s"
        raise NotDelivered(channel.name, said) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise NotDelivered(channel.name, why(error)) from None


def letter(channel: Channel, message: Message, address: str, now_us: int) -> EmailMessage:
    """The message as mail."""
    written = EmailMessage(SMTP)
    written["From"] = channel.sender
    written["To"] = address
    written["Subject"] = message.title
    written["Date"] = formatdate(now_us / 1_000_000)
    written["Message-ID"] = f"<{message.id}@{channel.sender.rpartition('@')[2]}>"
    # So that no holiday answers it.
    written["Auto-Submitted"] = "auto-generated"
    written[ID_HEADER] = message.id
    written.set_content(f"{message.title}.\n\n{plain_text(message)}", cte="quoted-printable")
    return written


@contextlib.contextmanager
def _connected(channel: Channel) -> Iterator[smtplib.SMTP]:
    """A server that has greeted. Everything with it together takes `timeout_s` at most.

    Raises `TimeoutError` after that, and what smtplib raises.
    """
    # Its own name is not looked up: that may take longer than all the rest.
    own_name = channel.sender.rpartition("@")[2]
    wait_s = channel.timeout_s
    server: smtplib.SMTP = (
        smtplib.SMTP_SSL(
            local_hostname=own_name, timeout=wait_s, context=ssl.create_default_context()
        )
        if channel.port == TLS_PORT
        else smtplib.SMTP(local_hostname=own_name, timeout=wait_s)
    )
    # The name that a certificate must have. The constructor would set it if it connected, and then
    # nobody could end a greeting that drips.
    server._host = channel.host  # type: ignore[attr-defined]
    is_late = threading.Event()
    timer = threading.Timer(wait_s, _cut, [server, is_late])
    timer.daemon = True
    timer.start()
    try:
        code, _ = server.connect(channel.host, channel.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, "")
        yield server
        # Accepted is delivered: what follows is a courtesy.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
    except (smtplib.SMTPException, OSError):
        if is_late.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
        server.close()


def _cut(server: smtplib.SMTP, is_late: threading.Event) -> None:
    """End a connection under its reader, who sees that it broke."""
    is_late.set()
    if server.sock is not None:
        with contextlib.suppress(OSError):
            # Not TLS's own, which would wait for the other side.
            socket.socket.shutdown(server.sock, socket.SHUT_RDWR)
