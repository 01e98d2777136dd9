"""The messages of an Anthropic request, read into turns."""

from __future__ import annotations

from collections.abc import Sequence

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.cache_marks import read_cache
from ferrycli.wire.translate.media import PLAIN_TEXT, text_as_base64
from ferrycli.wire.translate.seals import ANTHROPIC
from ferrycli.wire.translate.seals import read as read_seal
from ferrycli.wire.translate.talk import (
    Document,
    Image,
    Part,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from ferrycli.wire.translate.turns import instructed

NOT_ELSEWHERE = "no other dialect has such a thing"
AT_ANTHROPIC = "what it names is kept at Anthropic"


def read_system(asked: Asked) -> tuple[Text, ...]:
    """The system prompt beside the messages."""
    return _texts(asked.text_or_objects("system"))


def read_messages(messages: Sequence[Asked]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """What of the system prompt stands among the messages, and the turns."""
    system: list[Text] = []
    turns: list[Turn] = []
    for message in messages:
        role = message.needed_text("role")
        content = message.text_or_objects("content")
        if role == "system":
            if turns:
                turns += instructed(_texts(content))
            else:
                system += _texts(content)
        elif role in ("user", "assistant"):
            turns.append(Turn("user" if role == "user" else "assistant", _parts(content)))
        else:
            raise BadParameter(message.at("role"), role[:40], "`user` or `assistant`")
        message.close(NOT_ELSEWHERE)
    return tuple(system), tuple(turns)


def _texts(content: str | list[Asked]) -> tuple[Text, ...]:
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(_text(block) for block in content)


def _parts(content: str | list[Asked]) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    parts: list[Part] = []
    call_seal = ""
    for block in content:
        kind = block.needed_text("type")
        if kind == "redacted_thinking":
            seal = read_seal(block.needed_text("data"), "redacted", ANTHROPIC)
            block.close()
            # The only thing that a client of Anthropic's gives back as it came: the seal of the
            # tool call that follows may stand in it.
            call_seal = seal.value if seal.kind == "call" else ""
            parts += [] if call_seal or not seal.value else [seal.thinking("")]
        else:
            parts.append(_part(block, kind, call_seal))
            call_seal = ""
    return tuple(parts)


def _part(block: Asked, kind: str, call_seal: str) -> Part:
    part: Part
    if kind == "tool_use":
        part = _tool_use(block, call_seal)
    elif kind == "tool_result":
        return _tool_result(block)
    elif kind == "thinking":
        seal = read_seal(block.text("signature"), "signature", ANTHROPIC)
        part = seal.thinking(block.text("thinking"))
    else:
        return _shown(block, kind)
    block.close()
    return part


def _shown(block: Asked, kind: str) -> Text | Image | Document:
    """A block that a user's turn and a tool's result both may hold."""
    if kind == "text":
        return _text(block, kind)
    part: Image | Document
    if kind == "image":
        block.drop_where("transformations", b"{}")
        part = _image(block)
    elif kind == "document":
        part = _document(block)
    else:
        raise block.refuse("type", NOT_ELSEWHERE)
    block.close(NOT_ELSEWHERE)
    return part


def _text(block: Asked, kind: str = "") -> Text:
    if (kind or block.needed_text("type")) != "text":
        raise block.refuse("type", "a system prompt is text alone")
    # Where an earlier answer's text came from; the text itself stands.
    block.drop("citations")
    text = Text(block.text("text"), read_cache(block))
    block.close(NOT_ELSEWHERE)
    return text


def _image(block: Asked) -> Image:
    source = block.needed_object("source")
    kind = source.needed_text("type")
    if kind == "base64":
        image = Image(source.needed_text("media_type"), source.needed_text("data"))
    elif kind == "url":
        image = Image(url=source.needed_text("url"))
    else:
        raise source.refuse("type", AT_ANTHROPIC)
    source.close()
    return Image(image.media_type, image.base64, image.url, cache=read_cache(block))


def _document(block: Asked) -> Document:
    source = block.needed_object("source")
    kind = source.needed_text("type")
    if kind == "base64":
        media_type, base64, url = source.needed_text("media_type"), source.needed_text("data"), ""
    elif kind == "text":
        media_type = source.text("media_type") or PLAIN_TEXT
        base64, url = text_as_base64(source.needed_text("data")), ""
    elif kind == "url":
        media_type, base64, url = "", "", source.needed_text("url")
    else:
        raise source.refuse("type", AT_ANTHROPIC if kind == "file" else NOT_ELSEWHERE)
    source.close()
    _drop_citations(block)
    return Document(media_type, base64, url, block.text("title"), read_cache(block))


def _drop_citations(block: Asked) -> None:
    citations = block.object("citations")
    if citations is None:
        return
    if citations.truth("enabled") is True:
        raise citations.refuse("enabled", NOT_ELSEWHERE)
    citations.close()


def _tool_use(block: Asked, seal: str) -> ToolCall:
    caller = block.object("caller")
    if caller is not None and caller.needed_text("type") != "direct":
        raise caller.refuse("type", NOT_ELSEWHERE)
    arguments = block.raw("input") or b"{}"
    if not arguments.startswith(b"{"):
        raise BadParameter(block.at("input"), "not readable", "an object")
    return ToolCall(
        block.needed_text("id"),
        block.needed_text("name"),
        arguments.decode(),
        seal,
        read_cache(block),
    )


def _tool_result(block: Asked) -> ToolResult:
    content = block.text_or_objects("content")
    if isinstance(content, str):
        parts: tuple[Text | Image | Document, ...] = (Text(content),) if content else ()
    else:
        parts = tuple(_shown(one, one.needed_text("type")) for one in content)
    result = ToolResult(
        block.needed_text("tool_use_id"),
        parts,
        is_error=block.truth("is_error") is True,
        cache=read_cache(block),
    )
    block.close(NOT_ELSEWHERE)
    return result
