"""What ferry itself answers: every refusal in OpenAI's shape, as an SDK reads it."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import httpx2
import openai
import pytest

from ferrycli.rules import denials
from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter, Refusal
from ferrycli.rules.errors import FerryError
from ferrycli.wire.bodies import MESSAGE_LENGTH_MAX, error_body

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
    body = error_body(error)
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
        return httpx2.Response(kind.status, content=error_body(error), headers=headers)

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
    told = json.loads(error_body(BadParameter("n", "0", "a whole number from 1 to 128")))["error"]
    assert told["message"] == "`n` cannot be `0`; it takes a whole number from 1 to 128"
    assert told["param"] == "n"
    assert told["ferry"] == {"field": "n", "value": "0", "wanted": "a whole number from 1 to 128"}
