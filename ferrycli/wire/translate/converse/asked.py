"""Bedrock's Converse requests, read into a `Talk`.

Names of who asks and marks for logs (`requestMetadata`) are left out, for the answer is the same
without. Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Place
from ferrycli.wire.translate.cache_marks import TTL_UNSAID
from ferrycli.wire.translate.calls import takes_none
from ferrycli.wire.translate.clouds_asked import CloudAsked
from ferrycli.wire.translate.kinds_of_files import DOCUMENT_TYPES, IMAGE_TYPES
from ferrycli.wire.translate.media import PLAIN_TEXT, text_as_base64
from ferrycli.wire.translate.seals import ANTHROPIC
from ferrycli.wire.translate.seals import read as read_seal
from ferrycli.wire.translate.talk import (
    Audio,
    CacheTtl,
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
from ferrycli.wire.translate.turns import instructed, with_tool_names

CONVERSES_OWN = "only Bedrock's Converse has such a thing"


def read_request(body: bytes, place: Place) -> Talk:
    """The conversation that `body` asks to go on with. Raises as `Codec.read_request`."""
    asked = CloudAsked(body)
    asked.drop("requestMetadata")
    latency = asked.inner("performanceConfig") or CloudAsked(b"{}")
    latency.drop_where("latency", b'"standard"')
    limits = asked.inner("inferenceConfig") or CloudAsked(b"{}")
    extra = asked.inner("additionalModelRequestFields") or CloudAsked(b"{}")
    output = asked.inner("outputConfig") or CloudAsked(b"{}")
    system, turns = _messages(asked)
    tools, choice = _tools(asked)
    talk = Talk(
        model=place.model,
        turns=turns,
        system=system,
        tools=tools,
        tool_choice=choice,
        is_stream=place.is_stream is True,
        output_max=limits.whole("maxTokens"),
        stop=limits.texts("stopSequences"),
        temperature=limits.number("temperature"),
        top_p=limits.number("topP"),
        top_k=_top_k(extra),
        shape=_shape(output),
        reasoning=_reasoning(extra, output),
        tier=_tier(asked),
    )
    for one in (limits, extra, output, latency, asked):
        one.close(CONVERSES_OWN)
    return with_tool_names(talk)


def _tier(asked: CloudAsked) -> str:
    tier = asked.inner("serviceTier")
    if tier is None:
        return ""
    kind = tier.text("type")
    tier.close(CONVERSES_OWN)
    return kind


def _top_k(extra: CloudAsked) -> int | None:
    """As Claude takes it, or as Nova does."""
    own = extra.whole("top_k")
    nova = extra.inner("inferenceConfig")
    if nova is None:
        return own
    novas = nova.whole("topK")
    nova.close(CONVERSES_OWN)
    return novas if own is None else own


# Turns --------------------------------------------------------------------------------------


def _messages(asked: CloudAsked) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """The system prompt, what of it stands before all turns included, and the turns."""
    system = _system(asked.inners("system"))
    turns: list[Turn] = []
    for message in asked.inners("messages"):
        role = message.needed_text("role")
        content = message.inners("content")
        if role == "system":
            if turns:
                turns += instructed(_system(content))
            else:
                system += _system(content)
        elif role in ("user", "assistant"):
            parts = _parts(content)
            turns.append(Turn("user" if role == "user" else "assistant", tuple(parts)))
        else:
            raise BadParameter(message.at("role"), role[:40], "`user` or `assistant`")
        message.close(CONVERSES_OWN)
    return tuple(system), tuple(turns)


def _system(blocks: list[CloudAsked]) -> list[Text]:
    texts: list[Text] = []
    for block in blocks:
        if ttl := _cache(block):
            if not texts:
                raise block.refuse("cachePoint", "nothing stands before it")
            texts[-1] = replace(texts[-1], cache=ttl)
        else:
            texts += [Text(block.text("text"))] if "text" in block.names() else []
        block.close(CONVERSES_OWN)
    return texts


def _parts(blocks: list[CloudAsked]) -> list[Part]:
    parts: list[Part] = []
    for block in blocks:
        if ttl := _cache(block):
            last = parts[-1] if parts else None
            if last is None or isinstance(last, Audio | Thinking):
                raise block.refuse("cachePoint", "nothing that can be cached stands before it")
            parts[-1] = replace(last, cache=ttl)
        elif (part := _part(block)) is not None:
            parts.append(part)
        block.close(CONVERSES_OWN)
    return parts


def _cache(block: CloudAsked) -> CacheTtl:
    point = block.inner("cachePoint")
    if point is None:
        return ""
    point.drop_where("type", b'"default"')
    ttl = point.text("ttl") or TTL_UNSAID
    if ttl not in ("5m", "1h"):
        raise BadParameter(point.at("ttl"), ttl[:40], "`5m` or `1h`")
    point.close(CONVERSES_OWN)
    return cast(CacheTtl, ttl)


def _part(block: CloudAsked) -> Part | None:
    if (call := block.inner("toolUse")) is not None:
        part = ToolCall(
            call.needed_text("toolUseId"),
            call.needed_text("name"),
            call.raw("input").decode() or "{}",
        )
        call.close("it runs at Bedrock")
        return part
    if (result := block.inner("toolResult")) is not None:
        return _result(result)
    if (thought := block.inner("reasoningContent")) is not None:
        return _thought(thought)
    if (sound := block.inner("audio")) is not None:
        return Audio(sound.needed_text("format"), _bytes(sound))
    return _shown(block)


def _thought(block: CloudAsked) -> Thinking:
    redacted = block.text("redactedContent")
    written = block.inner("reasoningText")
    block.close(CONVERSES_OWN)
    if written is None:
        return read_seal(redacted, "redacted", ANTHROPIC).thinking("")
    text = written.text("text")
    thought = read_seal(written.text("signature"), "signature", ANTHROPIC).thinking(text)
    written.close(CONVERSES_OWN)
    return thought


def _shown(block: CloudAsked) -> Text | Image | Document | None:
    """What both a turn and a tool's result may hold; None where it is something else."""
    if (image := block.inner("image")) is not None:
        kind = image.needed_text("format")
        base64, url = _source(image)
        image.close(CONVERSES_OWN)
        return Image(IMAGE_TYPES.get(kind, f"image/{kind}"), base64, url)
    if (document := block.inner("document")) is not None:
        return _document(document)
    return Text(block.text("text")) if "text" in block.names() else None


