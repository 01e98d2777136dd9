"""What the simulated provider says instead of an answer, in OpenAI's words and error shape.

A `Refused` carries what goes over the wire: the provider's own error, not one of ferry's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ferrycli.rules.clean import safe
from ferrycli.sim.models import MODELS

_ROLES = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"


@dataclass(frozen=True)
class Failure:
    """An error reply. `kind` is OpenAI's `error.type`."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    retry_after_s: int | None = None


class Refused(Exception):
    """A request that gets no answer, with the error reply that it gets."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


FAILURES: Mapping[str, Failure] = MappingProxyType(
    {
        "400": Failure(
            400,
            "Simulated: this request was refused because its metadata asked for it.",
            param="metadata.sim_error",
            code="invalid_value",
        ),
        "429": Failure(
            429,
            "Simulated: rate limit reached for requests per min (RPM). Please try again in 1s.",
            kind="requests",
            code="rate_limit_exceeded",
            retry_after_s=1,
        ),
        "500": Failure(
            500,
            "Simulated: the server had an error while processing your request. Sorry about that!",
            kind="server_error",
        ),
        "503": Failure(
            503,
            "Simulated: that model is currently overloaded with other requests.",
            kind="server_error",
            code="service_unavailable",
        ),
        "529": Failure(
            529,
            "Simulated: overloaded.",
            kind="overloaded_error",
            code="overloaded",
        ),
    }
)
"""Failures that a request can ask for, by the name it asks with."""

SPONTANEOUS = ("429", "500", "503")
"""Those that a flaky model also has by itself."""

MID_STREAM = Failure(
    200,
    "Simulated: the server had an error while processing your request. Sorry about that!",
    kind="server_error",
)


def no_such_path(path: str) -> Refused:
    message = f"Unknown request URL: {safe(path)}. Please check the URL for typos."
    return Refused(Failure(404, message, code="unknown_url"))


def no_such_model(name: str) -> Refused:
    known = ", ".join(f"`{model.name}`" for model in MODELS)
    message = (
        f"The model `{safe(name)}` does not exist or you do not have access to it."
        f" The simulated models are {known}."
    )
    return Refused(Failure(404, message, code="model_not_found"))


def not_json() -> Refused:
    return Refused(Failure(400, "We could not parse the JSON body of your request."))


def no_model() -> Refused:
    return Refused(Failure(400, "you must provide a model parameter"))


def missing(param: str) -> Refused:
    message = f"Missing required parameter: '{param}'."
    return Refused(Failure(400, message, param=param, code="missing_required_parameter"))


def wrong_type(param: str, wanted: str, value: object) -> Refused:
    message = f"Invalid type for '{param}': expected {wanted}, but got {_type(value)} instead."
    return Refused(Failure(400, message, param=param, code="invalid_type"))


def empty_array(param: str) -> Refused:
    message = f"Invalid '{param}': empty array. Expected an array with minimum length 1."
    return Refused(Failure(400, message, param=param, code="empty_array"))


def out_of_range(param: str, value: int, least: int, most: int | None = None) -> Refused:
    is_low = value < least
    side, sign, bound = ("below minimum", ">=", least) if is_low else ("above maximum", "<=", most)
    # A number of 4,000 digits would come back as 4,000 digits, and one of 5,000 not at all.
    shown = str(value) if abs(value) < 10**18 else "a number of more than 18 digits"
    message = (
        f"Invalid '{param}': integer {side} value."
        f" Expected a value {sign} {bound}, but got {shown} instead."
    )
    code = f"integer_{'below_min' if is_low else 'above_max'}_value"
    return Refused(Failure(400, message, param=param, code=code))


def bad_role(param: str, role: str) -> Refused:
    message = f"Invalid value: '{safe(role)}'. Supported values are: {_ROLES}."
    return Refused(Failure(400, message, param=param, code="invalid_value"))


def too_long(tokens: int, tokens_max: int) -> Refused:
    message = (
        f"This model's maximum context length is {tokens_max} tokens. However, your messages"
        f" resulted in {tokens} tokens. Please reduce the length of the messages."
    )
    return Refused(Failure(400, message, param="messages", code="context_length_exceeded"))


def stream_options_alone() -> Refused:
    message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    return Refused(Failure(400, message, param="stream_options"))


def no_tools() -> Refused:
    message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed with 'tools'."
    return Refused(Failure(400, message, param="tool_choice"))


def no_such_tool(name: str) -> Refused:
    message = f"Tool choice '{safe(name)}' not found in 'tools' parameter."
    return Refused(Failure(400, message, param="tool_choice"))


def _type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal number"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"
