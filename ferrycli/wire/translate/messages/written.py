"""A `Talk` written as a request of Anthropic's messages."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ferrycli.rules.denials import Untranslatable
from ferrycli.wire.translate.cache_marks import cache_member
from ferrycli.wire.translate.calls import NO_ARGUMENTS, arguments_object
from ferrycli.wire.translate.efforts import BUDGET_TOKENS_MIN, EFFORT_BUDGETS, effort_of
from ferrycli.wire.translate.lengths import in_words
from ferrycli.wire.translate.media import PLAIN_TEXT, base64_as_text, is_web_url
from ferrycli.wire.translate.messages.asked import TIERS
from ferrycli.wire.translate.seals import ANTHROPIC, taken_back
from ferrycli.wire.translate.talk import (
    Audio,
    Document,
    Image,
    Instruction,
    Part,
    Reasoning,
    Shape,
    Talk,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from ferrycli.wire.translate.turns import joined, reminder

NO_SUCH_THING = "Anthropic's messages have no such thing"

OUTPUT_TOKENS_UNSAID = 8_192
"""Anthropic takes no request without a limit on its answer; chat has them without one."""
TEMPERATURE_MAX = 1.0
IMAGE_TYPES = ("image/gif", "image/jpeg", "image/png", "image/webp")
EFFORT_UNSAID = "medium"
EFFORTS_TAKEN = ("low", "medium", "high", "xhigh", "max")

_TIERS_WRITTEN = {ours: anthropic for anthropic, ours in TIERS.items()}
_EFFORT_MODELS = re.compile(
    r"claude-(?!instant|v?[123](?!\d))"
    r"(?!(?:opus|sonnet|haiku)-4(?![-.][6-9](?!\d)|[-.]?\d\d(?!\d)))"
)
"""Claude from 4.6 on, which decides by itself when to think, and is told an effort. Models before
it, and other makers' behind the same dialect, are told a budget. Source: Anthropic's guide to
adaptive thinking."""
_ID = re.compile(r"[A-Za-z0-9_-]+")
_NOT_OF_IDS = re.compile(r"[^A-Za-z0-9-]")


def body(talk: Talk) -> bytes:
    """Raises `Untranslatable` for what Anthropic's messages cannot say."""
    _refuse_unsayable(talk)
    talk = in_words(talk)
    asked: dict[str, Any] = {
        "model": talk.model,
        "max_tokens": OUTPUT_TOKENS_UNSAID if talk.output_max is None else talk.output_max,
        "messages": [
            {"role": turn.role, "content": content}
            for turn in joined(talk.turns)
            if (content := _content(turn.parts))
        ],
    }
    if talk.tools:
        asked["tools"] = [_tool(tool) for tool in talk.tools]
    values = {
        "system": _system(talk.system),
        "tool_choice": _tool_choice(talk),
        "stream": talk.is_stream or None,
        "stop_sequences": talk.stop or None,
        "temperature": talk.temperature,
        "top_p": talk.top_p,
        "top_k": talk.top_k,
        "metadata": {"user_id": talk.user} if talk.user else None,
        "service_tier": _TIERS_WRITTEN.get(talk.tier),
    }
    asked |= {name: value for name, value in values.items() if value is not None}
    output_config = _output_format(talk.shape)
    if talk.reasoning is not None:
        set_thinking(asked, output_config, talk, talk.reasoning)
    if output_config:
        asked["output_config"] = output_config
    return msgspec.json.encode(asked)


def _refuse_unsayable(talk: Talk) -> None:
    unsayable = {
        "seed": talk.seed is not None,
        "choices": talk.choices > 1,
        "frequency_penalty": bool(talk.frequency_penalty),
        "presence_penalty": bool(talk.presence_penalty),
        "tier": bool(talk.tier) and talk.tier not in _TIERS_WRITTEN,
    }
    for field, is_said in unsayable.items():
        if is_said:
            raise Untranslatable(field, NO_SUCH_THING)
    if talk.temperature is not None and not 0 <= talk.temperature <= TEMPERATURE_MAX:
        raise Untranslatable("temperature", "Anthropic's messages take one from 0 to 1")


def _system(system: tuple[Text, ...]) -> object:
    """Empty texts say nothing, and Anthropic takes none."""
    if len(system) == 1 and system[0].text and not system[0].cache:
        return system[0].text
    return [_shown(part) for part in system if part.text] or None


def _content(parts: tuple[Part, ...]) -> object:
    """What is left of a turn without what says nothing at Anthropic: no empty text is taken
    there, and no thought without a seal of Anthropic's, which was another model's."""
    said = [part for part in taken_back(parts, ANTHROPIC) if not _is_unsaid(part)]
    if len(said) == 1 and isinstance(said[0], Text) and not said[0].cache:
        return said[0].text
    return [_block(part) for part in said]


def _is_unsaid(part: Part) -> bool:
    return isinstance(part, Text) and not part.text


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, Thinking):
        if part.redacted:
            return {"type": "redacted_thinking", "data": part.redacted}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    if isinstance(part, ToolCall):
        return {
            "type": "tool_use",
            "id": _call_id(part.id),
            "name": part.name,
            "input": arguments_object(part.arguments),
            **cache_member(part.cache),
        }
    if isinstance(part, ToolResult):
        return _result(part)
    if isinstance(part, Audio):
        raise Untranslatable("audio", NO_SUCH_THING)
    return _shown(reminder(part) if isinstance(part, Instruction) else part)