def _document(document: CloudAsked) -> Document:
    kind = document.text("format") or "txt"
    name = document.text("name")
    source = document.inner("source")
    if source is None:
        raise BadParameter(document.at("source"), "missing", "a value")
    if text := source.text("text"):
        source.close(CONVERSES_OWN)
        found = Document(PLAIN_TEXT, text_as_base64(text), name=name)
    else:
        base64, url = _located(source)
        found = Document(DOCUMENT_TYPES.get(kind, kind), base64, url, name)
    citations = document.inner("citations")
    if citations is not None:
        citations.drop_where("enabled", b"false")
        citations.close(CONVERSES_OWN)
    document.close(CONVERSES_OWN)
    return found


def _source(block: CloudAsked) -> tuple[str, str]:
    source = block.inner("source")
    if source is None:
        raise BadParameter(block.at("source"), "missing", "a value")
    return _located(source)


def _located(source: CloudAsked) -> tuple[str, str]:
    """The bytes of a file in base64, or the address of its place in S3."""
    base64 = source.text("bytes")
    place = source.inner("s3Location")
    url = ""
    if place is not None:
        url = place.needed_text("uri")
        place.close(CONVERSES_OWN)
    source.close(CONVERSES_OWN)
    return base64, url


def _bytes(sound: CloudAsked) -> str:
    base64, url = _source(sound)
    if url:
        raise sound.refuse("source", CONVERSES_OWN)
    sound.close(CONVERSES_OWN)
    return base64


