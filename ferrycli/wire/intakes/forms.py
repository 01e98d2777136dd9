"""Forms (`multipart/form-data`): where their fields stand, without a change to any byte.

Read strictly, by the boundary that the header names: what two readers could take for different
fields is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.splice import Member

PARTS_MAX = 256
HEADERS_BYTES_MAX = 4_096
"""Of one part."""

_FORM = re.compile(r"\s*multipart/form-data\s*(?:;|$)", re.IGNORECASE)
_BOUNDARY = re.compile(
    r""";\s*boundary=(?:"([0-9A-Za-z'()+_,./:=? -]{1,70})"|([0-9A-Za-z'+_.-]{1,70}))\s*(?=;|$)""",
    re.IGNORECASE,
)
_DISPOSITION = re.compile(rb"content-disposition[ \t]*:[ \t]*", re.IGNORECASE)
_PLAIN_HEADER = re.compile(
    rb"(?!content-transfer-encoding[ \t]*:[ \t]*(?:base64|quoted-printable))"
    rb"[^\s:]+[ \t]*:[^\r\n]*\Z",
    re.IGNORECASE,
)
_FORM_DATA = re.compile(
    rb'form-data((?:[ \t]*;[ \t]*[a-z*]+=(?:"[^"\\\r\n]*"|[^"\\;\s]+))+)[ \t]*', re.IGNORECASE
)
_PARAMETER = re.compile(rb';[ \t]*([a-z*]+)=(?:"([^"\\\r\n]*)"|([^"\\;\s]+))', re.IGNORECASE)
_WANTED = "a form that is written plainly"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form, and where its value stands."""

    member: Member
    is_file: bool


def form_boundary(content_type: str) -> bytes | None:
    """What parts the fields of a form; None where the header says that the body is none.

    Raises `BadParameter` for a form without a boundary, or with two.
    """
    if not _FORM.match(content_type):
        return None
    found = _BOUNDARY.findall(content_type)
    if len(found) != 1 or content_type.lower().count("boundary") != 1:
        raise BadParameter("Content-Type", "no boundary", "one `boundary` of the form")
    return ("".join(found[0])).encode()


def fields_in(body: bytes, boundary: bytes) -> list[Field]:
    """The fields of a form, in order. Raises `BadParameter` for what is no form."""
    mark = b"--" + boundary
    if not body.startswith(mark + b"\r\n"):
        raise BadParameter("body", "no form", _WANTED)
    # Lenient readers take a line that ends in LF alone.
    if body.count(b"\n" + mark) != body.count(b"\r\n" + mark):
        raise BadParameter("body", "a line that ends in LF alone", _WANTED)
    fields: list[Field] = []
    start = len(mark) + 2
    while True:
        end = body.find(b"\r\n" + mark, start)
        if end < 0 or len(fields) >= PARTS_MAX:
            raise BadParameter("body", "no end" if end < 0 else "too many fields", _WANTED)
        fields.append(_field(body, start, end))
        after = end + 2 + len(mark)
        if body[after : after + 2] == b"--":
            if body[after + 2 :].strip(b"\r\n"):
                raise BadParameter("body", "something after its end", _WANTED)
            return fields
        if body[after : after + 2] != b"\r\n":
            raise BadParameter("body", "a boundary inside a line", _WANTED)
        start = after + 2


def _field(body: bytes, start: int, end: int) -> Field:
    head_end = body.find(b"\r\n\r\n", start, min(end, start + HEADERS_BYTES_MAX))
    if head_end < 0:
        raise BadParameter("body", "a field without headers", _WANTED)
    name, is_file = _named(body[start:head_end])
    return Field(Member(name, head_end + 4, end), is_file)


def _named(head: bytes) -> tuple[str, bool]:
    """The field's name, and whether it is a file."""
    lines = head.split(b"\r\n")
    said = [line for line in lines if _DISPOSITION.match(line)]
    if len(said) != 1 or not all(_PLAIN_HEADER.match(line) for line in lines):
        raise BadParameter("body", "a field without a name", _WANTED)
    value = _DISPOSITION.sub(b"", said[0], count=1)
    matched = _FORM_DATA.fullmatch(value)
    pairs = _PARAMETER.findall(matched[1]) if matched else []
    found = {name.lower(): quoted or plain for name, quoted, plain in pairs}
    if len(found) != len(pairs) or b"name" not in found or b"name*" in found:
        raise BadParameter("body", "a field without a name", _WANTED)
    try:
        name = found[b"name"].decode()
    except UnicodeDecodeError:
        raise BadParameter("body", "a name that is no UTF-8", _WANTED) from None
    return name, b"filename" in found or b"filename*" in found
