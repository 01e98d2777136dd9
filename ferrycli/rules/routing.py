"""Which target the name of a model means.

Pure: which provider serves what is handed in. What a route's name means is in `rules/choices.py`.
Source: docs/routes.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from msgspec import Struct

from ferrycli.rules.denials import ModelNotFound
from ferrycli.rules.keys import KeyTerms


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """A configured provider as routing sees it."""

    name: str
    kind: str
    models: tuple[str, ...] = ()
    """Globs that the operator listed; none: what the catalogue knows of this kind."""


class Target(Struct, frozen=True):
    """One provider and the model name that it is sent."""

    provider: str
    kind: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


NEAREST_MAX = 3


def find_target(
    asked: str,
    providers: Sequence[ProviderTerms],
    serves: Callable[[ProviderTerms, str], bool],
    names: Callable[[], Sequence[str]],
) -> Target:
    """The target that `asked` names: `provider/model`, or a bare model that one provider serves.

    `serves`: whether the catalogue knows the model under that provider. `names`: names to suggest.
    A bare name goes to a provider that lists it, then to one whose catalogue knows it, then to
    the only configured one. Raises `ModelNotFound` with the nearest names.
    """
    prefix, slash, rest = asked.partition("/")
    if slash and rest:
        for provider in providers:
            if provider.name == prefix and accepts(provider, rest):
                return Target(provider.name, provider.kind, rest)
    listing = [one for one in providers if one.models and accepts(one, asked)]
    serving = listing or [one for one in providers if not one.models and serves(one, asked)]
    real = [one for one in providers if one.kind != "sim"]
    if not serving and len(real) == 1 and not real[0].models and real[0].kind != "openai":
        serving = real
    if len(serving) == 1:
        return Target(serving[0].name, serving[0].kind, asked)
    if serving:
        raise ModelNotFound(asked, providers=tuple(one.name for one in serving))
    raise ModelNotFound(asked, nearest=nearest_names(asked, names()))


def accepts(provider: ProviderTerms, model: str) -> bool:
    """Whether the operator lists `model` for it, or lists none at all."""
    return not provider.models or any(fnmatchcase(model, glob) for glob in provider.models)


def nearest_names(asked: str, known: Sequence[str]) -> tuple[str, ...]:
    """Up to `NEAREST_MAX` of `known` to suggest instead of `asked`."""
    return tuple(get_close_matches(asked, known, NEAREST_MAX, 0.5) or known[:NEAREST_MAX])


def allowed(key: KeyTerms, target: Target) -> Target:
    """`target` if the key may use it. Raises `ModelNotAllowed`."""
    key.check_model(target.provider, target.model)
    return target
