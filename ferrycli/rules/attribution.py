"""Whom a call belongs to: dimensions read from what it carries, under its key's policy.

Pure. Sources are tried in the order of `SOURCES`; within one source the first name in `NAMES`
wins. Source: docs/attribution.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from ferrycli.rules.clean import safe
from ferrycli.rules.denials import MissingAttribution
from ferrycli.rules.errors import BadPolicy

DIMENSIONS = ("tenant", "user", "assistant", "thread", "feature")
PRIORITIES = ("critical", "normal", "background")
POLICED = (*DIMENSIONS, "priority")
"""Dimensions for which a key may have a policy."""

SOURCES = ("key", "header", "path", "metadata", "foreign", "client", "default")
"""From the one that is believed first: what the key pins, `X-Ferry-*`, the path, the body's
`metadata`, other systems' names, what clients send by themselves, the key's default."""

ALIASES = {
    "agent": "assistant",
    "workflow": "assistant",
    "session": "thread",
    "conversation": "thread",
}
"""Other words for a dimension, in headers, paths and metadata alike."""

TAGS_MAX = 16
TAG_NAME_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Name:
    """One place where a client may say a dimension."""

    place: str
    """`header` (lower case), or `body` (a field of the request)."""
    name: str
    dimension: str
    source: str


def _own_headers() -> Iterable[Name]:
    for dimension in (*POLICED, "route"):
        yield Name("header", f"x-ferry-{dimension}", dimension, "header")
    for alias, dimension in ALIASES.items():
        yield Name("header", f"x-ferry-{alias}", dimension, "header")


NAMES: tuple[Name, ...] = (
    *_own_headers(),
    Name("body", "user", "user", "foreign"),
    Name("body", "safety_identifier", "user", "foreign"),
)
"""Every single-valued name that is read. Another system's names are further rows."""

HEADER_NAMES = {name.name: name for name in NAMES if name.place == "header"}
BODY_NAMES = {name.name: name for name in NAMES if name.place == "body"}
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


@dataclass(frozen=True, slots=True)
class Said:
    """One value that a call carries for a dimension, and where it stood."""

    dimension: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Attribution:
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


@dataclass(frozen=True, slots=True)
class Carried:
    """What a request says of itself, collected by place, before any policy."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; only names of `HEADER_NAMES` and `TAGS_HEADER` are looked at."""
    path: str = ""
    """The part after `/@` of a path prefix, as it was sent: `tenant=a%2Cb,feature=search`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The body's `metadata`, where it maps text to text."""
    body: Mapping[str, str] = field(default_factory=dict)
    """Single fields of the body that are in `BODY_NAMES`."""


def attribute(carried: Carried, policies: Mapping[str, Policy]) -> Attribution:
    """Whom the call belongs to under the key's `policies` (dimension to policy).

    `deny` ignores what the call says; `require` raises `MissingAttribution` where it says
    nothing. A priority that is none of `PRIORITIES` is read as `normal`.
    """
    said, tags, unread = _collect(carried)
    if "priority" in said or policies.get("priority", _ALLOW).mode in ("pin", "deny"):
        unread = ""
    values: dict[str, str] = {}
    sources: list[tuple[str, str]] = []
    for dimension in (*POLICED, "route"):
        policy = policies.get(dimension, _ALLOW)
        value, source = _decide(dimension, policy, said.get(dimension))
        if value:
            values[dimension] = value
            sources.append((dimension, source))
    return Attribution(
        **values, tags=_bounded(tags), sources=tuple(sources), unread_priority=unread
    )


_ALLOW = Policy()

_DIMENSIONS_IN: dict[str, tuple[str, ...]] = {
    "tag": (),
    "path": (*POLICED, "route"),
    "metadata": DIMENSIONS,
}
"""The names that say a dimension in each kind of pairs; every other name is a tag."""


def _decide(dimension: str, policy: Policy, said: Said | None) -> tuple[str, str]:
    if policy.mode == "pin":
        return policy.value, "key"
    if policy.mode != "deny" and said is not None:
        return said.value, said.source
    if policy.mode == "require":
        raise MissingAttribution(dimension, f"X-Ferry-{dimension.capitalize()}")
    if policy.value and policy.mode == "allow":
        return policy.value, "default"
    return "", ""


def _collect(carried: Carried) -> tuple[dict[str, Said], dict[str, str], str]:
    """What is said of each dimension, tags, and a priority that is none."""
    every: list[Said] = []
    tags: dict[str, str] = {}
    for header, name in HEADER_NAMES.items():
        if value := carried.headers.get(header):
            every.append(Said(name.dimension, value, name.source))
    _spread(pairs(carried.headers.get(TAGS_HEADER, "")), "tag", every, tags)
    # Parted first: a name may hold a comma that is written `%2C`.
    path = [(unquote(name), unquote(value)) for name, value in pairs(carried.path)]
    _spread(path, "path", every, tags)
    _spread(carried.metadata.items(), "metadata", every, tags)
    for field_name, name in BODY_NAMES.items():
        if value := carried.body.get(field_name):
            every.append(Said(name.dimension, value, name.source))
    said: dict[str, Said] = {}
    unread = ""
    for one in sorted(every, key=lambda one: SOURCES.index(one.source)):
        value = safe(one.value)
        if one.dimension == "priority" and value not in PRIORITIES:
            unread = unread or value
            continue
        if value:
            said.setdefault(one.dimension, Said(one.dimension, value, one.source))
    return said, tags, unread


def _spread(
    found: Iterable[tuple[str, str]], source: str, every: list[Said], tags: dict[str, str]
) -> None:
    """Put each pair where it belongs: a dimension's name to `every`, anything else to `tags`."""
    for raw_name, value in found:
        name = raw_name.lower().removeprefix("ferry_").removeprefix("ferry-")
        dimension = ALIASES.get(name, name)
        if dimension in _DIMENSIONS_IN[source]:
            every.append(Said(dimension, value, source))
        elif tag := safe(raw_name, TAG_NAME_LENGTH_MAX):
            tags.setdefault(tag, safe(value))


def pairs(text: str) -> Iterable[tuple[str, str]]:
    """`k=v,k2=v2` as pairs; a member without `=` is a name with the value `true`."""
    for member in text.split(","):
        name, equals, value = member.partition("=")
        if name.strip():
            yield name.strip(), value.strip() if equals else "true"


def _bounded(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tags.items())[:TAGS_MAX])
