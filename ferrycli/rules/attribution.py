"""Whom a call belongs to: dimensions read from what it carries, under its key's policy.

Pure. What the key pins is believed first, then `X-Ferry-*`, the path, the body's `metadata`, other
systems' names in the order of their table, the key's default. Source: docs/attribution.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from urllib.parse import unquote

from msgspec import Struct, field

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import MissingAttribution
from ferrycli.rules.errors import BadPolicy
from ferrycli.rules.other_names import OTHER_ALIASES, OTHERS, PREFIXES, RANKS, Name

DIMENSIONS = ("tenant", "user", "assistant", "thread", "feature")
PRIORITIES = ("critical", "normal", "background")
POLICED = (*DIMENSIONS, "priority")
"""Dimensions for which a key may have a policy."""

ALIASES = {
    "agent": "assistant",
    "workflow": "assistant",
    "session": "thread",
    "conversation": "thread",
}
"""Other words for a dimension, in headers, paths and metadata alike."""

TAGS_MAX = 16
TAG_NAME_LENGTH_MAX = 64


def _own_headers() -> Iterable[Name]:
    for dimension in (*POLICED, "route"):
        yield Name("header", f"x-ferry-{dimension}", dimension, "header")
    for alias, dimension in ALIASES.items():
        yield Name("header", f"x-ferry-{alias}", dimension, "header")


OWN = tuple(_own_headers())
"""Ferry's own names of a single dimension, from the one that is believed first."""

HEADER_NAMES = frozenset(name.name for name in (*OWN, *OTHERS) if name.place == "header")
TAGS_HEADER = "x-ferry-tags"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a key says of one dimension."""

    mode: str = "allow"
    """`pin` (always `value`), `allow` (`value` where the call says nothing), `require`, `deny`."""
    value: str = ""

    @classmethod
    def of(cls, mode: str, value: str = "") -> Policy:
        """A checked policy. Raises `BadPolicy` for an unknown mode or a pin without a value."""
        cleaned = safe(value)
        if mode not in ("pin", "allow", "require", "deny") or (mode == "pin" and not cleaned):
            raise BadPolicy(f"{mode}={cleaned}" if cleaned else mode)
        return cls(mode, cleaned)


class Said(Struct, frozen=True):
    """One value that a call carries for a dimension, and where it stood."""

    dimension: str
    value: str
    source: str


class Attribution(Struct, frozen=True):
    """Whom a call belongs to. A missing dimension is the empty string."""

    tenant: str = ""
    user: str = ""
    assistant: str = ""
    thread: str = ""
    feature: str = ""
    priority: str = "normal"
    route: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    """Pairs of dimension and source, for those that have a value."""
    unread_priority: str = ""
    """What the call says of its priority, where that is none and would have counted."""


class Carried(Struct, frozen=True):
    """What a request says of itself, collected by place, before any policy."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; only `TAGS_HEADER`, those of `HEADER_NAMES` and those that begin as in
    `PREFIXES` are looked at."""
    path: str = ""
    """The part after `/@` of a path prefix, as it was sent: `tenant=a%2Cb,feature=search`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The body's `metadata`, where it maps text to text."""
    body: Mapping[str, str] = field(default_factory=dict)
    """Fields of the body that are in `OTHERS`: text, or JSON where it is no text."""
    event: Mapping[str, str] = field(default_factory=dict)
    """Dimensions that one event of a request names for itself, before what is said of all."""


def attribute(carried: Carried, policies: Mapping[str, Policy]) -> Attribution:
    """Whom the call belongs to under the key's `policies` (dimension to policy).

    `deny` ignores what the call says; `require` raises `MissingAttribution` where it says
    nothing. A priority that is none of `PRIORITIES` is read as `normal`.
    """
    said, tags, unread = _collect(carried)
    if unread and ("priority" in said or policies.get("priority", _ALLOW).mode in ("pin", "deny")):
        unread = ""
    values: dict[str, str] = {}
    sources: list[tuple[str, str]] = []
    for dimension in _DECIDED:
        if dimension in policies:
            value, source = _decide(dimension, policies[dimension], said.get(dimension))
        elif dimension in said:
            value, source = said[dimension]
        else:
            continue
        if value:
            values[dimension] = value
            sources.append((dimension, source))
    return Attribution(
        **values, tags=tuple(sorted(tags.items())), sources=tuple(sources), unread_priority=unread
    )


