"""What two requests of a thread have in common, in every dialect that has turns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferrycli.wire.beginnings import NEVER_INPUT, is_believed, marks, rest_bound
from ferrycli.wire.facts import Facts
from tests.wire.intakes.asked import LEAST, NAMES, TURNED, body_of, read

LONG = "x" * 4_000


def turn(name: str, text: str, role: str = "user") -> dict[str, Any]:
    if name == "gemini":
        return {"role": role, "parts": [{"text": text}]}
    content: Any = [{"text": text}] if name == "converse" else text
    return {"role": role, "content": content}


def talk(name: str, *texts: str, **more: object) -> tuple[Facts, bytes]:
    body = body_of(name, **{LEAST[name].turns: [turn(name, one) for one in texts], **more})
    return read(name, body), body


@pytest.mark.parametrize("name", TURNED)
def test_a_longer_talk_begins_as_the_shorter_one(name: str) -> None:
    one, two = marks(*talk(name, "a", "b")), marks(*talk(name, "a", "b", "c"))
    other = marks(*talk(name, "a", "z", "c"))
    assert one is not None
    assert two is not None
    assert other is not None
    assert one.frame == two.frame == other.frame
    assert one.beginnings == two.beginnings[:2]
    assert two.beginnings[0] == other.beginnings[0]
    assert two.beginnings[1:] != other.beginnings[1:]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TURNED])
def test_what_has_no_turns_has_no_beginnings(name: str) -> None:
    body = body_of(name)
    assert marks(read(name, body), body) is None


BESIDE: list[tuple[str, str, object]] = [
    ("responses", "instructions", "be brief"),
    ("responses", "tools", []),
    ("responses", "reasoning", {"effort": "low"}),
    ("responses", "text", {}),
    ("responses", "previous_response_id", "resp_1"),
    ("messages", "system", "be brief"),
    ("messages", "tools", []),
    ("messages", "thinking", {"type": "adaptive"}),
    ("messages", "output_config", {}),
    ("messages", "tool_choice", {"type": "auto"}),
    ("gemini", "systemInstruction", {"parts": []}),
    ("gemini", "tools", []),
    ("gemini", "cachedContent", "cachedContents/1"),
    ("gemini", "generationConfig", {"responseSchema": {}}),
    ("converse", "system", [{"text": "be brief"}]),
    ("converse", "toolConfig", {"tools": []}),
    ("converse", "additionalModelRequestFields", {"top_k": 1}),
]


@pytest.mark.parametrize(("name", "member", "value"), BESIDE, ids=str)
def test_what_stands_beside_the_turns_may_be_input(name: str, member: str, value: object) -> None:
    plain, more = marks(*talk(name, "a")), marks(*talk(name, "a", **{member: value}))
    assert plain is not None
    assert more is not None
    assert plain.frame != more.frame
    assert member not in NEVER_INPUT


NEVER: list[tuple[str, str, object]] = [
    ("responses", "max_output_tokens", 99),
    ("responses", "metadata", {"a": "b"}),
    ("messages", "max_tokens", 99),
    ("messages", "metadata", {"user_id": "u"}),
    ("messages", "stop_sequences", ["x"]),
    ("messages", "top_k", 5),
    ("gemini", "labels", {"a": "b"}),
    ("converse", "inferenceConfig", {"maxTokens": 9}),
    ("converse", "requestMetadata", {"a": "b"}),
]


@pytest.mark.parametrize(("name", "member", "value"), NEVER, ids=str)
def test_what_no_template_sees_changes_nothing(name: str, member: str, value: object) -> None:
    plain, more = marks(*talk(name, "a")), marks(*talk(name, "a", **{member: value}))
    assert plain == more


@pytest.mark.parametrize("name", TURNED)
def test_the_rest_is_bounded_by_its_bytes(name: str) -> None:
    facts, _ = talk(name, "a" * 9_000, "b", LONG)
    bound = rest_bound(facts, 2, "m")
    assert bound is not None
    assert len(LONG) <= bound < len(LONG) + 500
    assert rest_bound(facts, 3, "m") is not None


@pytest.mark.parametrize("name", TURNED)
def test_a_report_is_believed_that_a_tokenizer_can_make(name: str) -> None:
    facts, _ = talk(name, LONG)
    assert is_believed(facts, "m", 1_000)
    assert not is_believed(facts, "m", 10)
    assert not is_believed(facts, "m", 0)


VARYING: list[tuple[str, dict[str, Any]]] = [
    ("responses", {"conversation": "conv_1"}),
    ("responses", {"prompt": {"id": "pmpt_1"}}),
    (
        "responses",
        {"input": [{"content": [{"type": "input_image", "image_url": "https://a.example/b"}]}]},
    ),
    (
        "responses",
        {"input": [{"content": [{"type": "input_file", "file_url": "https://a.example/b"}]}]},
    ),
    (
        "messages",
        {"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]},
    ),
    (
        "messages",
        {"messages": [{"content": [{"type": "document", "source": {"type": "url"}}]}]},
    ),
    ("gemini", {"contents": [{"parts": [{"fileData": {"fileUri": "https://a.example/b"}}]}]}),
    (
        "converse",
        {"messages": [{"content": [{"image": {"source": {"s3Location": {"uri": "s3://a"}}}}]}]},
    ),
    ("converse", {"promptVariables": {"a": {"text": "b"}}}),
    ("messages", {"container": "c"}),
    ("responses", {"tools": [{"type": "web_search"}]}),
    ("gemini", {"tools": [{"googleSearch": {}}]}),
]


@pytest.mark.parametrize(("name", "more"), VARYING, ids=str)
def test_what_may_be_another_the_next_time_bounds_nothing(name: str, more: dict[str, Any]) -> None:
    assert not is_believed(read(name, body_of(name, **more)), "m", 50_000)


ENCODED: list[tuple[str, dict[str, Any]]] = [
    (
        "responses",
        {"content": [{"type": "input_image", "image_url": f"data:image/png;base64,{LONG}"}]},
    ),
    (
        "messages",
        {"content": [{"type": "image", "source": {"type": "base64", "data": LONG}}]},
    ),
    ("gemini", {"parts": [{"inlineData": {"mimeType": "image/png", "data": LONG}}]}),
    ("converse", {"content": [{"image": {"source": {"bytes": LONG}}}]}),
]


@pytest.mark.parametrize(("name", "last"), ENCODED, ids=str)
def test_an_image_in_the_rest_counts_by_the_model(name: str, last: dict[str, Any]) -> None:
    turns = [turn(name, "a"), last]
    facts = read(name, body_of(name, **{LEAST[name].turns: turns}))
    plain, dear = rest_bound(facts, 1, "m"), rest_bound(facts, 1, "gpt-4o-mini")
    assert plain is not None
    assert dear is not None
    assert dear > plain > 10_000
    assert is_believed(facts, "m", 5_000)


def test_text_alone_is_one_turn_of_a_response() -> None:
    body = body_of("responses", input=LONG)
    facts = read("responses", body)
    found = marks(facts, body)
    assert found is not None
    assert len(found.beginnings) == 1
    assert rest_bound(facts, 0, "m") is not None
    assert json.loads(bytes(facts.messages[0])) == LONG
