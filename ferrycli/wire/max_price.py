"""OpenRouter's `provider.max_price`: the prices that were held for are the most that it may take.

OpenRouter sends a model's calls to whoever serves it, each at prices of its own. Source:
docs/money.md, section 5, and OpenRouter's page on provider routing.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter
from ferrycli.rules.money import usd_exact
from ferrycli.wire.facts import Facts

CATALOGUE = "openrouter"
HOST = "openrouter.ai"
MEMBER = "provider"
DIGITS_MAX = 400
"""Of a price that a caller wrote; a longer one is none."""

_Members = dict[str, msgspec.Raw]
_decode_members = msgspec.json.Decoder(_Members).decode


def is_openrouter(catalogue: str, base_url: str) -> bool:
    """Whether a provider is OpenRouter: by its id in the price catalogue, or its host."""
    host = (urlsplit(base_url).hostname or "").lower().rstrip(".")
    return catalogue == CATALOGUE or host == HOST or host.endswith(f".{HOST}")


def with_max_price(body: bytes, facts: Facts, input_rate: int, output_rate: int) -> bytes:
    """The body's member `provider` with a `max_price` of these rates, as JSON.

    Rates are the plain ones, in nano-dollars per million tokens: a provider that asks no more for
    input asks no more for writing it to a cache, either. No fee per request is held for, so none
    may be asked. What the caller's own `provider` says stays, and of a price the lower one. Raises
    `BadParameter` where that is no object.
    """
    own = _members(_value(body, facts), MEMBER)
    prices = _members(own.get("max_price"), f"{MEMBER}.max_price")
    most = {"prompt": input_rate, "completion": output_rate, "request": 0}
    for name, rate in most.items():
        theirs = _price(prices.get(name))
        if theirs is None or theirs > Decimal(usd_exact(rate)):
            prices[name] = msgspec.Raw(usd_exact(rate).encode())
    own["max_price"] = msgspec.Raw(msgspec.json.encode(prices))
    return msgspec.json.encode(own)


def _value(body: bytes, facts: Facts) -> bytes | None:
    for member in facts.members:
        if member.name == MEMBER:
            return body[member.start : member.end]
    return None


def _members(written: bytes | None, field: str) -> _Members:
    """The members of an object; none where it is left out or null."""
    if written is None or bytes(written) == b"null":
        return {}
    try:
        return _decode_members(written)
    except msgspec.DecodeError:
        shown = safe(bytes(written)[:40].decode("utf-8", "replace"))
        raise BadParameter(field, shown, "an object") from None


def _price(written: bytes | None) -> Decimal | None:
    """A price in dollars that a caller wrote, as a number or as text; None where it is none."""
    if written is None or len(written) > DIGITS_MAX:
        return None
    try:
        price = Decimal(bytes(written).decode().strip('"'))
    except (InvalidOperation, UnicodeDecodeError):
        return None
    return price if price.is_finite() and price >= 0 else None