def _result(result: CloudAsked) -> ToolResult:
    call_id = result.needed_text("toolUseId")
    parts: list[Text | Image | Document] = []
    for block in result.inners("content"):
        if raw := block.raw("json"):
            parts.append(Text(raw.decode()))
        elif (part := _shown(block)) is not None:
            parts.append(part)
        block.close(CONVERSES_OWN)
    is_error = result.text("status") == "error"
    result.close(CONVERSES_OWN)
    return ToolResult(call_id, tuple(parts), is_error=is_error)


# Tools and the answer -----------------------------------------------------------------------


def _tools(asked: CloudAsked) -> tuple[tuple[Tool, ...], str]:
    """The tools, and which of them is to be called."""
    config = asked.inner("toolConfig")
    if config is None:
        return (), ""
    tools: list[Tool] = []
    for block in config.inners("tools"):
        if ttl := _cache(block):
            if not tools:
                raise block.refuse("cachePoint", "nothing stands before it")
            tools[-1] = replace(tools[-1], cache=ttl)
        elif (spec := block.inner("toolSpec")) is not None:
            tools.append(_tool(spec))
        block.close("it runs at Bedrock")
    choice = _tool_choice(config)
    config.close(CONVERSES_OWN)
    return tuple(tools), choice


def _tool(spec: CloudAsked) -> Tool:
    name = spec.needed_text("name")
    description = spec.text("description")
    schema = spec.inner("inputSchema")
    written = b"" if schema is None else schema.raw("json")
    is_strict = spec.truth("strict")
    spec.close(CONVERSES_OWN)
    return Tool(name, description, b"" if takes_none(written) else written, is_strict)


def _tool_choice(config: CloudAsked) -> str:
    choice = config.inner("toolChoice")
    if choice is None:
        return ""
    for kind, named in (("auto", "auto"), ("any", "required")):
        if choice.raw(kind):
            choice.close(CONVERSES_OWN)
            return named
    tool = choice.inner("tool")
    if tool is None:
        raise BadParameter(config.at("toolChoice"), "not readable", "`auto`, `any` or `tool`")
    named = f"tool:{tool.needed_text('name')}"
    tool.close(CONVERSES_OWN)
    choice.close(CONVERSES_OWN)
    return named


def _shape(output: CloudAsked) -> Shape | None:
    text_format = output.inner("textFormat")
    if text_format is None:
        return None
    text_format.drop_where("type", b'"json_schema"')
    structure = text_format.inner("structure")
    schema = None if structure is None else structure.inner("jsonSchema")
    if structure is None or schema is None:
        raise BadParameter(text_format.at("structure"), "missing", "a value")
    shape = Shape(
        schema.needed_text("schema").encode(), schema.text("name"), schema.text("description")
    )
    for one in (schema, structure, text_format):
        one.close(CONVERSES_OWN)
    return shape


def _reasoning(extra: CloudAsked, output: CloudAsked) -> Reasoning | None:
    """How much a model shall think: Converse's own effort, and Claude's `thinking`."""
    effort = output.text("effort")
    older = extra.inner("output_config")
    if older is not None:
        effort = older.text("effort") or effort
        older.close(CONVERSES_OWN)
    thinking = extra.inner("thinking")
    if thinking is None:
        return Reasoning(effort) if effort else None
    kind = thinking.needed_text("type")
    budget = thinking.whole("budget_tokens")
    shows_thoughts = thinking.text("display") != "omitted"
    thinking.close(CONVERSES_OWN)
    if kind == "disabled":
        return Reasoning(effort="none")
    is_adaptive = kind == "adaptive"
    return Reasoning(effort, budget, is_adaptive=is_adaptive, shows_thoughts=shows_thoughts)
