"""A chat request read into a `Talk`."""

from __future__ import annotations

from ferrycli.wire.dialect import Place
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.cache_marks import read_cache
from ferrycli.wire.translate.chat.parts import NOT_ELSEWHERE, read_messages
from ferrycli.wire.translate.efforts import read_effort
from ferrycli.wire.translate.lengths import read_verbosity
from ferrycli.wire.translate.openais import read_choice_word, read_schema
from ferrycli.wire.translate.talk import Reasoning, Shape, Talk, Tool

BESIDE_THE_ANSWER = (
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "session_id",
    "store",
    "stream_options",
    "trace",
)
"""Members that say who asks, what is kept, and what caching costs: the answer is the same
without. ferry itself obeys `stream_options`, and reads its attribution before anything is
translated."""

ASKS_FOR_NOTHING = {
    "functions": (b"[]",),
    "logit_bias": (b"{}",),
    "logprobs": (b"false",),
    "modalities": (b'["text"]',),
    "tools": (b"[]",),
    "top_logprobs": (b"0",),
}
"""Members as some SDKs send them always; any other value is read, or refused by name."""


def read(body: bytes, place: Place) -> Talk:
    """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""
    asked = Asked(body)
    asked.drop(*BESIDE_THE_ANSWER)
    for name, values in ASKS_FOR_NOTHING.items():
        asked.drop_where(name, *values)
    system, turns = read_messages(asked.objects("messages"))
    is_stream = asked.truth("stream") is True
    identifier = asked.text("safety_identifier")
    talk = Talk(
        model=place.model or asked.needed_text("model"),
        turns=turns,
        system=system,
        tools=tuple(_tool(tool) for tool in asked.objects("tools")),
        tool_choice=_tool_choice(asked),
        parallel_tools=asked.truth("parallel_tool_calls"),
        is_stream=is_stream if place.is_stream is None else place.is_stream,
        output_max=_output_max(asked),
        stop=asked.texts("stop"),
        temperature=asked.number("temperature"),
        top_p=asked.number("top_p"),
        top_k=asked.whole("top_k"),
        frequency_penalty=asked.number("frequency_penalty"),
        presence_penalty=asked.number("presence_penalty"),
        seed=asked.whole("seed"),
        choices=asked.whole("n") or 1,
        shape=_shape(asked),
        reasoning=_reasoning(asked),
        user=asked.text("user") or identifier,
        tier=asked.text("service_tier"),
        verbosity=read_verbosity(asked),
    )
    asked.drop("model")
    asked.close(NOT_ELSEWHERE)
    return talk


def _output_max(asked: Asked) -> int | None:
    """The larger of both, as the gateway counts them."""
    limits = [asked.whole(name) for name in ("max_completion_tokens", "max_tokens")]
    return max((limit for limit in limits if limit is not None), default=None)


def _tool(asked: Asked) -> Tool:
    if asked.needed_text("type") != "function":
        raise asked.refuse("type", NOT_ELSEWHERE)
    function = asked.needed_object("function")
    tool = Tool(
        function.needed_text("name"),
        function.text("description"),
        function.raw("parameters"),
        function.truth("strict"),
        read_cache(asked),
    )
    function.close()
    asked.close()
    return tool


def _tool_choice(asked: Asked) -> str:
    if word := read_choice_word(asked):
        return word
    named = asked.object("tool_choice")
    if named is None:
        return ""
    if named.needed_text("type") != "function":
        raise named.refuse("type", NOT_ELSEWHERE)
    function = named.needed_object("function")
    name = function.needed_text("name")
    function.close()
    named.close()
    return f"tool:{name}"


def _shape(asked: Asked) -> Shape | None:
    asked_format = asked.object("response_format")
    if asked_format is None:
        return None
    kind = asked_format.needed_text("type")
    shape = None
    if kind == "json_object":
        shape = Shape()
    elif kind == "json_schema":
        schema = asked_format.needed_object("json_schema")
        shape = read_schema(schema)
        schema.close()
    elif kind != "text":
        raise asked_format.refuse("type", NOT_ELSEWHERE)
    asked_format.close()
    return shape


def _reasoning(asked: Asked) -> Reasoning | None:
    """OpenAI's `reasoning_effort`, or OpenRouter's `reasoning`."""
    effort = read_effort(asked, "reasoning_effort")
    details = asked.object("reasoning")
    if details is None:
        return Reasoning(effort) if effort else None
    effort = read_effort(details) or effort
    budget = details.whole("max_tokens")
    is_enabled = details.truth("enabled")
    is_hidden = details.truth("exclude") is True
    details.close()
    if is_enabled is False:
        effort, budget = "none", None
    return Reasoning(
        effort,
        budget,
        is_adaptive=is_enabled is True and not effort and budget is None,
        shows_thoughts=not is_hidden and effort != "none",
    )
