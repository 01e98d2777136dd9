"""A request is addressed as httpx would address it, and its head is one head."""

from __future__ import annotations

import httpx
import pytest

from ferrycli.proxy.http1.addresses import NAMES_MAX, Heads, Origin, Unsendable, read_address

URLS = [
    "https://api.openai.com/v1/chat/completions",
    "http://127.0.0.1:8000/v1/chat/completions",
    "https://api.example:443/v1",
    "http://api.example:80/v1",
    "http://api.example:443/v1",
    "http://[::1]:8080/v1",
    "https://[2001:db8::1]/v1",
    "https://API.Example/V1",
    "https://bücher.example/v1",
    "https://例え.jp/v1",
    "https://xn--bcher-kva.example/v1",
    "https://api.example",
    "https://api.example/",
    "https://api.example//v1//x",
    "https://api.example/v1/../v2/./x",
    "https://api.example/v1/models/a b",
    "https://api.example/v1/models/é",
    "https://api.example/v1/models/%C3%A9",
    "https://api.example/v1/models/%2e%2e/x",
    "https://api.example/v1/models/100%",
    "https://api.example/v1/models/%zz",
    "https://api.example/v1/models/gemini-2.5-pro:generateContent",
    "https://api.example/v1/models/gemini:streamGenerateContent?alt=sse",
    "https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn:aws:bedrock:eu::x%2Fy/invoke",
    "https://api.example/a?b=c d&e=é&f=%41",
    "https://api.example/a?",
    "https://api.example/a?b#c",
    "https://api.example/{a}/[b]|\\^`<>\"",
    "https://api.example/;a=1,b/@c/$d/!e*'()",
    "https://res.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
]  # fmt: skip


def sent_by_httpx(url: str) -> tuple[bytes, bytes, Origin]:
    """Target, `Host` and origin of what httpx hands to a connection."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(handle)) as client:
        client.post(url)
    (request,) = seen
    read = request.url
    port = read.port or {"http": 80, "https": 443}[read.scheme]
    origin = Origin(read.scheme == "https", read.raw_host.decode(), port)
    return read.raw_path, request.headers["host"].encode(), origin


@pytest.mark.parametrize("url", URLS)
def test_request_is_addressed_as_by_httpx(url: str) -> None:
    target, host, origin = sent_by_httpx(url)
    address = read_address(url)
    assert address.origin == origin
    assert address.post == b"POST %b HTTP/1.1\r\nhost: %b\r\n" % (target, host)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example/\r\nx: y",
        "https://api.example/\0",
        "https://api.example:99999/v1",
        "https://api.example:0/v1",
        "https://api.example:-1/v1",
        "https://api.example:port/v1",
        "https://999.1.1.1/v1",
        "https://[::zz]/v1",
        "https:///v1",
        "ftp://api.example/v1",
        "/v1",
        "https://api.example/" + "x" * 70_000,
    ],
)
def test_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises((httpx.InvalidURL, httpx.UnsupportedProtocol)):
        read_address(url)


FIRST = b"POST / HTTP/1.1\r\nhost: a\r\n"


def test_head_holds_what_was_given_and_the_length() -> None:
    headers = [(b"user-agent", b"sdk"), (b"x-a", b"\xc3\xa9"), (b"x-a", b"")]
    assert Heads().of(FIRST, headers, 7) == (
        FIRST + b"user-agent: sdk\r\nx-a: \xc3\xa9\r\nx-a: \r\ncontent-length: 7\r\n\r\n"
    )


def test_client_that_does_not_say_what_it_is_goes_as_ferry() -> None:
    assert Heads().of(FIRST, [], 0) == FIRST + b"user-agent: ferry\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        (b"x-a", b"b\r\nx-evil: 1"),
        (b"x-a", b"b\n"),
        (b"x-a", b"b\r"),
        (b"x-a", b"b\0"),
        (b"x-a\r\nx-evil", b"1"),
        (b"x a", b"b"),
        (b"x-a:", b"b"),
        (b"", b"b"),
        (b"x-\xc3\xa9", b"b"),
        (b"host", b"elsewhere"),
        (b"Host", b"elsewhere"),
        (b"content-length", b"0"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"authorization"),
        (b"upgrade", b"h2c"),
    ],
)
def test_header_that_would_change_the_message_is_refused(header: tuple[bytes, bytes]) -> None:
    heads = Heads()
    for _ in range(2):
        with pytest.raises(Unsendable):
            heads.of(FIRST, [(b"x-good", b"1"), header], 0)
    assert b"x-good: 1" in heads.of(FIRST, [(b"x-good", b"1")], 0)


def test_any_number_of_names_is_taken() -> None:
    heads = Heads()
    for number in range(NAMES_MAX + 2):
        name = b"x-%d" % number
        assert b"\r\n%b: 1\r\n" % name in heads.of(FIRST, [(name, b"1")], 0)
