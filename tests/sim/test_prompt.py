"""The memory of prefixes: what counts as cached, what as written, and that it stays bounded."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.sim.prompt import PrefixMemory
from ferrycli.sim.provider import Simulator
from tests.sim.calls import body, chat, text

Counts = tuple[int, int, int]
"""Prompt tokens, cached tokens, written tokens."""


def counts(request: bytes, simulator: Simulator) -> Counts:
    """What a reply says of its prompt."""
    usage = json.loads(text(chat(request, simulator)))["usage"]
    details = usage["prompt_tokens_details"]
    return usage["prompt_tokens"], details["cached_tokens"], details["cache_write_tokens"]


def prompt_of(tokens: int) -> str:
    """A text that makes a prompt of `tokens` tokens, less three for the answer's opening."""
    return "".join(f"{at:4d}" for at in range(tokens - 4))


def thread(*turns: str) -> bytes:
    """A request with `turns` as its messages, a user's and an assistant's by turns."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": turn} for at, turn in enumerate(turns)]
    return body(messages=messages, max_tokens=1)


@pytest.mark.parametrize(
    ("tokens", "cached"),
    [
        (1_023, 0),
        (1_024, 1_024),
        (1_024 + 127, 1_024),
        (1_024 + 128, 1_152),
        (4_000, 1_024 + 23 * 128),
    ],
)
def test_a_repeated_prompt_is_cached_in_steps(tokens: int, cached: int) -> None:
    simulator = Simulator()
    request = body(prompt_of(tokens), max_tokens=1)
    assert counts(request, simulator) == (tokens + 3, 0, cached)
    assert counts(request, simulator) == (tokens + 3, cached, 0)
    assert counts(request, Simulator()) == (tokens + 3, 0, cached)


def test_a_thread_reads_what_its_last_turn_wrote() -> None:
    simulator = Simulator()
    first, reply, more = prompt_of(2_000), "x" * 400, "y" * 4_000
    _, _, written = counts(thread(first), simulator)
    tokens, cached, added = counts(thread(first, reply, more), simulator)
    assert written == cached == 1_920
    assert cached + added == (tokens - 3) // 128 * 128


def test_a_change_at_the_front_loses_the_cache() -> None:
    simulator = Simulator()
    counts(thread(prompt_of(2_000)), simulator)
    assert counts(thread("x" + prompt_of(2_000)), simulator)[1] == 0


def test_a_change_in_the_middle_keeps_what_stands_before_it() -> None:
    simulator = Simulator()
    system = prompt_of(1_500)
    counts(thread(system, "one"), simulator)
    assert counts(thread(system, "another", "question"), simulator)[1] == 1_408


def test_tools_stand_before_the_messages() -> None:
    simulator = Simulator()
    long = prompt_of(2_000)
    tool = {"type": "function", "function": {"name": "x", "description": "y"}}
    counts(body(long), simulator)
    assert counts(body(long, tools=[tool]), simulator)[1] == 0


def test_each_model_has_a_cache_of_its_own() -> None:
    simulator = Simulator()
    counts(body(prompt_of(2_000)), simulator)
    assert counts(body(prompt_of(2_000), model="large"), simulator)[1] == 0


def test_a_request_that_fails_leaves_nothing_in_the_cache() -> None:
    simulator = Simulator()
    chat(body(prompt_of(2_000), metadata={"sim_error": "500"}), simulator)
    assert counts(body(prompt_of(2_000)), simulator)[1] == 0


def test_the_stalest_prefix_is_forgotten_first() -> None:
    # Eight steps are 1,024 to 1,920 tokens: room for one such prompt and a half.
    memory = PrefixMemory(12)
    old, new = b"a" * 4 * 1_920, b"b" * 4 * 1_920
    assert memory.recall("small", old) == (0, 1_920)
    assert memory.recall("small", new) == (0, 1_920)
    # Of the old prompt the four shortest prefixes are left, because they were touched last.
    assert memory.recall("small", old) == (1_024 + 3 * 128, 4 * 128)


@given(
    prompts=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4_000)), max_size=30),
    prefixes_max=st.integers(0, 20),
)
def test_the_memory_never_outgrows_its_bound(
    prompts: list[tuple[str, int]], prefixes_max: int
) -> None:
    memory = PrefixMemory(prefixes_max)
    for letter, tokens in prompts:
        cached, written = memory.recall("small", letter.encode() * 4 * tokens)
        assert len(memory) <= prefixes_max
        assert cached + written <= tokens
        assert cached % 128 == written % 128 == 0
        assert cached == 0 or cached >= 1_024


def test_a_simulator_does_not_grow_with_its_requests() -> None:
    simulator = Simulator(prefixes_max=64)
    for at in range(200):
        counts(body(f"{at} {prompt_of(3_000)}", max_tokens=1), simulator)
    assert len(simulator._prefixes) == 64
    assert sys.getsizeof(simulator._prefixes._seen) < 64 * 1_024
