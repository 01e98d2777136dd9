"""A model that can be called: where it is, what it costs, and what leads to it. Values alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model at one provider; rates in nano-dollars per million tokens, None for no price."""

    provider: str
    model: str
    """As the provider is asked for it."""
    region: str = ""
    """Where it answers; empty where nothing says so."""
    input_rate: int | None = None
    cache_read_rate: int | None = None
    output_rate: int | None = None
    context_tokens_max: int | None = None
    output_tokens_max: int | None = None
    is_incomplete: bool = False
    """The provider also bills something that the price cannot say."""
    version: str = ""
    """Where the price comes from: `genai-prices 0.2.3`; empty for no price."""
    source: str = ""
    """`catalogue`, `overlay` or `override`; empty for no price."""
    routes: tuple[str, ...] = ()
    """Routes that have it among their targets."""

    @property
    def id(self) -> str:
        """What calls ask for: `provider/model`."""
        return f"{self.provider}/{self.model}"
