"""A `Talk` written as a request of Gemini's generateContent.

What Gemini has no words for is refused by name, but for this: it caches by itself, so marks of
what to cache are left out; the end user, and the names of files and of an answer's schema, are
labels that change no answer; a schema of an answer is kept to whether or not it is strict.
Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec

from ferrycli.rules.denials import Untranslatable
from ferrycli.wire.translate.efforts import EFFORT_BUDGETS
from ferrycli.wire.translate.gemini.parts import is_old, request_parts, said
from ferrycli.wire.translate.lengths import in_words
from ferrycli.wire.translate.talk import Reasoning, Shape, Talk, Tool
from ferrycli.wire.translate.turns import joined, with_tool_names

Json = dict[str, Any]

LEVELS = frozenset({"minimal", "low", "medium", "high", "xhigh"})
"""Efforts that are levels of thought too."""
_TIERS = MappingProxyType(
    {
        "": None,
        "auto": None,
        "default": "standard",
        "standard": "standard",
        "standard_only": "standard",
        "flex": "flex",
        "priority": "priority",
    }
)
_MODES = MappingProxyType({"": "AUTO", "auto": "AUTO", "required": "ANY", "none": "NONE"})


def write_request(talk: Talk) -> bytes:
    """The body. `talk.model` is the model at the provider: it decides how thought is asked for.

    Raises `Untranslatable`.
    """
    _refuse_unsayable(talk)
    talk = in_words(talk)
    tools = [{"functionDeclarations": [_tool(tool) for tool in talk.tools]}]
    body = {
        "systemInstruction": {"parts": [{"text": one.text} for one in talk.system]}
        if talk.system
        else None,
        "contents": [
            {"role": "model" if turn.role == "assistant" else "user", "parts": parts}
            for turn in joined(with_tool_names(talk).turns)
            if (parts := request_parts(turn.parts, talk.model))
        ],
        "tools": tools if talk.tools else None,
        "toolConfig": _tool_config(talk),
        "generationConfig": _config(talk) or None,
        "serviceTier": _TIERS[talk.tier],
    }
    return msgspec.json.encode(said(body))


def _refuse_unsayable(talk: Talk) -> None:
    if talk.tools and talk.parallel_tools is False:
        raise Untranslatable("parallel_tools", "Gemini cannot be kept to one call at once")
    if talk.choices > 1:
        raise Untranslatable("choices", "of several answers only one can be carried back")
    if talk.tier not in _TIERS:
        raise Untranslatable("tier", "Gemini has no such tier")
    if talk.shape is not None and talk.shape.description:
        raise Untranslatable("shape.description", "Gemini takes a schema alone")


def _tool(tool: Tool) -> Json:
    schema = msgspec.Raw(tool.schema) if tool.schema else None
    description = tool.description or None
    return said(
        {"name": tool.name, "description": description, "parametersJsonSchema": schema},
    )


def _tool_config(talk: Talk) -> Json | None:
    """Which tool is to be called. In the mode `VALIDATED` a free choice keeps to the schemas."""
    choice = talk.tool_choice
    if choice.startswith("tool:"):
        calling: Json = {"mode": "ANY", "allowedFunctionNames": [choice.removeprefix("tool:")]}
    elif choice in ("", "auto") and any(tool.is_strict for tool in talk.tools):
        calling = {"mode": "VALIDATED"}
    elif choice:
        calling = {"mode": _MODES[choice]}
    else:
        return None
    return {"functionCallingConfig": calling}


def _config(talk: Talk) -> Json:
    config = {
        "maxOutputTokens": talk.output_max,
        "stopSequences": talk.stop or None,
        "temperature": talk.temperature,
        "topP": talk.top_p,
        "topK": talk.top_k,
        "frequencyPenalty": talk.frequency_penalty,
        "presencePenalty": talk.presence_penalty,
        "seed": talk.seed,
        "thinkingConfig": _thinking(talk.reasoning, talk.model) or None,
    }
    return said(config) | _shape(talk.shape)


def _shape(shape: Shape | None) -> Json:
    if shape is None:
        return {}
    schema = {"responseJsonSchema": msgspec.Raw(shape.schema)} if shape.schema else {}
    return {"responseMimeType": "application/json", **schema}


def _thinking(reasoning: Reasoning | None, model: str) -> Json:
    """How much the model shall think: a level or a budget, for Gemini takes not both."""
    if reasoning is None:
        return {}
    config: Json = {"includeThoughts": True} if reasoning.shows_thoughts else {}
    effort, budget = reasoning.effort, reasoning.budget_tokens
    if budget is None and effort == "none":
        budget = 0
    if budget is None and effort and is_old(model):
        budget = EFFORT_BUDGETS[effort]
    if budget is None and reasoning.is_adaptive and not effort:
        # The model itself decides.
        budget = -1
    if budget is not None:
        return config | {"thinkingBudget": budget}
    if effort and effort not in LEVELS:
        raise Untranslatable("reasoning", f"Gemini knows no effort `{effort}`")
    return config | ({"thinkingLevel": effort.upper()} if effort else {})
