"""The models that the simulated provider serves, and the real ones whose prices they borrow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimModel:
    """One simulated model. `name` is bare: callers say `sim/` in front of it."""

    name: str
    priced_as: tuple[str, str]
    """Provider and model of the catalogue, whose rates apply."""
    context_tokens_max: int
    output_tokens_max: int
    description: str
    reasons: bool = False
    """Thinks before it answers: billed tokens that nobody sees, and a later first token."""
    is_flaky: bool = False
    """Fails without being asked to, on about one request in six."""


MODELS = (
    SimModel(
        name="small",
        priced_as=("openai", "gpt-6-luna"),
        context_tokens_max=400_000,
        output_tokens_max=32_768,
        description="answers at once, at the price of a small model",
    ),
    SimModel(
        name="large",
        priced_as=("openai", "gpt-6-sol"),
        context_tokens_max=1_050_000,
        output_tokens_max=65_536,
        description="thinks first, at the price of a large model",
        reasons=True,
    ),
    SimModel(
        name="flaky",
        priced_as=("openai", "gpt-6-luna"),
        context_tokens_max=400_000,
        output_tokens_max=32_768,
        description="like small, but about one request in six fails",
        is_flaky=True,
    ),
)

PREFIX = "sim/"


def named(name: str) -> SimModel | None:
    """The model called `name`, with or without `sim/` in front; None if there is none."""
    bare = name.removeprefix(PREFIX)
    return next((model for model in MODELS if model.name == bare), None)
