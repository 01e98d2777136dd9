"""ferry's own keys: their form, what may be shown of them, and what they allow.

A secret is `fk_`, 30 base62 characters, and 6 that are the CRC32 of the rest: a typo is told
without a look at the database. Source: docs/attribution.md, "Keys".
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ferrycli.rules.attribution import Policy
from ferrycli.rules.denials import BadKey, ModelNotAllowed

PREFIX = "fk_"
BODY_LENGTH = 30
CHECK_LENGTH = 6
DEMO_SECRET = "fk_demo"  # noqa: S105  # Printed on the start-up card; opens sim models only.

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

ROLES = ("call", "read", "admin")


def base62(number: int, length: int) -> str:
    """`number` in base 62, padded with zeros to `length`."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def compose(entropy: int) -> str:
    """The secret made of `entropy`, of which the lowest 178 bits count."""
    body = PREFIX + base62(entropy, BODY_LENGTH)
    return body + _check(body)


def is_well_formed(secret: str) -> bool:
    """Whether `secret` has ferry's form and its checksum holds."""
    if len(secret) != len(PREFIX) + BODY_LENGTH + CHECK_LENGTH or not secret.isascii():
        return False
    body, check = secret[:-CHECK_LENGTH], secret[-CHECK_LENGTH:]
    is_ours = body.startswith(PREFIX) and body[len(PREFIX) :].isalnum()
    return is_ours and check == _check(body)


def shown(secret: str) -> str:
    """What may be printed of a secret: `fk_…3f2a`; `…` alone for what is not ours."""
    if not secret.startswith(PREFIX) or len(secret) < len(PREFIX) + 8 or not secret.isascii():
        return "…"
    tail = secret[-4:]
    return f"{PREFIX}…{tail if tail.isalnum() else ''}"


def _check(body: str) -> str:
    return base62(zlib.crc32(body.encode()), CHECK_LENGTH)


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """A key as the gateway needs it: who it is, and what it allows. Times in UTC microseconds."""

    id: str
    """As it is shown: `key_…`."""
    name: str
    last4: str
    role: str = "call"
    policies: Mapping[str, Policy] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    """Globs over `provider/model` or the bare model; none: every model."""
    expires_at: int | None = None
    revoked_at: int | None = None
    is_demo: bool = False
    """The key of a first run without providers: simulated models only, loopback only."""

    def check(self, now_us: int) -> None:
        """Raise `BadKey` if the key cannot be used for calls at `now_us`."""
        self.check_open(now_us)
        if self.role != "call":
            raise BadKey(f"{PREFIX}…{self.last4}", "role")

    def check_open(self, now_us: int) -> None:
        """Raise `BadKey` if the key opens nothing at `now_us`, whatever its role."""
        if self.revoked_at is not None and self.revoked_at <= now_us:
            raise BadKey(f"{PREFIX}…{self.last4}", "revoked")
        if self.expires_at is not None and self.expires_at <= now_us:
            raise BadKey(f"{PREFIX}…{self.last4}", "expired")

    def check_model(self, provider: str, model: str) -> None:
        """Raise `ModelNotAllowed` if the key's globs leave `provider/model` out."""
        if not self.allows(provider, model):
            raise ModelNotAllowed(f"{provider}/{model}", self.models)

    def allows(self, provider: str, model: str) -> bool:
        """Whether one of the key's globs matches.

        A glob with a slash is for `provider/model`, one without for the model at any provider: a
        model may have a slash in its own name, and `openai/*` must not open OpenRouter's.
        """
        return not self.models or any(
            fnmatchcase(f"{provider}/{model}" if "/" in glob else model, glob)
            for glob in self.models
        )
