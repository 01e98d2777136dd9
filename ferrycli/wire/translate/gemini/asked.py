"""Gemini's generateContent requests, read into a `Talk`.

Names are taken in both of Google's spellings, `systemInstruction` and `system_instruction`, bytes
in both alphabets of base64. Where a call of a tool has no id, one is made of its place, so that
the same conversation has the same ids each time. Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import msgspec

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Place
from ferrycli.wire.translate.clouds_asked import GoogleAsked
from ferrycli.wire.translate.gemini.schemas import json_schema
from ferrycli.wire.translate.kinds_of_files import audio_format, guessed_type
from ferrycli.wire.translate.seals import GOOGLE, Seal
from ferrycli.wire.translate.seals import read as read_seal
from ferrycli.wire.translate.talk import (
    Audio,
    Document,
    Image,
    Part,
    Reasoning,
    Shape,
    Talk,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)

NO_SIGNATURE = "skip_thought_signature_validator"
"""What Google takes for the signature of a call that no Gemini made, at its API and at Vertex.

Source: https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
"""
NO_SIGNATURES = frozenset({"", NO_SIGNATURE, "context_engineering_is_the_way_to_go"})
"""The second is taken by Google's API alone."""
GEMINIS_OWN = "only Gemini has such a thing"
GIVES = "{}\n\nIt gives JSON of this schema: {}"
"""What a tool gives, for dialects that have no member for it."""
_TIERS = MappingProxyType({"unspecified": "", "standard": "default"})
_CHOICES = MappingProxyType(
    {"": "", "MODE_UNSPECIFIED": "", "AUTO": "auto", "VALIDATED": "auto", "NONE": "none"}
)
DETAILS = MappingProxyType(
    {
        "MEDIA_RESOLUTION_UNSPECIFIED": "",
        "MEDIA_RESOLUTION_LOW": "low",
        "MEDIA_RESOLUTION_HIGH": "high",
    }
)
_STANDARD_BASE64 = str.maketrans("-_", "+/")

