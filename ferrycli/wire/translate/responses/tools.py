"""Tools of a responses request as functions, and the calls of those functions as its own again.

OpenAI has two kinds that others have not, and both can be said as functions: tools in a namespace,
whose function is named after both, and custom tools, whose function takes one text. A reply's
writer gives the call back in the kind that the client knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import BadParameter, Refusal
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.chat.parts import NOT_ELSEWHERE
from ferrycli.wire.translate.openais import read_choice_word
from ferrycli.wire.translate.talk import Tool

NAME_LENGTH_MAX = 64
"""Every provider takes names of functions up to this."""
_DIGEST_BYTES = 4

CUSTOM_INPUT = "input"
CUSTOM_SCHEMA = msgspec.json.encode(
    {
        "type": "object",
        "properties": {CUSTOM_INPUT: {"type": "string"}},
        "required": [CUSTOM_INPUT],
        "additionalProperties": False,
    }
)
"""What the function of a custom tool takes."""

_decode_input = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(frozen=True, slots=True)
class CallName:
    """A tool as the client knows it."""

    name: str
    namespace: str = ""
    is_custom: bool = False


def function_name(name: str, namespace: str = "") -> str:
    """The function that stands for a tool: its own name outside a namespace."""
    if not namespace:
        return name
    joined = namespace + name if namespace.endswith("__") else f"{namespace}__{name}"
    if len(joined) <= NAME_LENGTH_MAX:
        return joined
    digest = blake2b(joined.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{joined[: NAME_LENGTH_MAX - len(digest) - 1]}_{digest}"


def custom_arguments(written: str) -> str:
    """What a custom tool was given, as its function's arguments."""
    return msgspec.json.encode({CUSTOM_INPUT: written}).decode()


def custom_input(arguments: str) -> str:
    """What a custom tool is given: all that the model wrote, where it kept to no schema."""
    try:
        given = _decode_input(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return arguments
    return given[CUSTOM_INPUT] if list(given) == [CUSTOM_INPUT] else arguments


def read_tools(asked: Asked) -> tuple[Tool, ...]:
    """The tools of a request. Raises `Untranslatable` for those that run at OpenAI."""
    return tuple(tool for tool, _ in _tools(asked).values())


def call_names(body: bytes) -> Mapping[str, CallName]:
    """The tools of a request that was read before, by the functions that stand for them."""
    try:
        return {function: name for function, (_, name) in _tools(Asked(body)).items()}
    except Refusal:
        return {}


def _tools(asked: Asked) -> dict[str, tuple[Tool, CallName]]:
    found: dict[str, tuple[Tool, CallName]] = {}
    for one in asked.objects("tools"):
        kind = one.needed_text("type")
        if kind != "namespace":
            _add(found, one, _tool(one, kind))
            continue
        namespace, about = one.needed_text("name"), one.text("description")
        for inner in one.objects("tools"):
            _add(found, inner, _tool(inner, inner.needed_text("type"), namespace, about))
            # Told with the first of them, not with each: every description is paid for.
            about = ""
        one.close(NOT_ELSEWHERE)
    return found


def _add(
    found: dict[str, tuple[Tool, CallName]], asked: Asked, named: tuple[Tool, CallName]
) -> None:
    function = named[0].name
    if function in found:
        raise BadParameter(asked.at("name"), "twice", "a name that no other tool has")
    found[function] = named


def _tool(
    asked: Asked, kind: str, namespace: str = "", namespace_about: str = ""
) -> tuple[Tool, CallName]:
    if kind not in ("function", "custom"):
        raise asked.refuse("type", f"a tool of type {safe(kind, 40)} is OpenAI's own")
    name, about = asked.needed_text("name"), asked.text("description")
    if namespace_about:
        of_all = f"Of all tools {function_name('…', namespace)}: {namespace_about}"
        about = f"{of_all}\n\n{about}" if about else of_all
    schema, is_strict = CUSTOM_SCHEMA, None
    if kind == "function":
        schema, is_strict = asked.raw("parameters"), asked.truth("strict")
    else:
        _check_format(asked.object("format"))
    # Elsewhere every tool is there from the beginning, and only the model itself calls it.
    asked.drop("defer_loading")
    asked.drop_where("allowed_callers", b'["direct"]')
    asked.drop_where("async", b"false")
    asked.close(NOT_ELSEWHERE)
    function = function_name(name, namespace)
    return Tool(function, about, schema, is_strict), CallName(name, namespace, kind == "custom")


def _check_format(asked: Asked | None) -> None:
    if asked is None:
        return
    if asked.needed_text("type") != "text":
        raise asked.refuse("type", "no other dialect holds what a model writes to a grammar")
    asked.close(NOT_ELSEWHERE)


def read_tool_choice(asked: Asked) -> str:
    """As `Talk.tool_choice`."""
    if word := read_choice_word(asked):
        return word
    named = asked.object("tool_choice")
    if named is None:
        return ""
    kind = named.needed_text("type")
    if kind not in ("function", "custom"):
        raise named.refuse("type", NOT_ELSEWHERE)
    function = function_name(named.needed_text("name"), named.text("namespace"))
    named.close(NOT_ELSEWHERE)
    return f"tool:{function}"
