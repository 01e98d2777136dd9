"""What OpenAI's two dialects have in common: which tool is to be called, and shapes of answers."""

from __future__ import annotations

from typing import Any

import msgspec

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.talk import Shape

SHAPE_NAME_UNSAID = "answer"
FILE_NAME_UNSAID = "document"
"""OpenAI takes neither a schema nor a file without a name."""


def read_choice_word(asked: Asked) -> str:
    """`auto`, `none` or `required`; empty where a function is named, or nothing is said."""
    if not asked.is_text("tool_choice"):
        return ""
    choice = asked.text("tool_choice")
    if choice not in ("auto", "none", "required"):
        wanted = "`auto`, `none`, `required` or a function"
        raise BadParameter(asked.at("tool_choice"), choice[:40], wanted)
    return choice


def read_schema(asked: Asked) -> Shape:
    """The schema of an answer, with its name and whether it is strict."""
    return Shape(
        asked.raw("schema"),
        asked.needed_text("name"),
        asked.text("description"),
        asked.truth("strict"),
    )


def written_schema(shape: Shape) -> dict[str, Any]:
    """As `read_schema` reads it."""
    written: dict[str, Any] = {"name": shape.name or SHAPE_NAME_UNSAID}
    if shape.description:
        written["description"] = shape.description
    written["schema"] = msgspec.Raw(shape.schema)
    if shape.is_strict is not None:
        written["strict"] = shape.is_strict
    return written
