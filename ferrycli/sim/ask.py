"""A request body as the simulator needs it, or the error that OpenAI has for it.

Whatever the bytes are, `read` gives an `Ask` or raises `Refused`. What OpenAI would ignore is
ignored, and an output bound above the model's own is lowered to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ferrycli.sim import prompt, refusals
from ferrycli.sim.dice import seed
from ferrycli.sim.models import SimModel, named

CHOICES_MAX = 128
FIRST_TOKEN_MS_MAX = 120_000
TOKEN_DELAY_MS_MAX = 10_000
_QUESTION_LENGTH_MAX = 4_000
_ROLES = frozenset({"system", "assistant", "user", "function", "tool", "developer"})
_ERRORS = frozenset({*refusals.FAILURES, "cut", "error-event", "no-usage", "empty", "slow"})


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the metadata of a request asks of the simulator; None: nothing."""

    token_delay_ms: int | None = None
    first_token_ms: int | None = None
    output_tokens: int | None = None
    """Exact, thinking included, unless the request's bound is lower; of plain text only."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the answer may call, with the JSON schema of its arguments."""

    name: str
    schema: object


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for an answer."""

    model: SimModel
    prompt: bytes = field(repr=False)
    seed: int
    """Follows from model and prompt: what an answer depends on besides its bounds."""
    question: str
    """The last words of the user, cut to what an answer looks at."""
    is_stream: bool
    has_usage_chunk: bool
    has_obfuscation: bool
    choices: int
    output_tokens_max: int
    """For each choice, thinking included."""
    service_tier: str
    call: Tool | None
    """The function that must be called."""
    is_call_named: bool
    """The request named the function itself, instead of leaving the choice."""
    is_json: bool
    json_schema: object
    """None: any object."""
    wishes: Wishes


def read(body: bytes) -> Ask:
    """What `body` asks for. Raises `Refused`."""
    try:
        return _read(_object(body))
    except RecursionError as error:
        raise refusals.not_json() from error


def _read(request: dict[str, object]) -> Ask:
    model = _model(request)
    messages = _messages(request.get("messages"))
    choices = _int(request, "n", 1, CHOICES_MAX) or 1
    strip = prompt.strip(messages, request.get("tools"), request.get("response_format"))
    start = seed(model.name.encode(), strip)
    if prompt.tokens(strip) > model.context_tokens_max:
        raise refusals.too_long(prompt.tokens(strip), model.context_tokens_max)
    options = request.get("stream_options")
    is_stream = _bool(request, "stream")
    if options is not None and not is_stream:
        raise refusals.stream_options_alone()
    call, is_call_named = _call(request, start)
    is_json, schema = _format(request.get("response_format"))
    tier = request.get("service_tier")
    return Ask(
        model=model,
        prompt=strip,
        seed=start,
        question=_question(messages),
        is_stream=is_stream,
        has_usage_chunk=_dict(options).get("include_usage") is True,
        has_obfuscation=_dict(options).get("include_obfuscation") is not False,
        choices=choices,
        output_tokens_max=_output_tokens_max(request, model.output_tokens_max // choices),
        service_tier=tier if tier in ("flex", "priority") else "default",
        call=call,
        is_call_named=is_call_named,
        is_json=is_json,
        json_schema=schema,
        wishes=_wishes(_dict(request.get("metadata")), model.output_tokens_max // choices),
    )


def _object(body: bytes) -> dict[str, object]:
    try:
        request = json.loads(body, parse_constant=_no_constant)
    except ValueError as error:
        raise refusals.not_json() from error
    if not isinstance(request, dict):
        raise refusals.not_json()
    return request


def _no_constant(name: str) -> object:
    """Refuse `NaN` and `Infinity`, which Python reads and JSON does not have."""
    raise ValueError(name)


def _model(request: dict[str, object]) -> SimModel:
    name = request.get("model")
    if not isinstance(name, str) or not name:
        raise refusals.no_model()
    model = named(name)
    if model is None:
        raise refusals.no_such_model(name)
    return model


def _messages(messages: object) -> list[dict[str, object]]:
    if messages is None:
        raise refusals.missing("messages")
    if not isinstance(messages, list):
        raise refusals.wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise refusals.empty_array("messages")
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        if not isinstance(message, dict):
            raise refusals.wrong_type(where, "an object", message)
        role, content = message.get("role"), message.get("content")
        if role is None:
            raise refusals.missing(f"{where}.role")
        if not isinstance(role, str):
            raise refusals.wrong_type(f"{where}.role", "a string", role)
        if role not in _ROLES:
            raise refusals.bad_role(f"{where}.role", role)
        if not isinstance(content, str | list | None):
            wanted = "a string or an array of parts"
            raise refusals.wrong_type(f"{where}.content", wanted, content)
    return messages


def _question(messages: list[dict[str, object]]) -> str:
    asked = (message.get("content") for message in reversed(messages) if message["role"] == "user")
    return prompt.text(next(asked, None))[:_QUESTION_LENGTH_MAX]


def _output_tokens_max(request: dict[str, object], tokens_max: int) -> int:
    for param in ("max_completion_tokens", "max_tokens"):
        asked = _int(request, param, 1)
        if asked is not None:
            return min(asked, tokens_max)
    return tokens_max


def _call(request: dict[str, object], start: int) -> tuple[Tool | None, bool]:
    """The function that the answer must call, and whether the request named it."""
    tools, choice = request.get("tools"), request.get("tool_choice")
    if tools is not None and not isinstance(tools, list):
        raise refusals.wrong_type("tools", "an array of objects", tools)
    functions = [_dict(_dict(tool).get("function")) for tool in tools or []]
    callable_ = [
        Tool(name, function.get("parameters"))
        for function in functions
        if isinstance(name := function.get("name"), str)
    ]
    if choice == "required":
        if not callable_:
            raise refusals.no_tools()
        return callable_[start % len(callable_)], False
    name = _dict(_dict(choice).get("function")).get("name")
    if not isinstance(name, str):
        return None, False
    tool = next((tool for tool in callable_ if tool.name == name), None)
    if tool is None:
        raise refusals.no_such_tool(name)
    return tool, True


def _format(response_format: object) -> tuple[bool, object]:
    """Whether the answer is JSON, and the schema it has to fit."""
    asked = _dict(response_format)
    if asked.get("type") == "json_schema":
        return True, _dict(asked.get("json_schema")).get("schema")
    return asked.get("type") == "json_object", None


def _wishes(metadata: dict[str, object], output_tokens_max: int) -> Wishes:
    error = metadata.get("sim_error")
    return Wishes(
        token_delay_ms=_wish(metadata, "sim_token_delay_ms", TOKEN_DELAY_MS_MAX),
        first_token_ms=_wish(metadata, "sim_first_token_ms", FIRST_TOKEN_MS_MAX),
        output_tokens=_wish(metadata, "sim_output_tokens", output_tokens_max),
        error=error if isinstance(error, str) and error in _ERRORS else None,
    )


def _wish(metadata: dict[str, object], name: str, most: int) -> int | None:
    text = metadata.get(name)
    if not isinstance(text, str) or not (text.isascii() and text.isdecimal() and len(text) <= 9):
        return None
    return min(int(text), most)


def _int(request: dict[str, object], param: str, least: int, most: int | None = None) -> int | None:
    value = request.get(param)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise refusals.wrong_type(param, "an integer", value)
    if value < least or (most is not None and value > most):
        raise refusals.out_of_range(param, value, least, most)
    return value


def _bool(request: dict[str, object], param: str) -> bool:
    value = request.get(param)
    if value is not None and not isinstance(value, bool):
        raise refusals.wrong_type(param, "a boolean", value)
    return value is True


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
