"""Pictures and files inside requests: data URLs, and the media types that they name."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NoBase64

from ferrycli.rules.denials import BadParameter

PLAIN_TEXT = "text/plain"


def data_url(media_type: str, base64: str) -> str:
    """`data:image/png;base64,…`."""
    return f"data:{media_type};base64,{base64}"


def is_data_url(url: str) -> bool:
    return url[:5].lower() == "data:"


def is_web_url(url: str) -> bool:
    return url[:8].lower().startswith(("http://", "https://"))


def read_data_url(url: str, field: str) -> tuple[str, str]:
    """Media type and base64 of a data URL. Raises `BadParameter` naming `field`."""
    head, comma, base64 = url[5:].partition(",")
    media_type, *parameters = head.split(";")
    is_base64 = bool(parameters) and parameters[-1].strip().lower() == "base64"
    if not comma or not is_base64 or not media_type:
        raise BadParameter(field, "not readable", "a URL like `data:image/png;base64,…`")
    return media_type.lower(), base64


def text_as_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def base64_as_text(base64: str) -> str | None:
    """None: it is no text."""
    try:
        return b64decode(base64, validate=True).decode()
    except (NoBase64, ValueError):
        return None
