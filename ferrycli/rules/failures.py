"""What a failed attempt means: whether another target may be tried, and how long to keep away.

Only for failures before the first byte went to the client: after it there is no other target.
Pure. Source: docs/routes.md, "What follows a failure".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from ferrycli.rules.denials import Untranslatable, UpstreamFailed, UpstreamTimeout
from ferrycli.rules.errors import FerryError, NoCredential
from ferrycli.rules.windows import MICROSECONDS, to_us

KINDS = ("retry", "money", "not_found", "context", "final")
OPTIONAL = frozenset({"not_found", "context"})
"""Kinds that another target is tried for only where the route says so."""

RETRIED_STATUSES = frozenset({408, 409, 424, 429, 498, 500, 502, 503, 504, 529})
"""Statuses after which another target may be tried, before the first byte only."""

ASKS_TO_WAIT = frozenset({429, 503, 529})
"""Statuses whose `Retry-After` counts."""

RETRY_AFTER_S_MAX = 60.0
"""A provider that asks for longer is asked again after this."""

_MONEY_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "enforced_spend_limit_reached",
    }
)
_MONEY_SAID = re.compile(
    r"credit balance is too low|reached your specified (workspace )?api usage limits"
    r"|key limit exceeded|insufficient (credits|balance)",
    re.IGNORECASE,
)
"""How Anthropic refuses with 400 at its own spend limit, and others where no code says it."""
_MODERATED = re.compile(r"flagged|moderation", re.IGNORECASE)
"""OpenRouter's 403 is a spent key, except where it is about what the request says."""

_NOT_FOUND_CODES = frozenset(
    {
        "model_not_found",
        "not_found_error",
        "not_found",
        "notfounderror",
        "deploymentnotfound",
        "resourcenotfoundexception",
    }
)
_NOT_FOUND_SAID = re.compile(r"\bmodels?\b|no endpoints found", re.IGNORECASE)
_CONTEXT_CODES = frozenset({"context_length_exceeded"})
_CONTEXT_SAID = re.compile(
    r"maximum context length|prompt is too long|exceeds? (the )?context (limit|window)"
    r"|exceeds the maximum number of tokens|input is too long|context window",
    re.IGNORECASE,
)

CODE_LENGTH_MAX = 60
_STATUS = re.compile(r"[45]\d\d")
_STATUS_OF_CODE = {
    "overloaded_error": 529,
    "overloaded": 529,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "timeout_error": 504,
    "deadline_exceeded": 504,
    "unavailable": 503,
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "model_not_found": 404,
    "context_length_exceeded": 400,
    "throttlingexception": 429,
    "serviceunavailableexception": 503,
    "modelstreamerrorexception": 424,
    "modeltimeoutexception": 408,
    "validationexception": 400,
    "reply_cut": 502,
    "reply_unreadable": 502,
    **dict.fromkeys(_MONEY_CODES, 429),
}
"""What an error inside a reply with status 200 would have had as its status; others: 500."""


_OWN = frozenset({"no_credential", "not_translatable"})
"""Codes of what is ferry's own: the provider never heard of the call."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt."""

    kind: str
    """One of `KINDS`."""
    status: int = 0
    """The provider's, or what an error inside a 200 stands for; 0: none came."""
    code: str = ""
    """The provider's own, or ferry's: `upstream_timeout`."""

    @property
    def is_of_provider(self) -> bool:
        """Whether it says that the provider is not well: such ones open a circuit."""
        return self.kind in ("retry", "money") and self.code not in _OWN and self.status != 409

    @property
    def may_repeat(self) -> bool:
        """Whether a second try at the same target may help."""
        is_answer = 100 <= self.status < 400
        return self.kind == "retry" and self.code not in _OWN and not is_answer

    def __str__(self) -> str:
        """In few words, for the circuit's reason: `503 overloaded`, `upstream_timeout`."""
        return " ".join(str(part) for part in (self.status or "", self.code) if part)


def classify(status: int, code: str = "", kind: str = "", message: str = "") -> Failure:
    """What a reply with `status` and the provider's error `code` (or its type) means.

    `kind`: the provider's kind, or its name in the catalogue where it is spoken to as
    `compatible`. `message`: the error's text, which some providers say more in than in the code.
    A status of 200 with an error inside is read as the status that the code stands for; one
    without (empty, no JSON, a redirect) is the provider's failure.
    """
    shown, known = code[:CODE_LENGTH_MAX], code.lower()
    effective = status
    if status < 400 and code:
        effective = int(code) if _STATUS.fullmatch(code) else _STATUS_OF_CODE.get(known, 500)
    return Failure(_kind_of(effective, known, kind.lower(), message), effective, shown)