_decode_response = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_request(body: bytes, place: Place) -> Talk:
    """The conversation that `body` asks to go on with. Raises as `Codec.read_request`."""
    asked = GoogleAsked(body)
    named = asked.text("model").removeprefix("models/")
    config = asked.inner("generationConfig") or GoogleAsked(b"{}", "generationConfig")
    tools, choice = _tools(asked)
    talk = Talk(
        model=place.model or named,
        turns=_turns(asked),
        system=_system(asked),
        tools=tools,
        tool_choice=choice,
        is_stream=place.is_stream is True,
        output_max=config.whole("maxOutputTokens"),
        stop=config.texts("stopSequences"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.whole("topK"),
        frequency_penalty=config.number("frequencyPenalty"),
        presence_penalty=config.number("presencePenalty"),
        seed=config.whole("seed"),
        choices=config.whole("candidateCount") or 1,
        shape=_shape(config),
        reasoning=_reasoning(config),
        tier=_tier(asked),
    )
    modalities = config.texts("responseModalities")
    if any(one.upper() != "TEXT" for one in modalities):
        raise config.refuse("responseModalities", "only text can be carried back")
    config.close(GEMINIS_OWN)
    asked.close(GEMINIS_OWN)
    return talk


def _tier(asked: GoogleAsked) -> str:
    written = asked.text("serviceTier").lower().removeprefix("service_tier_")
    return _TIERS.get(written, written)


def _system(asked: GoogleAsked) -> tuple[Text, ...]:
    content = asked.inner("systemInstruction")
    if content is None:
        return ()
    content.text("role")
    found = []
    for part in content.inners("parts"):
        found.append(Text(part.text("text")))
        part.close("a system prompt is text")
    content.close(GEMINIS_OWN)
    return tuple(found)


# Turns --------------------------------------------------------------------------------------


class _Calls:
    """The calls of tools so far, and which of them wait for their result."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, str]] = []
        self._seen = 0

    def called(self, call_id: str, name: str) -> str:
        """The id of a call: its own, or one that says which of the conversation's it is."""
        self._seen += 1
        found = call_id or f"call_{self._seen}"
        self._waiting.append((name, found))
        return found

    def answered(self, call_id: str, name: str) -> str:
        """The id of the call that is answered: where none is said, the first one of that name."""
        for waiting in self._waiting:
            if call_id == waiting[1] or (not call_id and name == waiting[0]):
                self._waiting.remove(waiting)
                return waiting[1]
        return call_id


def _turns(asked: GoogleAsked) -> tuple[Turn, ...]:
    calls = _Calls()
    turns = []
    for content in asked.inners("contents"):
        is_model = content.text("role") == "model"
        parts: list[Part] = []
        for part in content.inners("parts"):
            _add(parts, _part(part, calls))
            part.close(GEMINIS_OWN)
        content.close(GEMINIS_OWN)
        if parts:
            turns.append(Turn("assistant" if is_model else "user", tuple(parts)))
    return tuple(turns)


def _add(parts: list[Part], found: Sequence[Part]) -> None:
    """Add what was found; a thought that came in pieces, its seal with the last one, is one."""
    for part in found:
        last = parts[-1] if parts else None
        if isinstance(part, Thinking) and isinstance(last, Thinking) and _is_open(last, part):
            parts[-1] = replace(part, text=last.text + part.text)
        else:
            parts.append(part)


def _is_open(last: Thinking, part: Thinking) -> bool:
    return not (last.signature or last.redacted or part.redacted)


def _part(part: GoogleAsked, calls: _Calls) -> list[Part]:
    signature = part.text("thoughtSignature")
    written = "" if signature in NO_SIGNATURES else _base64(signature)
    seal = read_seal(written, "signature", GOOGLE)
    is_thought = part.truth("thought") is True
    if (call := part.inner("functionCall")) is not None:
        return [_call(call, calls, seal)]
    sealed: list[Part] = [seal.thinking("")] if seal.value else []
    if (result := part.inner("functionResponse")) is not None:
        return [_result(result, calls), *sealed]
    if (media := _media(part)) is not None:
        return [media, *sealed]
    if "text" not in part.names():
        return sealed
    text = part.text("text")
    if is_thought:
        return [seal.thinking(text)]
    return sealed if sealed and not text else [Text(text), *sealed]


def _call(call: GoogleAsked, calls: _Calls, seal: Seal) -> ToolCall:
    name = call.text("name")
    call_id = calls.called(call.text("id"), name)
    arguments = call.raw("args").decode() or "{}"
    call.close(GEMINIS_OWN)
    return ToolCall(call_id, name, arguments, seal.value if seal.maker == GOOGLE else "")


def _result(result: GoogleAsked, calls: _Calls) -> ToolResult:
    name = result.text("name")
    call_id = calls.answered(result.text("id"), name)
    texts, is_error = _response(result)
    parts: list[Text | Image | Document] = list(texts)
    for part in result.inners("parts"):
        media = _media(part)
        if not isinstance(media, Image | Document):
            raise part.refuse("inlineData", "a tool gives text, pictures and documents")
        parts.append(media)
        part.close(GEMINIS_OWN)
    result.close(GEMINIS_OWN)
    return ToolResult(call_id, tuple(parts), name, is_error)


def _response(result: GoogleAsked) -> tuple[list[Text], bool]:
    """What a tool gave, as text, and whether it is an error.

    By Google's convention `output` and `error` hold it; without these, all of the object is it.
    """
    raw = result.raw("response") or b"{}"
    try:
        response = _decode_response(raw)
    except msgspec.DecodeError:
        raise BadParameter(result.at("response"), "no object", "an object") from None
    if not response:
        return [], False
    named = next(iter(response)) if len(response) == 1 else ""
    if named not in ("output", "error"):
        return [Text(raw.decode())], False
    given = bytes(response[named])
    value = msgspec.json.decode(given)
    if isinstance(value, str):
        # An error without words is written as an empty text.
        return [Text(value)] if value or named == "output" else [], named == "error"
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return [Text(one) for one in value], named == "error"
    return [Text(given.decode())], named == "error"


def _media(part: GoogleAsked) -> Image | Document | Audio | None:
    """The file of a part: its bytes, or where it is."""
    detail = _detail(part)
    if (inline := part.inner("inlineData")) is not None:
        media_type = inline.text("mimeType")
        data = _base64(inline.text("data"))
        name = inline.text("displayName")
        inline.close(GEMINIS_OWN)
        return _file(part, media_type, data, "", name, detail)
    if (stored := part.inner("fileData")) is not None:
        media_type = stored.text("mimeType")
        url = stored.text("fileUri")
        name = stored.text("displayName")
        stored.close(GEMINIS_OWN)
        return _file(part, media_type or guessed_type(url) or "image/", "", url, name, detail)
    return None


def _file(
    part: GoogleAsked, media_type: str, data: str, url: str, name: str, detail: str
) -> Image | Document | Audio:
    if media_type.startswith("image/"):
        return Image(media_type if media_type != "image/" else "", data, url, detail)
    if media_type.startswith("audio/") and not url:
        return Audio(audio_format(media_type), data)
    if media_type.startswith(("audio/", "video/")):
        raise part.refuse("fileData" if url else "inlineData", GEMINIS_OWN)
    return Document(media_type, data, url, name)


def _detail(part: GoogleAsked) -> str:
    resolution = part.inner("mediaResolution")
    if resolution is None:
        return ""
    level = resolution.text("level").upper()
    resolution.close(GEMINIS_OWN)
    if level not in DETAILS:
        raise part.refuse("mediaResolution", "only a low and a high one are known")
    return DETAILS[level]


def _base64(written: str) -> str:
    """Base64 in the alphabet of other dialects: Google's SDKs write the one for addresses."""
    standard = written.translate(_STANDARD_BASE64)
    return standard + "=" * (-len(standard) % 4) if standard != written else standard


# Tools and the answer -----------------------------------------------------------------------


def _tools(asked: GoogleAsked) -> tuple[tuple[Tool, ...], str]:
    """The tools, and which of them is to be called."""
    tools = []
    for tool in asked.inners("tools"):
        for declared in tool.inners("functionDeclarations"):
            tools.append(_tool(declared))
            declared.close(GEMINIS_OWN)
        for name in tool.names():
            raise tool.refuse(name, "it runs at Google")
    config = asked.inner("toolConfig")
    calling = config and config.inner("functionCallingConfig")
    if config is None or calling is None:
        if config is not None:
            config.close(GEMINIS_OWN)
        return tuple(tools), ""
    mode = calling.text("mode").upper()
    choice = _choice(calling, mode, tools)
    calling.close(GEMINIS_OWN)
    config.close(GEMINIS_OWN)
    if mode == "VALIDATED":
        tools = [replace(tool, is_strict=True) for tool in tools]
    return tuple(tools), choice


def _choice(calling: GoogleAsked, mode: str, tools: Sequence[Tool]) -> str:
    allowed = calling.texts("allowedFunctionNames")
    if mode == "ANY" and len(allowed) == 1:
        return f"tool:{allowed[0]}"
    if allowed and not (mode == "ANY" and set(allowed) == {tool.name for tool in tools}):
        raise calling.refuse("allowedFunctionNames", "others take all tools or one")
    if mode != "ANY" and mode not in _CHOICES:
        raise calling.refuse("mode", GEMINIS_OWN)
    return "required" if mode == "ANY" else _CHOICES[mode]


def _tool(declared: GoogleAsked) -> Tool:
    name = declared.text("name")
    description = declared.text("description")
    schema = declared.raw("parametersJsonSchema")
    googles = declared.raw("parameters")
    gives = declared.raw("responseJsonSchema")
    gives = gives or _converted(declared, "response", declared.raw("response"))
    if gives not in (b"", b"{}"):
        # google-genai says it of every Python function that it is given as a tool.
        description = GIVES.format(description, gives.decode()).lstrip()
    return Tool(name, description, schema or _converted(declared, "parameters", googles))


def _converted(asked: GoogleAsked, name: str, googles: bytes) -> bytes:
    if not googles:
        return b""
    try:
        return json_schema(googles)
    except (ValueError, RecursionError):
        raise BadParameter(asked.at(name), "not readable", "a schema") from None


def _shape(config: GoogleAsked) -> Shape | None:
    media_type = config.text("responseMimeType")
    schema = config.raw("responseJsonSchema")
    googles = config.raw("responseSchema")
    if media_type not in ("", "text/plain", "application/json"):
        raise config.refuse("responseMimeType", GEMINIS_OWN)
    schema = schema or _converted(config, "responseSchema", googles)
    return Shape(schema) if schema or media_type == "application/json" else None


def _reasoning(config: GoogleAsked) -> Reasoning | None:
    thinking = config.inner("thinkingConfig")
    if thinking is None:
        return None
    budget = thinking.whole("thinkingBudget")
    effort = thinking.text("thinkingLevel").lower().removeprefix("thinking_level_")
    shows_thoughts = thinking.truth("includeThoughts") is True
    thinking.close(GEMINIS_OWN)
    effort = {"unspecified": ""}.get(effort, effort)
    found = Reasoning(
        effort="none" if budget == 0 else effort,
        budget_tokens=budget if budget is not None and budget > 0 else None,
        is_adaptive=budget is not None and budget < 0,
        shows_thoughts=shows_thoughts,
    )
    return None if found == Reasoning() else found
