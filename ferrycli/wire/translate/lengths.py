"""How long an answer is wanted: OpenAI's `verbosity`, which no other dialect has.

Codex CLI sends it with every request to some models, so that refusing it would refuse Codex. OpenAI
describes it as a default that the prompt may overrule: elsewhere it is said there, in words.
Source: https://platform.openai.com/docs/guides/latest-model, "Verbosity"
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.translate.asked import Asked
from ferrycli.wire.translate.talk import Talk, Text

WORDS = MappingProxyType(
    {
        "low": "Keep answers short unless you are asked for more.",
        "high": "Give answers in full detail unless you are asked for less.",
    }
)
UNSAID = "medium"


def read_verbosity(asked: Asked) -> str:
    """As `Talk.verbosity`; `medium` is what is so anyway."""
    verbosity = asked.text("verbosity")
    if verbosity and verbosity != UNSAID and verbosity not in WORDS:
        raise BadParameter(asked.at("verbosity"), verbosity[:40], "`low`, `medium` or `high`")
    return "" if verbosity == UNSAID else verbosity


def in_words(talk: Talk) -> Talk:
    """`talk` with the length that is wanted as the last words of its system prompt."""
    if not talk.verbosity:
        return talk
    return replace(talk, system=(*talk.system, Text(WORDS[talk.verbosity])), verbosity="")
