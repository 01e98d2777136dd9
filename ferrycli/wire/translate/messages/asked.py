"""An Anthropic messages request read into a `Talk`."""

from __future__ import annotations

from dataclasses import replace

from ferrycli.rules.denials import BadParameter
from ferrycli.rules.other_names import claude_code
from ferrycli.wire.dialect import Place
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.cache_marks import read_cache, with_last_marked
from ferrycli.wire.translate.calls import takes_none
from ferrycli.wire.translate.efforts import read_effort
from ferrycli.wire.translate.messages.parts import NOT_ELSEWHERE, read_messages, read_system
from ferrycli.wire.translate.talk import Reasoning, Shape, Talk, Tool, Turn

BESIDE_THE_ANSWER = ("diagnostics", "user_profile_id")
"""Members that say who asks, or ask why a cache was missed: the answer is the same without."""

ASKS_FOR_NOTHING = {
    "mcp_servers": (b"[]",),
    "speed": (b'"standard"',),
    "tools": (b"[]",),
}
TIERS = {"auto": "auto", "standard_only": "default"}
"""Anthropic's service tiers, and what a `Talk` calls them, which is as OpenAI does."""

THOUGHTS_CLEARED = "clear_thinking_20251015"
"""An edit that takes thoughts out of the context: which of them another provider's model sees
again is that provider's to say anyway."""


def read(body: bytes, place: Place) -> Talk:
    """Raises `BadParameter`, or `Untranslatable` for what a `Talk` cannot hold."""
    asked = Asked(body)
    asked.drop(*BESIDE_THE_ANSWER)
    for name, values in ASKS_FOR_NOTHING.items():
        asked.drop_where(name, *values)
    system = read_system(asked)
    more_system, turns = read_messages(asked.objects("messages"))
    is_stream = asked.truth("stream") is True
    tool_choice, parallel_tools = _tool_choice(asked)
    effort, shape = _output(asked)
    talk = Talk(
        model=place.model or asked.needed_text("model"),
        turns=_with_mark(turns, asked),
        system=(*system, *more_system),
        tools=tuple(_tool(tool) for tool in asked.objects("tools")),
        tool_choice=tool_choice,
        parallel_tools=parallel_tools,
        is_stream=is_stream if place.is_stream is None else place.is_stream,
        output_max=asked.whole("max_tokens"),
        stop=asked.texts("stop_sequences"),
        temperature=asked.number("temperature"),
        top_p=asked.number("top_p"),
        top_k=asked.whole("top_k"),
        shape=shape,
        reasoning=_reasoning(asked, effort),
        user=_user(asked),
        tier=_tier(asked),
    )
    _check_edits(asked)
    asked.drop("model")
    asked.close(NOT_ELSEWHERE)
    return talk


def _with_mark(turns: tuple[Turn, ...], asked: Asked) -> tuple[Turn, ...]:
    """A cache mark of the whole request is one on its last part."""
    ttl = read_cache(asked)
    if not turns:
        return turns
    last = turns[-1]
    return (*turns[:-1], replace(last, parts=with_last_marked(last.parts, ttl)))


def _tool(asked: Asked) -> Tool:
    if asked.text("type") not in ("", "custom"):
        raise asked.refuse("type", "a tool that runs or was trained at Anthropic is known there")
    # How finely the arguments are cut in a stream.
    asked.drop("eager_input_streaming")
    asked.drop_where("allowed_callers", b'["direct"]')
    asked.drop_where("defer_loading", b"false")
    asked.drop_where("input_examples", b"[]")
    tool = Tool(
        asked.needed_text("name"),
        asked.text("description"),
        _schema(asked),
        asked.truth("strict"),
        read_cache(asked),
    )
    asked.close(NOT_ELSEWHERE)
    return tool


def _schema(asked: Asked) -> bytes:
    schema = asked.raw("input_schema")
    if not schema.startswith(b"{"):
        raise BadParameter(asked.at("input_schema"), "not readable", "an object")
    return b"" if takes_none(schema) else schema


def _tool_choice(asked: Asked) -> tuple[str, bool | None]:
    """The choice, and whether several tools may be called at once."""
    choice = asked.object("tool_choice")
    if choice is None:
        return "", None
    kind = choice.needed_text("type")
    named = {"auto": "auto", "any": "required", "none": "none"}.get(kind, "")
    if kind == "tool":
        named = f"tool:{choice.needed_text('name')}"
    if not named:
        raise BadParameter(choice.at("type"), kind[:40], "`auto`, `any`, `tool` or `none`")
    is_single = choice.truth("disable_parallel_tool_use")
    choice.close(NOT_ELSEWHERE)
    return named, None if is_single is None else not is_single


def _output(asked: Asked) -> tuple[str, Shape | None]:
    """The effort and the shape of the answer, the latter under its older name too."""
    config = asked.object("output_config")
    older = asked.object("output_format")
    if config is None:
        return "", _shape(older)
    effort = read_effort(config)
    shape = _shape(config.object("format")) or _shape(older)
    config.close(NOT_ELSEWHERE)
    return effort, shape


def _shape(asked: Asked | None) -> Shape | None:
    if asked is None:
        return None
    if asked.needed_text("type") != "json_schema":
        raise asked.refuse("type", NOT_ELSEWHERE)
    schema = asked.raw("schema")
    if not schema.startswith(b"{"):
        raise BadParameter(asked.at("schema"), "not readable", "an object")
    asked.close(NOT_ELSEWHERE)
    # Anthropic holds a model to every schema.
    return Shape(schema, is_strict=True)


def _reasoning(asked: Asked, effort: str) -> Reasoning | None:
    thinking = asked.object("thinking")
    if thinking is None:
        return Reasoning(effort) if effort else None
    kind = thinking.needed_text("type")
    budget = thinking.whole("budget_tokens")
    shows_thoughts = thinking.text("display") != "omitted"
    if kind == "disabled":
        reasoning = Reasoning(effort="none")
    elif kind == "enabled" and budget is not None:
        reasoning = Reasoning(effort, budget, shows_thoughts=shows_thoughts)
    elif kind == "adaptive":
        reasoning = Reasoning(effort, is_adaptive=True, shows_thoughts=shows_thoughts)
    elif kind == "enabled":
        raise BadParameter(thinking.at("budget_tokens"), "missing", "a whole number")
    else:
        raise thinking.refuse("type", NOT_ELSEWHERE)
    thinking.close(NOT_ELSEWHERE)
    return reasoning


def _user(asked: Asked) -> str:
    """Of what Claude Code writes there, who it is: not the session, nor the form."""
    metadata = asked.object("metadata")
    named = metadata.text("user_id") if metadata else ""
    return dict(claude_code(named)).get("user") or named


def _tier(asked: Asked) -> str:
    tier = asked.text("service_tier")
    if tier and tier not in TIERS:
        raise BadParameter(asked.at("service_tier"), tier[:40], "`auto` or `standard_only`")
    return TIERS.get(tier, "")


def _check_edits(asked: Asked) -> None:
    """Refuse edits of the context, but for those of thoughts."""
    management = asked.object("context_management")
    if management is None:
        return
    for edit in management.objects("edits"):
        if edit.needed_text("type") != THOUGHTS_CLEARED:
            raise edit.refuse("type", NOT_ELSEWHERE)
    management.close(NOT_ELSEWHERE)
