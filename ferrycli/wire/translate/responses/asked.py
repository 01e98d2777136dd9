"""A request of OpenAI's responses read into a `Talk`.

`store` is not refused: it is on unless a client turns it off, so that refusing it would refuse most
clients, and the answer itself is the same. Nothing is stored: the reply says `store: false`, and a
later request that names this one by `previous_response_id` is refused by that name.
`include` of `reasoning.encrypted_content` needs no reading either: where nothing is stored, every
seal of a thought goes to the client, who alone can keep it.
"""

from __future__ import annotations

from ferrycli.wire.dialect import Place
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.chat.parts import NOT_ELSEWHERE
from ferrycli.wire.translate.efforts import read_effort
from ferrycli.wire.translate.lengths import read_verbosity
from ferrycli.wire.translate.openais import read_schema
from ferrycli.wire.translate.responses.items import KEPT_AT_OPENAI, read_input
from ferrycli.wire.translate.responses.tools import read_tool_choice, read_tools
from ferrycli.wire.translate.talk import Reasoning, Shape, Talk, Text

BESIDE_THE_ANSWER = (
    "access_programs",
    "client_metadata",
    "max_tool_calls",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
    "stream_options",
    "truncation",
)
"""Members without which the answer is the same: who asks, what is kept, what caching costs, how a
stream is padded, and a limit on tools that run at OpenAI. `truncation` leaves out what does not
fit; at another provider what does not fit is refused."""

ASKS_FOR_NOTHING = {
    "background": (b"false",),
    "context_management": (b"[]",),
    "top_logprobs": (b"0",),
}
"""Members as some clients send them always; any other value is refused by name."""

KEPT = ("conversation", "previous_response_id", "prompt")

OF_TOOLS_AT_OPENAI = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
"""What `include` may name besides thoughts: things that no translated reply has."""
ENCRYPTED_THOUGHTS = "reasoning.encrypted_content"


def read(body: bytes, place: Place) -> Talk:
    """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""
    asked = Asked(body)
    for name in KEPT:
        if asked.raw(name):
            raise asked.refuse(name, KEPT_AT_OPENAI)
    asked.drop(*BESIDE_THE_ANSWER)
    for name, values in ASKS_FOR_NOTHING.items():
        asked.drop_where(name, *values)
    _check_include(asked)
    instructions = asked.text("instructions")
    system, turns = read_input(asked)
    shape, verbosity = _answer(asked)
    is_stream = asked.truth("stream") is True
    identifier = asked.text("safety_identifier")
    talk = Talk(
        model=place.model or asked.needed_text("model"),
        turns=turns,
        system=((Text(instructions),) if instructions else ()) + system,
        tools=read_tools(asked),
        tool_choice=read_tool_choice(asked),
        parallel_tools=asked.truth("parallel_tool_calls"),
        is_stream=is_stream if place.is_stream is None else place.is_stream,
        output_max=asked.whole("max_output_tokens"),
        temperature=asked.number("temperature"),
        top_p=asked.number("top_p"),
        shape=shape,
        reasoning=_reasoning(asked),
        user=asked.text("user") or identifier,
        tier=asked.text("service_tier"),
        verbosity=verbosity,
    )
    asked.drop("model")
    asked.close(NOT_ELSEWHERE)
    return talk


def _check_include(asked: Asked) -> None:
    for name in asked.texts("include"):
        if name != ENCRYPTED_THOUGHTS and name not in OF_TOOLS_AT_OPENAI:
            raise asked.refuse("include", f"{name[:64]} is had at OpenAI alone")


def _answer(asked: Asked) -> tuple[Shape | None, str]:
    """The shape and the length that the answer shall have."""
    text = asked.object("text")
    if text is None:
        return None, ""
    verbosity = read_verbosity(text)
    wanted = text.object("format")
    text.close(NOT_ELSEWHERE)
    return _shape(wanted) if wanted else None, verbosity


def _shape(wanted: Asked) -> Shape | None:
    kind = wanted.needed_text("type")
    shape = None
    if kind == "json_object":
        shape = Shape()
    elif kind == "json_schema":
        shape = read_schema(wanted)
    elif kind != "text":
        raise wanted.refuse("type", NOT_ELSEWHERE)
    wanted.close(NOT_ELSEWHERE)
    return shape


def _reasoning(asked: Asked) -> Reasoning | None:
    """How much to think, and whether to show it. How long the summaries are is not said: others
    have one length alone."""
    details = asked.object("reasoning")
    if details is None:
        return None
    effort = read_effort(details)
    summary = details.text("summary") or details.text("generate_summary")
    # The thoughts that a client sends are carried; which of them count is each model's own to say.
    details.drop("generate_summary", "context")
    details.drop_where("mode", b'"standard"')
    details.close(NOT_ELSEWHERE)
    reasoning = Reasoning(effort, shows_thoughts=bool(summary) and summary != "none")
    return None if reasoning == Reasoning() else reasoning
