"""`reasoning_details`, in which OpenRouter has thoughts, each with the form of its seal.

The form says whose a seal is: OpenRouter gives every maker its own back. Seals that did not come
through OpenRouter, but for Claude's, which are good everywhere, are marked for clients of chat too.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ferrycli.wire.translate import seals
from ferrycli.wire.translate.talk import Thinking

_MAKERS = MappingProxyType({"anthropic-claude-v1": seals.ANTHROPIC})
"""Makers by the form of their seals; any other form is a maker by itself."""
_FORMS = MappingProxyType({maker: form for form, maker in _MAKERS.items()})
FORM_UNSAID = "unknown"
_NOT_OF_OPENROUTER = (seals.GOOGLE, seals.OPENAI)


def is_of_openrouter(maker: str) -> bool:
    """Whether OpenRouter knows the seals of this maker."""
    return maker not in _NOT_OF_OPENROUTER


def is_taken_back(thought: Thinking, model: str) -> bool:
    """Whether a thought may go to OpenRouter for this model."""
    maker = thought.maker
    if maker == seals.ANTHROPIC:
        return seals.is_claude(model)
    if maker in ("", FORM_UNSAID):
        return not (maker and seals.is_claude(model))
    # `x-ai/grok-5` takes `xai-responses-v1`, `openai/gpt-5` also `azure-openai-responses-v1`.
    vendor = model.partition("/")[0].replace("-", "")
    return is_of_openrouter(maker) and vendor in maker.split("-")


def written(thought: Thinking, place: int) -> dict[str, Any]:
    """One detail; `index` is the thought's place in its turn.

    The form stands beside the seal alone: clients put the pieces of one thought together.
    """
    seal = thought.redacted or thought.signature
    form = {"format": _FORMS.get(thought.maker, thought.maker)} if seal else {}
    is_own = is_of_openrouter(thought.maker)
    if not is_own:
        form = {}
    if thought.redacted:
        data = seals.told("redacted", thought.maker, seal, is_own=is_own)
        return {"type": "reasoning.encrypted", "data": data, "index": place, **form}
    detail: dict[str, Any] = {"type": "reasoning.text", "text": thought.text, "index": place}
    if seal:
        detail["signature"] = seals.told("signature", thought.maker, seal, is_own=is_own)
    return detail | form


def read(text: str, signature: str, data: str, form: str) -> Thinking:
    """The thought that a detail holds."""
    maker = _MAKERS.get(form, form or FORM_UNSAID)
    if data:
        return seals.read(data, "redacted", maker).thinking(text)
    return seals.read(signature, "signature", maker).thinking(text)
