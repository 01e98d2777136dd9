"""ferry: an LLM gateway that attributes every call, holds budgets and says who spent what."""

__version__ = "0.1.0"