_ALLOW = Policy()
_DECIDED = (*POLICED, "route")

_DIMENSIONS_IN: dict[str, tuple[str, ...]] = {
    "tag": (),
    "path": (*POLICED, "route"),
    "metadata": DIMENSIONS,
}
"""The names that say a dimension in each kind of pairs, other systems' being like `metadata`;
every other name is a tag."""

_ALL_ALIASES = {**ALIASES, **OTHER_ALIASES}


def _decide(dimension: str, policy: Policy, said: tuple[str, str] | None) -> tuple[str, str]:
    if policy.mode == "pin":
        return policy.value, "key"
    if policy.mode != "deny" and said is not None:
        return said
    if policy.mode == "require":
        raise MissingAttribution(dimension, f"X-Ferry-{dimension.capitalize()}")
    if policy.value and policy.mode == "allow":
        return policy.value, "default"
    return "", ""


def _collect(carried: Carried) -> tuple[dict[str, tuple[str, str]], dict[str, str], str]:
    """Value and source of each dimension that is said; tags; a priority that is none."""
    tags: dict[str, str] = {}
    every = [Said(name, value, "event") for name, value in carried.event.items() if value]
    if carried.headers:
        every += [
            Said(name.dimension, value, name.source)
            for name in OWN
            if (value := carried.headers.get(name.name))
        ]
        _spread(pairs(carried.headers.get(TAGS_HEADER, "")), "tag", every, tags)
    if carried.path:
        # Parted first: a name may hold a comma that is written `%2C`.
        path = [(unquote(name), unquote(value)) for name, value in pairs(carried.path)]
        _spread(path, "path", every, tags)
    if carried.metadata:
        metadata = [pair for pair in carried.metadata.items() if pair[0] not in RANKS["metadata"]]
        _spread(metadata, "metadata", every, tags)
    if carried.headers or carried.body or carried.metadata:
        _read_others(carried, every, tags)
    said: dict[str, tuple[str, str]] = {}
    unread = ""
    for one in every:
        if one.dimension in said:
            continue
        value = safe(one.value)
        if one.dimension == "priority" and value not in PRIORITIES:
            unread = unread or value
        elif value:
            said[one.dimension] = (value, one.source)
    return said, tags, unread


def _read_others(carried: Carried, every: list[Said], tags: dict[str, str]) -> None:
    """What other systems' names say, behind everything that ferry's own do."""
    found = []
    for place, said in (
        ("header", carried.headers),
        ("body", carried.body),
        ("metadata", carried.metadata),
    ):
        for said_as, value in said.items():
            if (ranks := RANKS[place].get(said_as)) is not None:
                found += [(rank, said_as, value) for rank in ranks]
    for header, value in carried.headers.items():
        if header.startswith(PREFIXES):
            prefixes = RANKS["prefix"].items()
            found += [
                (rank[0], header, value) for name, rank in prefixes if header.startswith(name)
            ]
    for rank, said_as, value in sorted(found, key=itemgetter(0)):
        name = OTHERS[rank]
        if name.dimension:
            every.append(Said(name.dimension, value, name.source))
        else:
            _spread(name.members(said_as, value), name.source, every, tags)


def _spread(
    found: Iterable[tuple[str, str]], source: str, every: list[Said], tags: dict[str, str]
) -> None:
    """Put each pair where it belongs: a dimension's name to `every`, anything else to `tags`."""
    dimensions = _DIMENSIONS_IN.get(source, DIMENSIONS)
    aliases = ALIASES if source in _DIMENSIONS_IN else _ALL_ALIASES
    for raw_name, value in found:
        name = raw_name.lower().removeprefix("ferry_").removeprefix("ferry-")
        dimension = aliases.get(name, name)
        if dimension in dimensions:
            every.append(Said(dimension, value, source))
        elif len(tags) < TAGS_MAX and (tag := safe(raw_name, TAG_NAME_LENGTH_MAX)):
            tags.setdefault(tag, safe(value))


def pairs(text: str) -> Iterable[tuple[str, str]]:
    """`k=v,k2=v2` as pairs; a member without `=` is a name with the value `true`."""
    for member in text.split(","):
        name, equals, value = member.partition("=")
        if name.strip():
            yield name.strip(), value.strip() if equals else "true"
