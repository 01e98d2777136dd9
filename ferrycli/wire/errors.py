"""Ferry's own errors as a caller's dialect has them: the sentence, and the facts for programs.

The hint is part of the message. Every form has the error's `code` and its fields somewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import FerryError
from ferrycli.rules.words import words
from ferrycli.wire.bodies import MESSAGE_LENGTH_MAX

DOMAIN = "ferry"
"""Whose reason it is, in Google's form."""

_More = Mapping[str, object]

_OPENAI_TYPES: Mapping[int, str] = {401: "authentication_error", 429: "rate_limit_error"}
_ANTHROPIC_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""By status; other ones by `_BLAMED`: below 500, and from there."""
_BLAMED = ("invalid_request_error", "api_error")

_GOOGLE_STATUSES: Mapping[int, str] = {
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
"""By status; other ones below 500 are `INVALID_ARGUMENT`, the rest `INTERNAL`."""

_AMAZON_TYPES: Mapping[int, str] = {
    401: "UnrecognizedClientException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    409: "ConflictException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    502: "ServiceUnavailableException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
"""By status; other ones below 500 are `ValidationException`, the rest `InternalServerException`."""


def openai_error(error: FerryError) -> bytes:
    """`{"error": {message, type, param, code, ferry}}`."""
    return _openai(error.kind, error.code, _message(error), _param(error), {"ferry": _facts(error)})


def openai_passed(status: int, code: str, message: str) -> bytes:
    """A provider's error in OpenAI's shape."""
    kind = _named(_OPENAI_TYPES, status, *_BLAMED)
    return _openai(kind, code, message, None, {})


def _openai(kind: str, code: str, message: str, param: str | None, more: _More) -> bytes:
    error = {"message": message, "type": kind, "param": param, "code": code or None, **more}
    return msgspec.json.encode({"error": error})


def anthropic_error(error: FerryError) -> bytes:
    """`{"type": "error", "error": {type, message, code, param, ferry}, "request_id"}`."""
    more = {"code": error.code, "param": _param(error), "ferry": _facts(error)}
    return _anthropic(error.status, _message(error), more)


def anthropic_passed(status: int, code: str, message: str) -> bytes:
    """A provider's error in Anthropic's shape."""
    return _anthropic(status, message, {"code": code} if code else {})


def _anthropic(status: int, message: str, more: _More) -> bytes:
    kind = _named(_ANTHROPIC_TYPES, status, *_BLAMED)
    error = {"type": kind, "message": message, **more}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": None})


def gemini_error(error: FerryError) -> bytes:
    """`{"error": {code, message, status, details}}`; the facts are of an `ErrorInfo`, as text."""
    details = [
        _reason(error.code, DOMAIN, {name: _text(one) for name, one in _facts(error).items()})
    ]
    if error.retry_after_s is not None:
        delay = f"{error.retry_after_s}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return _gemini(error.status, _message(error), details)


def gemini_passed(status: int, code: str, message: str) -> bytes:
    """A provider's error in Gemini's shape."""
    return _gemini(status, message, [_reason(code, "", {})] if code else [])


def _gemini(status: int, message: str, details: list[dict[str, object]]) -> bytes:
    named = _named(_GOOGLE_STATUSES, status, "INVALID_ARGUMENT", "INTERNAL")
    error = {"code": status, "message": message, "status": named, "details": details}
    return msgspec.json.encode({"error": error})


def _reason(code: str, domain: str, metadata: Mapping[str, str]) -> dict[str, object]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": code.upper(),
        "domain": domain,
        "metadata": metadata,
    }


def bedrock_error(error: FerryError) -> bytes:
    """`{"message", "ferry"}`; what kind of error it is stands in a header (`bedrock_type`)."""
    # Not `code` by itself: Amazon's clients would take that for the kind.
    return msgspec.json.encode(
        {"message": _message(error), "ferry": {"code": error.code, **_facts(error)}}
    )


def bedrock_passed(_status: int, _code: str, message: str) -> bytes:
    """A provider's error in Bedrock's shape, which has room for no code."""
    return msgspec.json.encode({"message": message})


def bedrock_type(error: FerryError) -> str:
    """The value of the header `x-amzn-errortype`."""
    if error.status == 429 and error.may_retry is False:
        # What is throttled is asked again; a quota that is used up is not.
        return "ServiceQuotaExceededException"
    return bedrock_type_of(error.status)


def bedrock_type_of(status: int) -> str:
    """The value of that header for a provider's error."""
    return _named(_AMAZON_TYPES, status, "ValidationException", "InternalServerException")


def _named(names: Mapping[int, str], status: int, ours: str, theirs: str) -> str:
    """The name for a status; `ours` is the caller's fault, `theirs` the server's."""
    return names.get(status, ours if status < 500 else theirs)


def _message(error: FerryError) -> str:
    said = words(error)
    message = f"{said.sentence}; {said.hint}" if said.hint else said.sentence
    return safe(message, MESSAGE_LENGTH_MAX)


def _param(error: FerryError) -> str | None:
    param = getattr(error, "field", None)
    return None if param is None else safe(param)


def _facts(error: FerryError) -> dict[str, object]:
    """The error's own fields, for programs; text is cleaned."""
    found = fields(error)  # type: ignore[arg-type]  # Every subclass is a dataclass.
    return {field.name: _cleaned(getattr(error, field.name)) for field in found}


def _cleaned(value: object) -> object:
    if isinstance(value, tuple):
        return [_cleaned(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return safe(str(value))


def _text(value: object) -> str:
    """A fact where only text may stand: what is none as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