def _shown(part: Text | Image | Document) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text, **cache_member(part.cache)}
    if isinstance(part, Image):
        return {"type": "image", "source": _image_source(part), **cache_member(part.cache)}
    block: dict[str, Any] = {"type": "document", "source": _document_source(part)}
    if part.name:
        block["title"] = part.name
    return block | cache_member(part.cache)


def _image_source(image: Image) -> dict[str, str]:
    if image.url:
        if not is_web_url(image.url):
            raise Untranslatable("image", "Anthropic fetches pictures from the web alone")
        return {"type": "url", "url": image.url}
    media_type = "image/jpeg" if image.media_type == "image/jpg" else image.media_type
    if media_type not in IMAGE_TYPES:
        raise Untranslatable("image", "Anthropic takes pictures in GIF, JPEG, PNG and WebP")
    return {"type": "base64", "media_type": media_type, "data": image.base64}


def _document_source(document: Document) -> dict[str, str]:
    if document.url:
        if not is_web_url(document.url):
            raise Untranslatable("document", "Anthropic fetches files from the web alone")
        return {"type": "url", "url": document.url}
    if document.media_type == "application/pdf":
        return {"type": "base64", "media_type": document.media_type, "data": document.base64}
    text = base64_as_text(document.base64) if document.media_type == PLAIN_TEXT else None
    if text is None:
        raise Untranslatable("document", "Anthropic takes files that are PDF or plain text")
    return {"type": "text", "media_type": PLAIN_TEXT, "data": text}


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _call_id(result.id)}
    only = result.parts[0] if len(result.parts) == 1 else None
    if isinstance(only, Text) and not only.cache:
        block["content"] = only.text
    elif result.parts:
        block["content"] = [_shown(part) for part in result.parts if not _is_unsaid(part)]
    if result.is_error:
        block["is_error"] = True
    return block | cache_member(result.cache)


def _call_id(call_id: str) -> str:
    """The id of a call with what Anthropic does not take in one written as its number."""
    if _ID.fullmatch(call_id):
        return call_id
    return _NOT_OF_IDS.sub(lambda found: f"_{ord(found[0]):x}_", call_id)


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["input_schema"] = msgspec.Raw(tool.schema) if tool.schema else NO_ARGUMENTS
    if tool.is_strict is not None:
        written["strict"] = tool.is_strict
    return written | cache_member(tool.cache)


def _tool_choice(talk: Talk) -> dict[str, Any] | None:
    """Of a request without tools nothing: there is none to choose from."""
    choice = talk.tool_choice
    if not talk.tools or (not choice and talk.parallel_tools is None):
        return None
    if choice.startswith("tool:"):
        written: dict[str, Any] = {"type": "tool", "name": choice.removeprefix("tool:")}
    else:
        written = {"type": {"required": "any", "none": "none"}.get(choice, "auto")}
    if talk.parallel_tools is not None and choice != "none":
        written["disable_parallel_tool_use"] = not talk.parallel_tools
    return written


def _output_format(shape: Shape | None) -> dict[str, Any]:
    """`output_config`, as far as the shape of the answer goes. A schema's name is lost: it is a
    word for OpenAI's own logs."""
    if shape is None:
        return {}
    if not shape.schema:
        raise Untranslatable("shape", "Anthropic takes a JSON schema alone")
    if shape.description:
        raise Untranslatable("shape.description", NO_SUCH_THING)
    return {"format": {"type": "json_schema", "schema": msgspec.Raw(shape.schema)}}


def set_thinking(
    asked: dict[str, Any], output_config: dict[str, Any], talk: Talk, reasoning: Reasoning
) -> None:
    """`thinking`, and what goes with it: an effort in `output_config`, room in `max_tokens`."""
    effort, budget = reasoning.effort, reasoning.budget_tokens
    if effort == "none" or (not effort and budget == 0):
        asked["thinking"] = {"type": "disabled"}
        return
    if not _EFFORT_MODELS.search(talk.model):
        asked["thinking"] = {"type": "enabled", "budget_tokens": _budget(talk, reasoning)}
        if talk.output_max is None:
            asked["max_tokens"] += asked["thinking"]["budget_tokens"]
        return
    if budget is not None and not effort:
        effort = effort_of(budget)
    if effort:
        if effort not in EFFORTS_TAKEN:
            raise Untranslatable("reasoning", f"Anthropic's models know no effort `{effort}`")
        output_config["effort"] = effort
    asked["thinking"] = {"type": "adaptive"}
    if reasoning.shows_thoughts:
        asked["thinking"]["display"] = "summarized"


def _budget(talk: Talk, reasoning: Reasoning) -> int:
    """The caller's budget, or the one of his effort, as far as the limit on the answer has room:
    Anthropic counts thoughts inside it."""
    room = talk.output_max
    least = reasoning.budget_tokens if reasoning.budget_tokens is not None else BUDGET_TOKENS_MIN
    if least < BUDGET_TOKENS_MIN or (room is not None and room <= least):
        why = f"Anthropic's budgets are {BUDGET_TOKENS_MIN:,} tokens or more, inside the limit"
        raise Untranslatable("reasoning", why)
    if reasoning.budget_tokens is not None:
        return reasoning.budget_tokens
    budget = EFFORT_BUDGETS[reasoning.effort or EFFORT_UNSAID]
    return budget if room is None else max(BUDGET_TOKENS_MIN, min(budget, room // 2))
