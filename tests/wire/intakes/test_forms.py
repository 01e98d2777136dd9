"""Forms: the model is read out of them and set in them, and no other byte is touched."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import BadParameter
from ferrycli.wire.dialect import Place, Sent
from ferrycli.wire.dialects import DIALECTS
from ferrycli.wire.facts import Facts
from ferrycli.wire.intakes.forms import HEADERS_BYTES_MAX, PARTS_MAX, fields_in, form_boundary

MARK = "----x1"
TYPE = f"multipart/form-data; boundary={MARK}"
PLAIN = DIALECTS["plain"]
FILE = b'RIFF\x00\xff\r\n\r\n--no\r\nname="model"\r\n\r\n' * 3


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{MARK}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def file(name: str = "file") -> bytes:
    return part(name, FILE, '; filename="a.wav"\r\nContent-Type: audio/wav')


def form(*parts: bytes, end: str = f"--{MARK}--\r\n") -> bytes:
    return b"".join(parts) + end.encode()


def read(body: bytes, content_type: str = TYPE) -> Facts:
    return PLAIN.read(body, Place(content_type=content_type), b"salt")


FORM = form(file(), part("model", b"whisper-1"), part("user", b"u"), part("stream", b"true"))


def test_a_form_is_read() -> None:
    got = read(FORM)
    assert (got.model, got.is_stream, got.is_form) == ("whisper-1", True, True)
    assert got.fields == {"user": "u"}
    assert (got.input_bound, got.unbounded_field, got.output_asked) == (None, "model", None)
    assert got.fingerprints.request_bytes == len(FORM)


def test_the_model_is_set_and_nothing_else() -> None:
    got = read(FORM)
    assert PLAIN.outgoing(FORM, got, Sent("whisper-1", 9)) is FORM
    assert PLAIN.outgoing(FORM, got, Sent("o/n")) == FORM.replace(b"whisper-1", b"o/n")


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_a_file_holds_goes_on(before: bytes, after: bytes) -> None:
    if MARK.encode() in before + after:
        return
    body = form(part("image[]", before), part("model", b"m"), part("image[]", after))
    sent = PLAIN.outgoing(body, read(body), Sent("other"))
    assert sent == body.replace(b'name="model"\r\n\r\nm\r\n', b'name="model"\r\n\r\nother\r\n')


GOOD_TYPES = [
    (TYPE, MARK),
    (f'Multipart/Form-Data; charset=utf-8; Boundary="{MARK}"', MARK),
    (f"multipart/form-data;boundary={MARK} ; x=y", MARK),
    ('multipart/form-data; boundary="a b"', "a b"),
]


@pytest.mark.parametrize(("content_type", "boundary"), GOOD_TYPES)
def test_the_header_says_where_parts_begin(content_type: str, boundary: str) -> None:
    assert form_boundary(content_type) == boundary.encode()


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=x"])
def test_what_is_no_form_has_no_boundary(content_type: str) -> None:
    assert form_boundary(content_type) is None


BAD_TYPES = [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=a; boundary=b",
    "multipart/form-data; boundary=a b",
    'multipart/form-data; boundary="a',
    f"multipart/form-data; boundary={'x' * 71}",
    "multipart/form-data; boundary=a\u20ac",
]


@pytest.mark.parametrize("content_type", BAD_TYPES)
def test_a_form_without_one_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadParameter) as caught:
        form_boundary(content_type)
    assert caught.value.field == "Content-Type"


MODEL = part("model", b"m")
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "body"),
    "JSON": (b'{"model":"m"}', "body"),
    "no end": (MODEL, "body"),
    "a preamble": (b"x\r\n" + form(MODEL), "body"),
    "another boundary": (form(MODEL).replace(b"x1", b"x2"), "body"),
    "LF alone": (form(MODEL).replace(b"\r\n", b"\n"), "body"),
    "a part that begins after LF alone": (
        form(part("a", b"b\n" + part("model", b"n")[:-2]), MODEL),
        "body",
    ),
    "something after the end": (form(MODEL) + MODEL, "body"),
    "a boundary that goes on": (form(MODEL, end=f"--{MARK}x\r\n"), "body"),
    "no model": (form(file()), "model"),
    "an empty model": (form(part("model", b"")), "model"),
    "model twice": (form(MODEL, MODEL), "model"),
    "model a file": (form(part("model", b"m", '; filename="m"')), "model"),
    "model no UTF-8": (form(part("model", b"\xff")), "model"),
    "model with a line end": (form(part("model", b"a\r\nb")), "model"),
    "a name with an escape": (form(part('mo\\"del', b"m"), MODEL), "body"),
    "a name in another form": (form(part("a", b"m", "; name*=utf-8''model"), MODEL), "body"),
    "two names": (form(part("a", b"m", '; name="model"')), "body"),
    "no name": (form(MODEL.replace(b'; name="model"', b"")), "body"),
    "two dispositions": (
        form(part("a", b"m", '\r\nContent-Disposition: form-data; name="model"')),
        "body",
    ),
    "no headers": (form(f"--{MARK}\r\n\r\nm\r\n".encode(), MODEL), "body"),
    "a folded header": (form(part("a", b"m", "\r\n more: x"), MODEL), "body"),
    "an encoded field": (
        form(part("model", b"bQ==", "\r\nContent-Transfer-Encoding: base64")),
        "body",
    ),
    "a header without end": (
        form(part("a", b"m", "\r\nx: " + "y" * HEADERS_BYTES_MAX), MODEL),
        "body",
    ),
    "too many fields": (form(*[part("a", b"")] * PARTS_MAX, MODEL), "body"),
    "n a word": (form(MODEL, part("n", b"many")), "n"),
    "n 0": (form(MODEL, part("n", b"0")), "n"),
    "n of a million": (form(MODEL, part("n", b"1000000")), "n"),
    "user no UTF-8": (form(MODEL, part("user", b"\xff")), "user"),
}


@pytest.mark.parametrize(("body", "field"), BAD.values(), ids=BAD)
def test_a_form_that_two_could_read_in_two_ways_is_refused(body: bytes, field: str) -> None:
    with pytest.raises(BadParameter) as caught:
        read(body)
    assert caught.value.field == field
    assert caught.value.value.isprintable()


def test_a_field_may_be_empty() -> None:
    body = form(part("prompt", b""), MODEL)
    fields = fields_in(body, MARK.encode())
    assert [(one.member.name, one.member.end - one.member.start) for one in fields] == [
        ("prompt", 0),
        ("model", 1),
    ]


@given(st.lists(st.sampled_from([MODEL, file(), b"\r\n", b"--", MARK.encode(), b"x"])))
def test_any_form_is_read_or_refused(parts: list[bytes]) -> None:
    for body in (b"".join(parts), form(*parts)):
        try:
            got = read(body)
        except BadParameter:
            continue
        assert got.model == "m"


# The same endpoints in JSON -----------------------------------------------------------------


def as_json(**members: object) -> Facts:
    return read(json.dumps(members).encode(), "application/json")


def test_what_is_moderated_needs_no_model() -> None:
    got = as_json(input="hi")
    assert got.model == "omni-moderation-latest"
    body = b'{"input":"hi"}'
    sent = PLAIN.outgoing(body, read(body, ""), Sent("text-moderation-1"))
    assert json.loads(sent) == {"input": "hi", "model": "text-moderation-1"}


@pytest.mark.parametrize("members", [{"prompt": "a cat"}, {"input": "hi", "voice": "alloy"}])
def test_pictures_and_speech_do(members: dict[str, object]) -> None:
    with pytest.raises(BadParameter) as caught:
        as_json(**members)
    assert caught.value.field == "model"


def test_pictures_are_read() -> None:
    got = as_json(model="gpt-image-1", prompt="a cat", n=3, user="u", stream=True)
    assert (got.choices, got.is_stream, got.unbounded_field) == (3, True, "model")
    assert (got.fields, got.input_characters) == ({"user": "u"}, 5)
    assert as_json(model="tts", input="hi", voice="v", stream_format="sse").is_stream
