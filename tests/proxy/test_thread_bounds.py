"""What was reported of a thread bounds its next call, whatever the tokenizer, or it is not used."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from ferrycli.proxy import thread_bounds
from ferrycli.proxy.thread_bounds import ThreadBounds, ThreadCall
from ferrycli.rules.attribution import Attribution
from ferrycli.rules.routing import Target
from ferrycli.wire.beginnings import MESSAGES_MAX
from ferrycli.wire.input_bounds import IMAGE_TOKENS, MESSAGE_OVERHEAD
from ferrycli.wire.intakes.chat import read_chat

SALT = b"salt"
TARGET = Target("up", "openai", "m-1")
OTHER = Target("up", "openai", "m-2")
HERE = Attribution(tenant="acme", thread="t-1")

Body = dict[str, Any]


def say(role: str, text: str) -> Body:
    return {"role": role, "content": text}


def image(url: str) -> Body:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


def document(file_id: str) -> Body:
    return {"role": "user", "content": [{"type": "file", "file": {"file_id": file_id}}]}


SYSTEM = say("system", "You are terse and write about ferries. " * 20)
HELLO = say("user", "hello")
TOOLS = [{"type": "function", "function": {"name": "look", "description": "Looks. " * 30}}]


def call(
    bounds: ThreadBounds,
    *messages: Body,
    where: Attribution = HERE,
    key: str = "key_1",
    **more: Any,
) -> ThreadCall:
    body = json.dumps({"model": "m", "messages": list(messages), **more}).encode()
    made = bounds.of(key, where, read_chat(body, SALT), body)
    assert made is not None
    return made


def told(*messages: Body, tokens: int = 400, target: Target = TARGET, **more: Any) -> ThreadBounds:
    bounds = ThreadBounds()
    call(bounds, *messages, **more).note(target, tokens)
    return bounds


def rest(*messages: Body) -> int:
    """The bound of what is new: its bytes, and what a template adds."""
    size = len(json.dumps(list(messages)).encode()) if messages else 2
    return size + (len(messages) + 1) * MESSAGE_OVERHEAD


# What it is for ------------------------------------------------------------------------------


def test_next_call_is_bounded_by_the_report_and_the_bytes_of_what_is_new() -> None:
    bounds = told(SYSTEM, HELLO)
    got = call(bounds, SYSTEM, HELLO, say("assistant", "hi"), say("user", "and?")).bound(TARGET)
    assert got is not None
    new = rest(say("assistant", "hi"), say("user", "and?"))
    assert 400 + new - 4 <= got <= 400 + new


def test_same_request_again_is_bounded_by_its_report() -> None:
    got = call(told(SYSTEM, HELLO), SYSTEM, HELLO).bound(TARGET)
    assert got is not None
    assert 400 <= got <= 400 + rest()


def test_latest_of_a_long_thread_bounds_most_closely() -> None:
    bounds, messages = ThreadBounds(), [SYSTEM]
    for number in range(30):
        messages += [say("user", f"step {number}"), say("assistant", "done")]
        call(bounds, *messages).note(TARGET, 300 + 20 * number)
    got = call(bounds, *messages, HELLO).bound(TARGET)
    assert got is not None
    assert got <= 300 + 20 * 29 + rest(HELLO)


def test_agents_side_by_side_in_a_thread_do_not_hide_each_other() -> None:
    bounds = ThreadBounds()
    parts = [say("system", f"Part {number}. " * 10) for number in range(4)]
    for part in parts:
        call(bounds, part, HELLO).note(TARGET, 100)
    assert all(call(bounds, part, HELLO, HELLO).bound(TARGET) for part in parts)
    call(bounds, SYSTEM, HELLO).note(TARGET, 400)
    assert call(bounds, parts[0], HELLO, HELLO).bound(TARGET) is None
    assert call(bounds, parts[1], HELLO, HELLO).bound(TARGET) is not None


def test_what_no_template_sees_may_change() -> None:
    bounds = told(SYSTEM, HELLO, stream=False, max_tokens=5, tools=TOOLS)
    got = call(
        bounds, SYSTEM, HELLO, HELLO, tools=TOOLS, stream=True, max_completion_tokens=900,
        metadata={"a": "b"}, user="u", stream_options={"include_usage": True},
    ).bound(TARGET)  # fmt: skip
    assert got is not None


def test_file_that_an_earlier_call_named_is_in_its_report() -> None:
    bounds = told(document("file-1"), tokens=90_000)
    assert call(bounds, document("file-1"), HELLO).bound(TARGET) is not None
    assert call(bounds, document("file-1"), document("file-2")).bound(TARGET) is None


def test_new_image_counts_as_an_image() -> None:
    picture = image("data:image/png;base64," + "A" * 4_000)
    got = call(told(SYSTEM, HELLO), SYSTEM, HELLO, picture).bound(TARGET)
    assert got is not None
    assert 400 + IMAGE_TOKENS <= got < 400 + IMAGE_TOKENS + 1_000


# What is not the same ------------------------------------------------------------------------


CHANGED: dict[str, tuple[list[Body], Body]] = {
    "edited": ([say("system", "You are terse"), HELLO, HELLO], {}),
    "one left out": ([HELLO, HELLO], {}),
    "another order": ([HELLO, SYSTEM, HELLO], {}),
    "one put in": ([SYSTEM, HELLO | {"name": "x"}, HELLO], {}),
    "shorter": ([SYSTEM], {}),
    "two in place of one": ([SYSTEM | {"content": ""}, SYSTEM, HELLO], {}),
    "tools": ([SYSTEM, HELLO, HELLO], {"tools": TOOLS}),
    "tool choice": ([SYSTEM, HELLO, HELLO], {"tool_choice": "none"}),
    "a schema": ([SYSTEM, HELLO, HELLO], {"response_format": {"type": "json_object"}}),
    "effort": ([SYSTEM, HELLO, HELLO], {"reasoning_effort": "high"}),
    "choices": ([SYSTEM, HELLO, HELLO], {"n": 2}),
    "what nobody knows": ([SYSTEM, HELLO, HELLO], {"documents": ["x"]}),
    "a search": ([SYSTEM, HELLO, HELLO], {"web_search_options": {}}),
}


@pytest.mark.parametrize(("messages", "more"), CHANGED.values(), ids=CHANGED)
def test_request_that_is_not_the_same_has_no_such_bound(messages: list[Body], more: Body) -> None:
    assert call(told(SYSTEM, HELLO), *messages, **more).bound(TARGET) is None


@pytest.mark.parametrize("more", [{"tools": TOOLS}, {"response_format": {"type": "json_object"}}])
def test_what_stood_beside_the_messages_must_stand_there_again(more: Body) -> None:
    bounds = told(SYSTEM, HELLO, **more)
    assert call(bounds, SYSTEM, HELLO, HELLO, **more).bound(TARGET) is not None
    assert call(bounds, SYSTEM, HELLO, HELLO).bound(TARGET) is None


@pytest.mark.parametrize(
    ("key", "where", "target"),
    [
        ("key_2", HERE, TARGET),
        ("key_1", Attribution(tenant="globex", thread="t-1"), TARGET),
        ("key_1", Attribution(tenant="acme", thread="t-2"), TARGET),
        ("key_1", HERE, OTHER),
        ("key_1", HERE, Target("down", "openai", "m-1")),
    ],
)
def test_others_reports_bound_nothing(key: str, where: Attribution, target: Target) -> None:
    got = call(told(SYSTEM, HELLO), SYSTEM, HELLO, HELLO, key=key, where=where)
    assert got.bound(target) is None


def test_what_stands_beside_the_body_must_stand_there_again() -> None:
    bounds = ThreadBounds()
    body = json.dumps({"model": "m", "messages": [SYSTEM, HELLO]}).encode()
    facts = read_chat(body, SALT)

    def of(beside: bytes, dialect: str = "chat") -> ThreadCall:
        made = bounds.of("key_1", HERE, structs.replace(facts, dialect=dialect), body, beside)
        assert made is not None
        return made

    of(b"anthropic-beta:a").note(TARGET, 400)
    assert of(b"anthropic-beta:a").bound(TARGET) is not None
    assert of(b"anthropic-beta:b").bound(TARGET) is None
    assert of(b"anthropic-beta:a", "messages").bound(TARGET) is None


def test_call_without_a_thread_has_no_handle() -> None:
    body = b'{"model":"m","messages":[{}]}'
    assert ThreadBounds().of("key_1", Attribution(), read_chat(body, SALT), body) is None


@pytest.mark.parametrize("tokens", [0, 1, 10, -5])
def test_report_smaller_than_any_tokenizer_makes_is_not_believed(tokens: int) -> None:
    assert call(told(SYSTEM, HELLO, tokens=tokens), SYSTEM, HELLO, HELLO).bound(TARGET) is None


ADDRESSED = {
    "a picture": image("https://a.example/b.png"),
    "one with an escaped address": image("https:\\u002f\\u002fa.example"),
    "a video": {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]},
    "a document": {"role": "user", "content": [{"type": "file", "file": {"file_url": "x"}}]},
}


@pytest.mark.parametrize("message", ADDRESSED.values(), ids=ADDRESSED)
def test_content_at_an_address_may_be_another_the_next_time(message: Body) -> None:
    bounds = told(message, HELLO, tokens=20_000)
    assert call(bounds, message, HELLO, HELLO).bound(TARGET) is None


def test_request_of_very_many_messages_has_no_such_bound() -> None:
    many = [{"role": "user"}] * MESSAGES_MAX
    assert call(told(*many, tokens=10**6), *many).bound(TARGET) is not None
    assert call(told(*many, {}, tokens=10**6), *many, {}).bound(TARGET) is None


# It is a bound -------------------------------------------------------------------------------


@dataclass
class Provider:
    """Counts input as providers do: tokens of bytes, a template, hidden instructions, pictures."""

    vocabulary: list[bytes]
    around: int
    instructions: int
    versions: dict[str, int] = field(default_factory=dict)

    def text(self, text: str) -> int:
        rest, count = text.encode(), 0
        while rest:
            longest = max((len(one) for one in self.vocabulary if rest.startswith(one)), default=1)
            rest, count = rest[longest:], count + 1
        return count

    def message(self, message: Body) -> int:
        content = message.get("content", "")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        return self.around + self.text(message["role"]) + sum(map(self.part, parts))

    def part(self, part: Body) -> int:
        if part["type"] == "text":
            return self.text(part["text"])
        if part["type"] == "file":
            return 50_000 + len(part["file"]["file_id"])
        url = part["image_url"]["url"]
        # What stands at an address is a larger picture each time.
        if not url.startswith("data:"):
            self.versions[url] = self.versions.get(url, 0) + 1
            return 700 * self.versions[url]
        return min(IMAGE_TOKENS, 85 + len(url))

    def count(self, body: Body) -> int:
        total = 3 + sum(map(self.message, body["messages"]))
        if body.get("tools") and body.get("tool_choice") != "none":
            total += self.instructions + 2 * self.text(json.dumps(body["tools"]))
        if effort := body.get("reasoning_effort"):
            total += self.text(f"Reasoning: {effort}")
        return total


WORDS = st.text(st.sampled_from('ab é\n{}"\\'), max_size=30)
MESSAGES = st.one_of(
    st.builds(say, st.sampled_from(["system", "user", "assistant", "tool"]), WORDS),
    st.builds(say, st.just("user"), WORDS),
    st.sampled_from([0, 9, 5_000]).map(lambda size: image(f"data:image/png;base64,{'A' * size}")),
    st.sampled_from("ab").map(lambda name: image(f"https://a.example/{name}")),
    st.sampled_from("ab").map(document),
)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.sampled_from([TOOLS, [], TOOLS * 2]),
        "tool_choice": st.sampled_from(["none", "auto"]),
        "reasoning_effort": st.sampled_from(["low", "high"]),
        "max_tokens": st.integers(1, 9_000),
        "stream": st.booleans(),
        "temperature": st.floats(0, 1),
    },
)
EDITS: st.SearchStrategy[tuple[str, list[Body]]] = st.one_of(
    st.tuples(st.just("say"), st.lists(MESSAGES, min_size=1, max_size=3)),
    st.tuples(st.just("say"), st.lists(MESSAGES, min_size=1, max_size=3)),
    st.tuples(st.just("edit"), st.lists(MESSAGES, min_size=1, max_size=1)),
    st.tuples(st.just("drop"), st.just([])),
    st.tuples(st.just("again"), st.just([])),
)
STEPS = st.lists(
    st.tuples(EDITS, st.none() | EXTRAS, st.sampled_from([TARGET, TARGET, TARGET, OTHER])),
    min_size=2,
    max_size=12,
)
PROVIDERS = st.builds(
    Provider,
    st.lists(st.binary(min_size=1, max_size=4), max_size=3).map(
        lambda some: [*some, b"a", b"aa", b"aaaa", b"ab", "é".encode(), b"You are", b"user"]
    ),
    st.integers(0, MESSAGE_OVERHEAD - 2),
    st.integers(0, 400),
)


@given(STEPS, PROVIDERS, PROVIDERS)
@settings(deadline=None, max_examples=150)
def test_no_provider_counts_more_than_the_bound(
    steps: list[tuple[tuple[str, list[Body]], Body | None, Target]],
    one: Provider,
    two: Provider,
) -> None:
    bounds = ThreadBounds()
    messages: list[Body] = [SYSTEM]
    extras: Body = {}
    for (edit, some), more, target in steps:
        extras = extras if more is None else more
        if edit == "say":
            messages = [*messages, *some]
        elif edit == "edit":
            messages = [*messages[:-1], *some]
        elif edit == "drop" and len(messages) > 1:
            messages = messages[:-1]
        asked = call(bounds, *messages, **extras)
        bound = asked.bound(target)
        counted = (one if target is TARGET else two).count({"messages": messages, **extras})
        assert bound is None or counted <= bound
        asked.note(target, counted)


@given(st.lists(st.builds(say, st.just("user"), WORDS), min_size=1, max_size=8), PROVIDERS)
@settings(deadline=None, max_examples=60)
def test_thread_that_only_grows_is_always_bounded(some: list[Body], provider: Provider) -> None:
    bounds, messages = ThreadBounds(), [SYSTEM]
    for number, message in enumerate(some):
        messages.append(message)
        asked = call(bounds, *messages, tools=TOOLS)
        assert (asked.bound(TARGET) is not None) == (number > 0)
        asked.note(TARGET, provider.count({"messages": messages, "tools": TOOLS}))


# Memory --------------------------------------------------------------------------------------


def test_least_recently_used_threads_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_bounds, "THREADS_MAX", 3)
    bounds = ThreadBounds()

    def at(thread: str) -> ThreadCall:
        return call(bounds, SYSTEM, HELLO, where=Attribution(thread=thread))

    at("kept").note(TARGET, 400)
    for number in range(10):
        at(f"t-{number}").note(TARGET, 400)
        assert at("kept").bound(TARGET) is not None
    assert at("t-9").bound(TARGET) is not None
    assert at("t-7").bound(TARGET) is None


def test_memory_of_threads_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_bounds, "THREADS_MAX", 100)
    bounds = ThreadBounds()

    def use(first: int) -> None:
        for number in range(first, first + 300):
            for turn in range(6):
                call(
                    bounds, SYSTEM, say("user", f"turn {turn}"),
                    where=Attribution(thread=f"{number}-" + "x" * 190),
                ).note(TARGET, 400)  # fmt: skip

    use(0)
    tracemalloc.start()
    try:
        use(300)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 100 * 1_500
