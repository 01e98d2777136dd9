"""Ferry's own errors, as each dialect has them and as an SDK reads them."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from ferrycli.rules import denials
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter, Refusal
from ferrycli.rules.errors import FerryError, LedgerUnavailable
from ferrycli.wire import errors
from ferrycli.wire.bodies import MESSAGE_LENGTH_MAX, error_text
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.errors import openai_error

NASTY = "\x1b]0;x\x07\r\nx\x00\u202e\u2028\ud800</script>`'\"\\" + "é" * 300
PLAIN = "acme"


def classes(of: type[FerryError]) -> Iterator[type[FerryError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from classes(kind)


EVERY = list(classes(FerryError))
# Groups of errors have no fields of their own, and are never raised.
CONCRETE = [kind for kind in EVERY if "__dataclass_fields__" in vars(kind)]
REFUSALS = [kind for kind in CONCRETE if issubclass(kind, Refusal)]


def instance(kind: type[FerryError], text: str) -> FerryError:
    """An error of `kind`, each field filled by its type."""
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {
        field.name: filled(hints[field.name], text)
        for field in fields(kind)  # type: ignore[arg-type]  # Asked for above.
    }
    return kind(**values)


def filled(hint: object, text: str) -> object:
    examples: dict[object, object] = {
        str: text,
        int: 3_000_000_000,
        int | None: 1_764_547_200_000_000,
        float: 2.5,
        bool: True,
        object: text,
        tuple[str, ...]: (text, "b"),
        tuple[tuple[str, str, str], ...]: ((text, "b", text),),
    }
    return examples[hint]


def test_every_refusal_is_found() -> None:
    assert len(REFUSALS) >= 25
    assert denials.BudgetSpent in REFUSALS


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("text", [PLAIN, NASTY, ""], ids=["plain", "nasty", "empty"])
def test_every_error_has_openais_shape_and_nothing_that_acts(
    kind: type[FerryError], text: str
) -> None:
    error = instance(kind, text)
    body = openai_error(error)
    told = json.loads(body)
    assert list(told) == ["error"]
    inner = told["error"]
    assert set(inner) == {"message", "type", "param", "code", "ferry"}
    assert inner["message"]
    assert len(inner["message"]) <= MESSAGE_LENGTH_MAX
    assert (inner["type"], inner["code"]) == (kind.kind, kind.code)
    assert inner["param"] == (safe(text) if hasattr(error, "field") else None)
    for said in strings(told):
        assert said.isprintable(), said
    assert not any(byte < 0x20 or byte == 0x7F for byte in body)
    assert set(inner["ferry"]) == {field.name for field in fields(kind)}  # type: ignore[arg-type]


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_openais_sdk_reads_every_refusal(kind: type[FerryError]) -> None:
    error = instance(kind, PLAIN)

    def answer(_request: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "application/json", "x-should-retry": "false"}
        return httpx2.Response(kind.status, content=openai_error(error), headers=headers)

    transport = httpx2.MockTransport(answer)
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(api_key="fk_a", base_url="http://ferry.test/v1", http_client=http) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    seen = caught.value
    assert seen.status_code == kind.status
    assert (seen.code, seen.type) == (kind.code, kind.kind)
    assert seen.param == getattr(error, "field", None)


def test_a_hint_is_part_of_the_message() -> None:
    told = json.loads(openai_error(BadParameter("n", "0", "a whole number from 1 to 128")))["error"]
    assert told["message"] == "`n` cannot be `0`; it takes a whole number from 1 to 128"
    assert told["param"] == "n"
    assert told["ferry"] == {"field": "n", "value": "0", "wanted": "a whole number from 1 to 128"}


# Other dialects -----------------------------------------------------------------------------

FORMS: dict[str, Callable[[FerryError], bytes]] = {
    "anthropic": errors.anthropic_error,
    "bedrock": errors.bedrock_error,
    "gemini": errors.gemini_error,
}


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("text", [PLAIN, NASTY, ""], ids=["plain", "nasty", "empty"])
def test_no_form_has_anything_that_acts(form: str, kind: type[FerryError], text: str) -> None:
    body = FORMS[form](instance(kind, text))
    for said in strings(json.loads(body)):
        assert said.isprintable(), said
    assert not any(byte < 0x20 or byte == 0x7F for byte in body)
    assert len(error_text(body)[1]) <= MESSAGE_LENGTH_MAX


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_every_form_carries_the_facts(form: str, kind: type[FerryError]) -> None:
    error = instance(kind, PLAIN)
    told = json.loads(FORMS[form](error))
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # As above.
    inner = told.get("error", told)
    if form == "anthropic":
        assert set(told) == {"type", "error", "request_id"}
        assert (told["type"], inner["code"]) == ("error", kind.code)
        assert set(inner["ferry"]) == names
    elif form == "bedrock":
        assert set(told["ferry"]) == names | {"code"}
        assert set(told) == {"message", "ferry"}
    else:
        reason = inner["details"][0]
        assert (inner["code"], reason["reason"]) == (kind.status, kind.code.upper())
        assert set(reason["metadata"]) == names
        assert all(isinstance(value, str) for value in reason["metadata"].values())
    assert inner["message"] == json.loads(openai_error(error))["error"]["message"]


STATUSES: list[tuple[int, str, str, str]] = [
    (400, "invalid_request_error", "INVALID_ARGUMENT", "ValidationException"),
    (401, "authentication_error", "UNAUTHENTICATED", "UnrecognizedClientException"),
    (402, "billing_error", "RESOURCE_EXHAUSTED", "ServiceQuotaExceededException"),
    (403, "permission_error", "PERMISSION_DENIED", "AccessDeniedException"),
    (404, "not_found_error", "NOT_FOUND", "ResourceNotFoundException"),
    (408, "timeout_error", "DEADLINE_EXCEEDED", "ModelTimeoutException"),
    (409, "invalid_request_error", "ALREADY_EXISTS", "ConflictException"),
    (413, "request_too_large", "INVALID_ARGUMENT", "ValidationException"),
    (415, "invalid_request_error", "INVALID_ARGUMENT", "ValidationException"),
    (424, "invalid_request_error", "INVALID_ARGUMENT", "ModelErrorException"),
    (429, "rate_limit_error", "RESOURCE_EXHAUSTED", "ThrottlingException"),
    (500, "api_error", "INTERNAL", "InternalServerException"),
    (503, "api_error", "UNAVAILABLE", "ServiceUnavailableException"),
    (504, "timeout_error", "DEADLINE_EXCEEDED", "ModelTimeoutException"),
    (529, "overloaded_error", "UNAVAILABLE", "ServiceUnavailableException"),
]


@pytest.mark.parametrize(("status", "type_", "google", "amazon"), STATUSES)
def test_a_providers_error_is_passed_on_by_its_status(
    status: int, type_: str, google: str, amazon: str
) -> None:
    passed = json.loads(errors.anthropic_passed(status, "c", "no"))
    assert passed == {
        "type": "error",
        "error": {"type": type_, "message": "no", "code": "c"},
        "request_id": None,
    }
    inner = json.loads(errors.gemini_passed(status, "c", "no"))["error"]
    assert (inner["code"], inner["status"], inner["message"]) == (status, google, "no")
    assert inner["details"][0]["reason"] == "C"
    assert json.loads(errors.gemini_passed(status, "", "no"))["error"]["details"] == []
    assert json.loads(errors.bedrock_passed(status, "c", "no")) == {"message": "no"}
    assert errors.bedrock_type_of(status) == amazon
    said = json.loads(errors.openai_passed(status, "", "no"))["error"]
    assert said.pop("type") in {"api_error", "invalid_request_error", type_}
    assert said == {"message": "no", "param": None, "code": None}


def test_a_spent_budget_is_no_throttle_to_amazons_clients() -> None:
    spent, busy = (instance(kind, PLAIN) for kind in (denials.BudgetSpent, denials.BudgetBusy))
    assert errors.bedrock_type(spent) == "ServiceQuotaExceededException"
    assert errors.bedrock_type(busy) == "ThrottlingException"


def test_google_is_told_when_to_try_again() -> None:
    details = json.loads(errors.gemini_error(LedgerUnavailable("full")))["error"]["details"]
    assert details[1]["retryDelay"] == "1s"


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_anthropics_sdk_reads_every_refusal(kind: type[FerryError]) -> None:
    error = instance(kind, PLAIN)

    def answer(_request: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "application/json", "x-should-retry": "false"}
        return httpx2.Response(kind.status, content=errors.anthropic_error(error), headers=headers)

    transport = httpx2.MockTransport(answer)
    with (
        httpx2.Client(transport=transport) as http,
        anthropic.Anthropic(api_key="fk_a", base_url="http://ferry.test", http_client=http) as asks,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        asks.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    seen = caught.value
    assert seen.status_code == kind.status
    body: Any = seen.body
    assert body["error"]["code"] == kind.code


# What providers say -------------------------------------------------------------------------

SAID: list[tuple[bytes, tuple[str, str]]] = [
    (b'{"error":{"message":"no","type":"t","param":null,"code":"c"}}', ("c", "no")),
    (b'{"error":{"message":"no","type":"t","code":null}}', ("t", "no")),
    (b'{"error":{"message":"no","code":429,"metadata":{}}}', ("429", "no")),
    (b'{"error":{"message":"no","code":"429","type":"t"}}', ("t", "no")),
    (b'{"type":"error","error":{"type":"t","message":"no"},"request_id":"r"}', ("t", "no")),
    (b'{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED","details":[]}}',
     ("RESOURCE_EXHAUSTED", "no")),
    (b'[{"error":{"code":400,"message":"no","status":"S"}}]', ("S", "no")),
    (b"[]", ("", "")),
    (b'{"message":"no"}', ("", "no")),
    (b'{"Message":"no"}', ("", "no")),
    (b'{"__type":"ThrottlingException","message":"no"}', ("ThrottlingException", "no")),
    (b'{"object":"error","message":"no","type":"t","code":3}', ("t", "no")),
    (b'{"error":"no"}', ("", "no")),
    (b'{"code":"c","error":"no"}', ("c", "no")),
    (b"<html>", ("", "<html>")),
    (b"[5]", ("", "[5]")),
    (b'event: error\ndata: {"type":"error","error":{"type":"t","message":"no"}}\n\n',
     ("t", "no")),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), SAID)
def test_an_error_is_read_in_any_form(body: bytes, wanted: tuple[str, str]) -> None:
    assert error_text(body) == wanted


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_every_dialect_says_errors_that_are_read_back(name: str) -> None:
    dialect = DIALECTS[name]
    error = BadParameter("n", "0", "a whole number")
    _, said = error_text(dialect.error_body(error))
    assert said == "`n` cannot be `0`; it takes a whole number"
    assert error_text(dialect.passed_error(429, "c", "no"))[1] == "no"


def test_the_registry_names_its_dialects() -> None:
    assert {name: one.name for name, one in DIALECTS.items()} == {name: name for name in DIALECTS}
    assert len(DIALECTS) == 10