def _kind_of(status: int, code: str, kind: str, message: str) -> str:
    if _is_money(status, code, kind, message):
        return "money"
    if status == 404 and (code in _NOT_FOUND_CODES or _NOT_FOUND_SAID.search(message)):
        return "not_found"
    if status == 400 and (code in _CONTEXT_CODES or _CONTEXT_SAID.search(message)):
        return "context"
    if status in RETRIED_STATUSES or status < 400 or 520 <= status <= 527:
        # 520 to 527 are a proxy's in front of the provider, which itself did not answer.
        return "retry"
    return "final"


def _is_money(status: int, code: str, kind: str, message: str) -> bool:
    if status == 402:
        return True
    if status in (400, 403, 429) and (code in _MONEY_CODES or _MONEY_SAID.search(message)):
        return True
    return status == 403 and kind == "openrouter" and not _MODERATED.search(message)


def failure_of(error: FerryError) -> Failure:
    """The failure of an attempt that got no reply: not reached, cut off, or too slow.

    The whole call's deadline, and what is ferry's own refusal, are final. A provider without a
    key, and one whose dialect cannot say the request, is passed over.
    """
    if isinstance(error, UpstreamTimeout):
        return Failure("final" if error.phase == "total" else "retry", 0, error.code)
    if isinstance(error, UpstreamFailed | NoCredential | Untranslatable):
        return Failure("retry", 0, error.code)
    return Failure("final", error.status, error.code)


def may_go_on(failure: Failure, retry: frozenset[str] = frozenset()) -> bool:
    """Whether the next target is tried. `retry`: what the route adds, of `OPTIONAL`."""
    return failure.kind in ("retry", "money") or failure.kind in (retry & OPTIONAL)


_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATES = (
    # RFC 9110, 5.6.7: the form in use, and two that are obsolete and still to be read.
    re.compile(r"[a-z]{3}, (?P<d>\d\d) (?P<m>[a-z]{3}) (?P<y>\d{4}) (?P<t>[\d:]{8}) gmt"),
    re.compile(r"[a-z]{6,9}, (?P<d>\d\d)-(?P<m>[a-z]{3})-(?P<y>\d\d) (?P<t>[\d:]{8}) gmt"),
    re.compile(r"[a-z]{3} (?P<m>[a-z]{3}) (?P<d>[ \d]\d) (?P<t>[\d:]{8}) (?P<y>\d{4})"),
)


def retry_after_s(headers: Iterable[tuple[bytes, bytes]], now_us: int) -> float | None:
    """How long a provider asks to be left alone, in seconds, `RETRY_AFTER_S_MAX` at the most.

    Reads `retry-after-ms`, then `retry-after` in seconds or as a date. None where neither says a
    time: negative numbers and garbage say nothing. A date that has passed is 0.
    """
    said = {name.lower(): value for name, value in headers if name.lower() in _ASKING}
    if (in_ms := _number(said.get(b"retry-after-ms", b""))) is not None:
        return min(in_ms / 1000, RETRY_AFTER_S_MAX)
    text = said.get(b"retry-after", b"")
    if (seconds := _number(text)) is not None:
        return min(seconds, RETRY_AFTER_S_MAX)
    if (at_us := _date_us(text)) is not None:
        return min(max(at_us - now_us, 0) / MICROSECONDS, RETRY_AFTER_S_MAX)
    return None


_ASKING = (b"retry-after", b"retry-after-ms")


def _number(value: bytes) -> float | None:
    text = value.decode("latin-1").strip()
    return float(text) if text.isascii() and _SECONDS.fullmatch(text) else None


def _date_us(value: bytes) -> int | None:
    text = value.decode("latin-1").strip().lower()
    found = next((match for form in _DATES if (match := form.fullmatch(text))), None)
    if found is None or found["m"] not in _MONTHS:
        return None
    year = int(found["y"]) + (2000 if len(found["y"]) == 2 else 0)
    month = _MONTHS.index(found["m"]) + 1
    try:
        day = date(year, month, int(found["d"]))
        return to_us(datetime.combine(day, time.fromisoformat(found["t"]), UTC))
    except ValueError:
        return None
