"""A conversation in no dialect: what every dialect can be read into and written from.

A dialect's module reads its request into a `Talk` and writes one; it reads a reply into events and
writes a reply from them. So n dialects need n modules, not n times n. What one dialect says and
`Talk` cannot hold is refused by name when it is read; what `Talk` holds and the other dialect
cannot say, when it is written. Nothing is dropped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferrycli.rules.usage import Usage

CacheTtl = Literal["", "5m", "1h"]
"""How long a provider is asked to cache all up to here; empty: it is not asked."""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str
    cache: CacheTtl = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its bytes in base64, or where it is."""

    media_type: str = ""
    """`image/png`; empty where it is named by its address."""
    base64: str = ""
    url: str = ""
    detail: str = ""
    """OpenAI's `low high auto`; empty where nothing was said.

    A leave, not a wish: with `low` a model may look less closely, for less. Where every picture is
    seen alike it is left out, for nothing in the answer is lost by it.
    """
    cache: CacheTtl = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A file, such as a PDF: its bytes in base64, or where it is."""

    media_type: str = ""
    base64: str = ""
    url: str = ""
    name: str = ""
    cache: CacheTtl = ""


@dataclass(frozen=True, slots=True)
class Audio:
    """Speech, in base64."""

    format: str
    """`wav`, `mp3`."""
    base64: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """What a model said to itself."""

    text: str = ""
    signature: str = ""
    """The provider's seal; a thought without it is not taken back by its provider."""
    redacted: str = ""
    """The sealed thought, where its text is not shown."""
    maker: str = ""
    """Whose the seal is, as `seals.py` has it; empty where there is none."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants to be run."""

    id: str
    name: str
    arguments: str
    """A JSON object, as the model wrote it."""
    signature: str = ""
    """Gemini's `thoughtSignature` of the call; empty elsewhere."""
    cache: CacheTtl = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave."""

    id: str
    parts: tuple[Text | Image | Document, ...]
    name: str = ""
    """The tool's name, found by the call's id: Gemini knows results by name."""
    is_error: bool = False
    cache: CacheTtl = ""


@dataclass(frozen=True, slots=True)
class Instruction:
    """What the application tells the model in a user's turn, with the weight of a system prompt."""

    text: str
    cache: CacheTtl = ""


Part = Text | Image | Document | Audio | Thinking | ToolCall | ToolResult | Instruction


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said; neighbours of one side are joined by who needs turns to alternate."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the caller runs."""

    name: str
    description: str = ""
    schema: bytes = b""
    """The JSON schema of its arguments; empty: it takes none."""
    is_strict: bool | None = None
    cache: CacheTtl = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """A structured answer: JSON of a schema, or any JSON."""

    schema: bytes = b""
    """Empty: any JSON object."""
    name: str = ""
    description: str = ""
    is_strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How much a model shall think before it answers."""

    effort: str = ""
    """`none minimal low medium high xhigh max`; empty where a budget says it, or nothing does."""
    budget_tokens: int | None = None
    """Tokens of thought at the most; 0: it shall not think."""
    is_adaptive: bool = False
    """The model itself decides (Anthropic's `adaptive`)."""
    shows_thoughts: bool = False
    """The thoughts, or a summary of them, are asked for in the reply."""


@dataclass(frozen=True, slots=True)
class Talk:
    """One request."""

    model: str
    turns: tuple[Turn, ...]
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str = ""
    """`auto none required`, or `tool:NAME`; empty where nothing was said."""
    parallel_tools: bool | None = None
    is_stream: bool = False
    output_max: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    choices: int = 1
    shape: Shape | None = None
    reasoning: Reasoning | None = None
    user: str = ""
    """The end user as the provider is told of him."""
    tier: str = ""
    """The service tier asked for."""
    verbosity: str = ""
    """`low` or `high`: how long an answer the user wants; empty where nothing was said."""


# Events of a reply --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The reply begins. First, once."""

    id: str
    model: str
    has_counted_input: bool = False
    """Whether the provider has said by now what the input comes to, as Anthropic and Gemini do."""
    input_usage: Usage | None = None
    """What it comes to, from the provider's own reader; None: nothing is known before the end."""


@dataclass(frozen=True, slots=True)
class Said:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """More text of a refusal to answer (OpenAI's `refusal`)."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """More of what the model says to itself, its seal, or a sealed thought.

    A seal comes whole, and ends its thought: whatever follows is another.
    """

    text: str = ""
    signature: str = ""
    redacted: str = ""
    maker: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call begins; pieces of its arguments follow."""

    id: str
    name: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Argued:
    """More of the arguments of the tool call that began last."""

    json: str


Reason = Literal["stop", "length", "tool_calls", "content_filter", "stop_sequence"]
"""Why a model has ended."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The model has ended."""

    reason: Reason
    stop_sequence: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the provider counted, once, after `Finished`."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Broken:
    """An error inside a reply."""

    code: str
    message: str


Event = Started | Said | Refused | Thought | Called | Argued | Finished | Counted | Broken
