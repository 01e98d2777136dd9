"""The messages of a chat request, read into turns."""

from __future__ import annotations

from collections.abc import Sequence

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.cache_marks import read_cache, with_last_marked
from ferrycli.wire.translate.chat import details
from ferrycli.wire.translate.media import is_data_url, is_web_url, read_data_url
from ferrycli.wire.translate.talk import (
    Audio,
    Document,
    Image,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from ferrycli.wire.translate.turns import instructed

FAILED_TOOL = "The tool failed:"
"""Chat has no flag for it: the first part of a failed tool's result, written and read."""

NOT_ELSEWHERE = "no other dialect has such a thing"
FINEST_DETAILS = ("auto", "high", "original")
"""What other providers' models do with every picture; only `low` asks for something else."""


def read_messages(messages: Sequence[Asked]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """The system prompt, and the turns. Raises `Untranslatable` or `BadParameter`."""
    system: list[Text] = []
    turns: list[Turn] = []
    for message in messages:
        role = message.needed_text("role")
        if role in ("system", "developer"):
            texts = _texts(message)
            if turns:
                turns += instructed(texts)
            else:
                system += texts
        elif role == "user":
            turns.append(Turn("user", _content(message)))
        elif role == "assistant":
            turns.append(Turn("assistant", _assistant_parts(message)))
        elif role == "tool":
            turns.append(Turn("user", (_tool_result(message),)))
        else:
            raise message.refuse("role", NOT_ELSEWHERE)
        message.close(NOT_ELSEWHERE)
    return tuple(system), tuple(turns)


def _texts(message: Asked) -> list[Text]:
    parts = _content(message)
    texts = [part for part in parts if isinstance(part, Text)]
    if len(texts) != len(parts):
        raise message.refuse("content", "a system prompt is text alone")
    return texts


def _content(message: Asked) -> tuple[Part, ...]:
    content = message.text_or_objects("content")
    if isinstance(content, str):
        parts: tuple[Part, ...] = (Text(content),)
    else:
        parts = tuple(_part(asked) for asked in content)
    return with_last_marked(parts, read_cache(message))


def _part(asked: Asked) -> Part:
    kind = asked.needed_text("type")
    # It only makes what comes after cheaper, for times that no other provider has.
    asked.drop("prompt_cache_breakpoint", "annotations")
    part: Part
    if kind == "text":
        part = Text(asked.text("text"), read_cache(asked))
    elif kind == "refusal":
        part = Text(asked.text("refusal"))
    elif kind == "image_url":
        part = _image(asked)
    elif kind == "file":
        part = _document(asked)
    elif kind == "input_audio":
        audio = asked.needed_object("input_audio")
        part = Audio(audio.needed_text("format"), audio.needed_text("data"))
        audio.close()
    else:
        raise asked.refuse("type", NOT_ELSEWHERE)
    asked.close()
    return part


def _image(asked: Asked) -> Image:
    cache = read_cache(asked)
    if asked.is_text("image_url"):
        # Not OpenAI's form, but some servers' own.
        url, detail, place = asked.needed_text("image_url"), "", asked.at("image_url")
    else:
        named = asked.needed_object("image_url")
        url, detail, place = named.needed_text("url"), named.text("detail"), named.at("url")
        named.close()
    detail = "" if detail in FINEST_DETAILS else detail
    if not is_data_url(url):
        return Image(url=url, detail=detail, cache=cache)
    media_type, base64 = read_data_url(url, place)
    return Image(media_type, base64, detail=detail, cache=cache)


def _document(asked: Asked) -> Document:
    cache = read_cache(asked)
    file = asked.needed_object("file")
    name = file.text("filename")
    if file.text("file_id"):
        raise file.refuse("file_id", "the file lies at another provider")
    content = file.needed_text("file_data")
    file.close()
    if is_web_url(content):
        return Document(url=content, name=name, cache=cache)
    if not is_data_url(content):
        wanted = "a URL like `data:application/pdf;base64,…`"
        raise BadParameter(file.at("file_data"), "not readable", wanted)
    media_type, base64 = read_data_url(content, file.at("file_data"))
    return Document(media_type, base64, name=name, cache=cache)


def _assistant_parts(message: Asked) -> tuple[Part, ...]:
    # Where an earlier answer's text came from; the text itself stands.
    message.drop("annotations")
    message.drop_where("tool_calls", b"[]")
    thoughts = _thoughts(message)
    said: list[Part] = [part for part in _content(message) if part != Text("")]
    if refusal := message.text("refusal"):
        said.append(Text(refusal))
    said += [_tool_call(asked) for asked in message.objects("tool_calls")]
    return _placed(thoughts, said)


def _placed(thoughts: list[tuple[int, Thinking]], said: list[Part]) -> tuple[Part, ...]:
    """Thoughts at their places in the turn, what was said around them in its order."""
    parts = said
    for place, thought in sorted(thoughts, key=lambda placed: placed[0]):
        parts.insert(place, thought)
    return tuple(parts)


def _thoughts(message: Asked) -> list[tuple[int, Thinking]]:
    """Each thought and its place in the turn; signed ones before the same thoughts unsigned."""
    text = message.text("reasoning_content")
    text = message.text("reasoning") or text
    told = message.objects("reasoning_details")
    if told:
        return [_detail(asked, at) for at, asked in enumerate(told)]
    return [(0, Thinking(text))] if text else []


def _detail(asked: Asked, at: int) -> tuple[int, Thinking]:
    """One of OpenRouter's `reasoning_details`."""
    kind = asked.needed_text("type")
    index = asked.whole("index")
    asked.drop("id")
    form = asked.text("format")
    if kind == "reasoning.text":
        thought = details.read(asked.text("text"), asked.text("signature"), "", form)
    elif kind == "reasoning.encrypted":
        thought = details.read("", "", asked.needed_text("data"), form)
    elif kind == "reasoning.summary":
        thought = Thinking(asked.text("summary"))
    else:
        raise asked.refuse("type", NOT_ELSEWHERE)
    asked.close()
    return (at if index is None else max(0, index)), thought


def _tool_call(asked: Asked) -> ToolCall:
    kind = asked.text("type")
    if kind not in ("", "function"):
        raise asked.refuse("type", NOT_ELSEWHERE)
    # Where a client keeps pieces of a stream, it sends back the number that it had there.
    asked.drop("index")
    function = asked.needed_object("function")
    call = ToolCall(
        asked.needed_text("id"),
        function.needed_text("name"),
        function.text("arguments"),
        _signature(asked),
        read_cache(asked),
    )
    function.close()
    asked.close()
    return call


def _signature(asked: Asked) -> str:
    """Gemini's seal of a call, where its OpenAI layer puts it."""
    extra = asked.object("extra_content")
    google = extra.object("google") if extra else None
    signature = google.text("thought_signature") if google else ""
    for found in (google, extra):
        if found is not None:
            found.close()
    return signature


def _tool_result(message: Asked) -> ToolResult:
    parts: list[Text | Image | Document] = []
    for part in _content(message):
        if not isinstance(part, Text | Image | Document):
            raise message.refuse("content", "a tool gives text, pictures and files alone")
        parts.append(part)
    is_error = len(parts) > 1 and parts[0] == Text(FAILED_TOOL)
    if is_error:
        del parts[0]
    cache = parts[-1].cache if parts else ""
    if cache:
        parts[-1] = _unmarked(parts[-1])
    return ToolResult(
        message.needed_text("tool_call_id"),
        tuple(part for part in parts if part != Text("")),
        message.text("name"),
        is_error,
        cache,
    )


def _unmarked(part: Text | Image | Document) -> Text | Image | Document:
    if isinstance(part, Text):
        return Text(part.text)
    if isinstance(part, Image):
        return Image(part.media_type, part.base64, part.url, part.detail)
    return Document(part.media_type, part.base64, part.url, part.name)
