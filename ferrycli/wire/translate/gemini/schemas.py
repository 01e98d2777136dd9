"""Google's own form of a schema into JSON Schema: `OBJECT` is `object`, `nullable` is a type.

Source: https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

_COUNTS = frozenset(
    "minItems maxItems minProperties maxProperties minLength maxLength".split(),
)
"""Written as text by Google's SDKs, for they are 64 bits wide."""
_INNER = frozenset({"items"})
_LISTS = frozenset({"anyOf", "prefixItems"})
_NAMED = frozenset({"properties", "defs", "$defs"})
_RENAMED = MappingProxyType({"defs": "$defs", "ref": "$ref", "example": "examples"})
_DEPTH_MAX = 64


def json_schema(raw: bytes) -> bytes:
    """`raw` as JSON Schema; what is one already stays as it means.

    Raises `ValueError` where it is nested too deeply, and `msgspec.DecodeError`.
    """
    return msgspec.json.encode(_converted(msgspec.json.decode(raw), _DEPTH_MAX))


def _converted(schema: object, depth: int) -> object:
    if depth == 0:
        raise ValueError
    if not isinstance(schema, dict):
        return schema
    found: dict[str, object] = {}
    for name, value in schema.items():
        inner = value
        if name in _INNER:
            inner = _converted(value, depth - 1)
        elif name in _LISTS and isinstance(value, list):
            inner = [_converted(one, depth - 1) for one in value]
        elif name in _NAMED and isinstance(value, dict):
            inner = {key: _converted(one, depth - 1) for key, one in value.items()}
        elif name in _COUNTS and isinstance(value, str) and value.isdecimal():
            inner = int(value)
        elif name == "type" and isinstance(value, str):
            inner = value.lower()
        found[_RENAMED.get(name, name)] = [inner] if name == "example" else inner
    found.pop("propertyOrdering", None)
    if found.get("type") == "type_unspecified":
        del found["type"]
    if found.pop("nullable", False) is True:
        _allow_null(found)
    return found


def _allow_null(schema: dict[str, object]) -> None:
    """Let `schema` take null beside what it takes."""
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(values := schema.get("enum"), list):
            schema["enum"] = [*values, None]
    elif isinstance(kinds := schema.get("anyOf"), list):
        schema["anyOf"] = [*kinds, {"type": "null"}]
