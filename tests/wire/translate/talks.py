"""Conversations drawn at random: such as most dialects can say, so that each can carry all of it.

Turns alternate and begin and end with the user's; every tool call is answered in the turn after.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from ferrycli.wire.translate.chat.parts import FAILED_TOOL
from ferrycli.wire.translate.seals import ANTHROPIC
from ferrycli.wire.translate.talk import (
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
from tests.wire.written import OBJECTS, RANDOMS, written

OUTPUT_MAX = 50_000
TOOL_NAMES = ("get_capital", "look-up", "f")
SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: text != FAILED_TOOL
)
BASE64 = st.binary(min_size=1, max_size=9).map(lambda data: b64encode(data).decode())
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is drawn beside text, pictures and tools: what not every dialect has."""

    has_caches: bool = True
    has_thoughts: bool = True
    has_documents: bool = True
    has_urls: bool = True


ALL = Ground()


@st.composite
def _json(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> str:
    """JSON written oddly, but for white space around it."""
    random: Random = draw(RANDOMS)
    return written(draw(values), random).decode().strip()


ARGUMENTS = _json(OBJECTS)
SCHEMAS = _json(OBJECTS.filter(bool)).map(str.encode)


def _caches(ground: Ground) -> st.SearchStrategy[CacheTtl]:
    ttls: list[CacheTtl] = ["", "", "5m", "1h"]
    return st.sampled_from(ttls) if ground.has_caches else st.just("")


def texts(ground: Ground = ALL) -> st.SearchStrategy[Text]:
    return st.builds(Text, SAID, _caches(ground))


@st.composite
def images(draw: st.DrawFn, ground: Ground = ALL) -> Image:
    cache = draw(_caches(ground))
    if ground.has_urls and draw(st.booleans()):
        return Image(url="https://pictures.example/" + draw(IDS), cache=cache)
    media_type = draw(st.sampled_from(["image/png", "image/jpeg", "image/webp"]))
    return Image(media_type, draw(BASE64), cache=cache)


@st.composite
def documents(draw: st.DrawFn, ground: Ground = ALL) -> Document:
    name, cache = draw(SAID), draw(_caches(ground))
    if ground.has_urls and draw(st.booleans()):
        return Document(url="https://files.example/" + draw(IDS), name=name, cache=cache)
    return Document("application/pdf", draw(BASE64), name=name, cache=cache)


def thoughts() -> st.SearchStrategy[Thinking]:
    """Claude's, sealed: no other is taken back by its provider."""
    made_by = st.just(ANTHROPIC)
    shown = st.builds(Thinking, st.just("") | SAID, SAID, maker=made_by)
    return shown | st.builds(Thinking, redacted=SAID, maker=made_by)


def _shown(ground: Ground) -> st.SearchStrategy[Part]:
    kinds: list[st.SearchStrategy[Part]] = [texts(ground), images(ground)]
    if ground.has_documents:
        kinds.append(documents(ground))
    return st.one_of(kinds)


@st.composite
def _results(draw: st.DrawFn, calls: list[ToolCall], ground: Ground) -> list[Part]:
    return [
        ToolResult(
            call.id,
            tuple(draw(st.lists(SAID.map(Text), max_size=2))),
            call.name,
            draw(st.booleans()),
            draw(_caches(ground)),
        )
        for call in calls
    ]


@st.composite
def _assistant(draw: st.DrawFn, tools: list[str], ids: list[str], ground: Ground) -> list[Part]:
    parts: list[Part] = []
    if ground.has_thoughts:
        parts += draw(st.lists(thoughts(), max_size=2))
    said = st.builds(Text, SAID, _caches(ground))
    parts += draw(st.lists(said, min_size=1, max_size=2 if ground.has_caches else 1))
    calls = draw(st.integers(0, min(2, len(ids)))) if tools else 0
    for _ in range(calls):
        if ground.has_thoughts and draw(st.booleans()):
            parts.append(draw(thoughts()))
        name = draw(st.sampled_from(tools))
        parts.append(ToolCall(ids.pop(), name, draw(ARGUMENTS), cache=draw(_caches(ground))))
    return parts


@st.composite
def turns(draw: st.DrawFn, tools: list[str], ground: Ground = ALL) -> tuple[Turn, ...]:
    """An odd number of turns."""
    ids = draw(st.lists(IDS, min_size=6, max_size=6, unique=True))
    found = [Turn("user", tuple(draw(st.lists(_shown(ground), min_size=1, max_size=3))))]
    for _ in range(draw(st.integers(0, 3))):
        answer = draw(_assistant(tools, ids, ground))
        found.append(Turn("assistant", tuple(answer)))
        calls = [part for part in answer if isinstance(part, ToolCall)]
        next_parts = draw(_results(calls, ground))
        next_parts += draw(st.lists(_shown(ground), min_size=0 if calls else 1, max_size=2))
        found.append(Turn("user", tuple(next_parts)))
    return tuple(found)


def _tools(ground: Ground) -> st.SearchStrategy[list[Tool]]:
    drawn = st.builds(
        Tool,
        st.sampled_from(TOOL_NAMES),
        st.just("") | SAID,
        st.just(b"") | SCHEMAS,
        st.none() | st.booleans(),
        _caches(ground),
    )
    return st.lists(drawn, max_size=3, unique_by=lambda tool: tool.name)


@st.composite
def talks(draw: st.DrawFn, ground: Ground = ALL) -> Talk:
    """A request, whole: sampling is in the ranges that all dialects take."""
    tools = draw(_tools(ground))
    names = [tool.name for tool in tools]
    choices = ["auto", "none", "required", *(f"tool:{name}" for name in names)]
    tool_choice = draw(st.sampled_from(choices)) if tools else ""
    is_plural = draw(st.none() | st.booleans()) if tools and tool_choice != "none" else None
    shares = st.none() | st.integers(0, 4).map(lambda quarter: quarter / 4)
    efforts = st.sampled_from(["none", "low", "medium", "high"]).map(Reasoning)
    return Talk(
        model="claude-sonnet-5",
        turns=draw(turns(names, ground)),
        system=tuple(draw(st.lists(texts(ground), max_size=2))),
        tools=tuple(tools),
        tool_choice=tool_choice,
        parallel_tools=is_plural,
        is_stream=draw(st.booleans()),
        output_max=draw(st.integers(1, OUTPUT_MAX)),
        stop=tuple(draw(st.lists(SAID, max_size=3))),
        temperature=draw(shares),
        top_p=draw(shares),
        shape=draw(
            st.none() | st.builds(Shape, SCHEMAS, st.just("answer"), is_strict=st.just(True))
        ),
        reasoning=draw(st.none() | efforts),
        user=draw(st.just("") | SAID),
        tier=draw(st.sampled_from(["", "auto", "default"])),
    )
