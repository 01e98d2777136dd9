"""The `input` of a responses request, read into a system prompt and turns."""

from __future__ import annotations

from collections.abc import Sequence

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.chat.parts import FAILED_TOOL, FINEST_DETAILS, NOT_ELSEWHERE
from ferrycli.wire.translate.media import is_data_url, read_data_url
from ferrycli.wire.translate.responses.tools import custom_arguments, function_name
from ferrycli.wire.translate.seals import OPENAI
from ferrycli.wire.translate.seals import read as read_seal
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

Shown = Text | Image | Document | Audio
"""What the content of an item is made of."""

KEPT_AT_OPENAI = "what it names is kept at OpenAI"
PARAGRAPH = "\n\n"
"""Between the parts of a summary, each of which is one."""

_BESIDE_THE_ITEM = ("id", "status", "phase", "internal_chat_message_metadata_passthrough")
"""Members by which OpenAI and its clients find an item again; a model is not shown them."""


def read_input(asked: Asked) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """The system prompt, and the turns. Raises `Untranslatable` or `BadParameter`."""
    given = asked.text_or_objects("input")
    if not given:
        raise BadParameter(asked.at("input"), "missing", "text, or a list of items")
    if isinstance(given, str):
        return (), (Turn("user", (Text(given),)),)
    reading = _Reading()
    for item in given:
        reading.take(item)
    return tuple(reading.system), tuple(reading.turns)


class _Reading:
    """The items so far. What the model gave in one answer are several of them, and one turn."""

    def __init__(self) -> None:
        self.system: list[Text] = []
        self.turns: list[Turn] = []
        self._call_seal = ""
        """Of the tool call that comes next."""

    def take(self, item: Asked) -> None:
        kind = item.text("type") or "message"
        if kind == "message" and item.is_text("id") and not item.is_text("role"):
            kind = "item_reference"
        if kind == "item_reference":
            raise item.refuse("id", KEPT_AT_OPENAI)
        item.drop(*_BESIDE_THE_ITEM)
        if kind == "message":
            self._message(item)
        elif kind in ("function_call", "custom_tool_call"):
            self._answered(_call(item, kind, self._call_seal))
            self._call_seal = ""
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._result(_result(item))
        elif kind == "reasoning":
            self._thought(item)
        else:
            raise item.refuse("type", NOT_ELSEWHERE)
        item.close(NOT_ELSEWHERE)

    def _message(self, item: Asked) -> None:
        role = item.needed_text("role")
        parts = _content(item, "content")
        if role in ("system", "developer"):
            texts = [part for part in parts if isinstance(part, Text)]
            if len(texts) != len(parts):
                raise item.refuse("content", "a system prompt is text alone")
            if self.turns:
                self.turns += instructed(texts)
            else:
                self.system += texts
        elif role == "user":
            self.turns.append(Turn("user", parts))
        elif role == "assistant":
            self._answered(*parts)
        else:
            raise item.refuse("role", NOT_ELSEWHERE)

    def _answered(self, *parts: Part) -> None:
        if self.turns and self.turns[-1].role == "assistant":
            parts = (*self.turns.pop().parts, *parts)
        self.turns.append(Turn("assistant", parts))

    def _result(self, result: ToolResult) -> None:
        last = self.turns[-1].parts if self.turns else ()
        parts: tuple[Part, ...] = (result,)
        if last and all(isinstance(part, ToolResult) for part in last):
            parts = (*self.turns.pop().parts, result)
        self.turns.append(Turn("user", parts))

    def _thought(self, item: Asked) -> None:
        text = PARAGRAPH.join(_texts(item, "summary", "summary_text"))
        said = "".join(_texts(item, "content", "reasoning_text", "text"))
        seal = read_seal(item.text("encrypted_content"), "signature", OPENAI)
        if seal.kind == "call":
            self._call_seal = seal.value
        thought = seal.thinking(text or said)
        if thought != Thinking():
            self._answered(thought)


