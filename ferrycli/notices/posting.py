"""Webhooks and Slack, by httpx. Redirects are never followed, and no reply's body is read."""

from __future__ import annotations

import asyncio
import logging

import httpx

from ferrycli import __version__
from ferrycli.notices.payload import (
    ID_HEADER,
    SIGNATURE_HEADER,
    json_bytes,
    signature,
    slack_bytes,
)
from ferrycli.notices.reasons import why
from ferrycli.rules.channels import SLACK, Channel, Secrets
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message

WAIT_S_MAX = 3_600
"""A receiver that asks to be left alone for longer is asked again after this."""

_NEVER = frozenset({400, 405, 410, 411, 413, 414, 415, 422})
"""Another try would be answered in the same way. Others may be mended where they are received."""


def post(channel: Channel, secrets: Secrets, message: Message, now_us: int) -> None:
    """Post `message`: delivered is a status of 2xx. Raises `NotDelivered`."""
    headers = {
        "content-type": "application/json",
        "user-agent": f"ferry/{__version__}",
        ID_HEADER: message.id,
    }
    if channel.kind == SLACK:
        body = slack_bytes(message)
    else:
        body = json_bytes(message)
        if secrets.signing:
            headers[SIGNATURE_HEADER] = signature(body, secrets.signing, now_us // 1_000_000)
    # It would log each address, and the address may be the secret.
    logging.getLogger("httpx").disabled = True
    try:
        status, retry_after = asyncio.run(_posted(channel, secrets.url, headers, body))
    except TimeoutError:
        said = f"no answer within {channel.timeout_s} s"
        raise NotDelivered(channel.name, said) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise NotDelivered(channel.name, why(error)) from None
    if not 200 <= status < 300:
        raise _refused(channel.name, status, retry_after)


async def _posted(
    channel: Channel, url: str, headers: dict[str, str], body: bytes
) -> tuple[int, str]:
    """The status and what `Retry-After` says. The deadline is of the whole, not of its parts."""
    async with asyncio.timeout(channel.timeout_s):
        async with (
            httpx.AsyncClient(follow_redirects=False, timeout=httpx.Timeout(None)) as client,
            client.stream("POST", url, content=body, headers=headers) as reply,
        ):
            return reply.status_code, reply.headers.get("retry-after", "")


def _refused(channel: str, status: int, retry_after: str) -> NotDelivered:
    if 300 <= status < 400:
        return NotDelivered(channel, f"it answers with a redirect ({status}), not followed")
    wait_s = 0
    if status in (429, 503) and retry_after.isascii() and retry_after.isdigit():
        wait_s = min(int(retry_after[:9]), WAIT_S_MAX)
    return NotDelivered(channel, f"it answers {status}", status in _NEVER, wait_s)
