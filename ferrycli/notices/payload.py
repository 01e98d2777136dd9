"""The forms of a message: JSON for programs, with its signature; lines for people; Slack's.

A message has the same bytes in every try: only the signature's time differs.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from ferrycli.rules.notice_words import Message, iso

SCHEMA = "ferry.notice/1"

ID_HEADER = "Ferry-Notice-Id"
SIGNATURE_HEADER = "Ferry-Signature"

_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""All that Slack's text needs; without it a name could mention a whole channel."""


def json_bytes(message: Message) -> bytes:
    """The object `ferry.notice/1`."""
    content = {
        "schema": SCHEMA,
        "id": message.id,
        "kind": message.kind,
        "at": iso(message.at_us),
        "title": message.title,
        "text": message.text,
        "facts": dict(message.facts),
    }
    return json.dumps(content, ensure_ascii=False).encode()


def signature(body: bytes, secret: str, at_s: int) -> str:
    """`t=<unix>,v1=<hex>`: the HMAC-SHA256 of `t.body`."""
    signed = f"{at_s}.".encode() + body
    return f"t={at_s},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def plain_text(message: Message) -> str:
    """The text, and which notice it is; its title stands elsewhere."""
    return f"{message.text}\n\n-- \nferry, notice {message.id}\n".lstrip()


def slack_bytes(message: Message) -> bytes:
    """What an incoming webhook of Slack takes."""
    title, text = (part.translate(_SLACK_ESCAPES) for part in (message.title, message.text))
    return json.dumps({"text": f"*{title}*\n{text}\n_{message.id}_"}).encode()