def _texts(item: Asked, name: str, *kinds: str) -> list[str]:
    texts = []
    for part in item.objects(name):
        if part.needed_text("type") not in kinds:
            raise part.refuse("type", NOT_ELSEWHERE)
        texts.append(part.text("text"))
        part.close(NOT_ELSEWHERE)
    return texts


def _content(item: Asked, name: str) -> tuple[Shown, ...]:
    content = item.text_or_objects(name)
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(part) for part in content)


def _part(asked: Asked) -> Shown:
    kind = asked.needed_text("type")
    # It only makes what comes after cheaper, for times that no other provider has.
    asked.drop("prompt_cache_breakpoint")
    part: Shown
    if kind in ("input_text", "output_text", "text"):
        # Where an earlier answer's text came from, and how likely it was; the text itself stands.
        asked.drop("annotations", "logprobs")
        part = Text(asked.text("text"))
    elif kind == "refusal":
        part = Text(asked.text("refusal"))
    elif kind == "input_image":
        part = _image(asked)
    elif kind == "input_file":
        part = _document(asked)
    elif kind == "input_audio":
        audio = asked.needed_object("input_audio")
        part = Audio(audio.needed_text("format"), audio.needed_text("data"))
        audio.close(NOT_ELSEWHERE)
    else:
        raise asked.refuse("type", NOT_ELSEWHERE)
    asked.close(NOT_ELSEWHERE)
    return part


def _image(asked: Asked) -> Image:
    _refuse_file_id(asked)
    url, detail = asked.needed_text("image_url"), asked.text("detail")
    detail = "" if detail in FINEST_DETAILS else detail
    if not is_data_url(url):
        return Image(url=url, detail=detail)
    media_type, base64 = read_data_url(url, asked.at("image_url"))
    return Image(media_type, base64, detail=detail)


def _document(asked: Asked) -> Document:
    _refuse_file_id(asked)
    asked.drop_where("detail", b'"auto"', b'"high"')
    name, url = asked.text("filename"), asked.text("file_url")
    if url:
        return Document(url=url, name=name)
    data = asked.needed_text("file_data")
    if not is_data_url(data):
        wanted = "a URL like `data:application/pdf;base64,…`"
        raise BadParameter(asked.at("file_data"), "not readable", wanted)
    media_type, base64 = read_data_url(data, asked.at("file_data"))
    return Document(media_type, base64, name=name)


def _refuse_file_id(asked: Asked) -> None:
    if asked.text("file_id"):
        raise asked.refuse("file_id", KEPT_AT_OPENAI)


def _call(item: Asked, kind: str, seal: str) -> ToolCall:
    _drop_caller(item)
    name = function_name(item.needed_text("name"), item.text("namespace"))
    if kind == "custom_tool_call":
        arguments = custom_arguments(item.text("input"))
    else:
        arguments = item.text("arguments")
    return ToolCall(item.needed_text("call_id"), name, arguments, seal)


def _result(item: Asked) -> ToolResult:
    _drop_caller(item)
    # The call of this id has the name too.
    item.drop("name", "namespace")
    parts: list[Text | Image | Document] = []
    for part in _content(item, "output"):
        if isinstance(part, Audio):
            raise item.refuse("output", "a tool gives text, pictures and files alone")
        parts.append(part)
    is_error = len(parts) > 1 and parts[0] == Text(FAILED_TOOL)
    return ToolResult(item.needed_text("call_id"), _said(parts[is_error:]), is_error=is_error)


def _said(parts: Sequence[Text | Image | Document]) -> tuple[Text | Image | Document, ...]:
    return tuple(part for part in parts if part != Text(""))


def _drop_caller(item: Asked) -> None:
    """Whether a model or a program of its own called a tool: there are no such programs here."""
    caller = item.object("caller")
    if caller is None:
        return
    if caller.needed_text("type") != "direct":
        raise caller.refuse("type", NOT_ELSEWHERE)
    caller.close(NOT_ELSEWHERE)
