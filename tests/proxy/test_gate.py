"""Who may speak: names, sizes and addresses; one row per case."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ferrycli.proxy import gate
from ferrycli.proxy.exchange import EXTENSION
from ferrycli.proxy.gate import ClientLeft, Gate, is_local
from ferrycli.rules.denials import (
    BodyTooLarge,
    CarriesLoop,
    CompressedBody,
    ForbiddenOrigin,
    HeadersTooLarge,
    PathTooLong,
    RequestTooSlow,
)
from ferrycli.rules.errors import FerryError

GATE = Gate.of("127.0.0.1", ["ferry.internal"], 100, behind_proxy=False)


def scope(*headers: tuple[bytes, bytes], path: bytes = b"/v1", client: str = "127.0.0.1") -> Any:
    return {
        "raw_path": path,
        "query_string": b"",
        "headers": list(headers),
        "client": (client, 5),
    }


HOST = (b"host", b"127.0.0.1:4777")


@pytest.mark.parametrize(
    "headers",
    [
        [HOST],
        [(b"host", b"localhost")],
        [(b"host", b"LOCALHOST:1")],
        [(b"host", b"[::1]:4777")],
        [(b"host", b"ferry.internal")],
        [HOST, (b"origin", b"http://localhost:3000")],
        [HOST, (b"content-encoding", b"identity"), (b"content-length", b"100")],
        [HOST, *[(b"x", b"y")] * 99],
    ],
)
def test_usual_requests_pass(headers: list[tuple[bytes, bytes]]) -> None:
    GATE.check(scope(*headers))


@pytest.mark.parametrize(
    ("request_scope", "error"),
    [
        (scope(), ForbiddenOrigin),
        (scope(HOST, HOST), ForbiddenOrigin),
        (scope((b"host", b"evil.example")), ForbiddenOrigin),
        (scope((b"host", b"127.0.0.1.evil.example")), ForbiddenOrigin),
        (scope((b"host", b"[")), ForbiddenOrigin),
        (scope(HOST, (b"origin", b"null")), ForbiddenOrigin),
        (scope(HOST, (b"origin", b"https://localhost.evil.example")), ForbiddenOrigin),
        (scope(HOST, (b"content-length", b"101")), BodyTooLarge),
        (scope(HOST, (b"content-encoding", b"br")), CompressedBody),
        (scope(HOST, (b"via", b"1.1 proxy, 1.1 ferry")), CarriesLoop),
        (scope(HOST, *[(b"x", b"y")] * 100), HeadersTooLarge),
        (scope(HOST, (b"x", b"y" * 65_536)), HeadersTooLarge),
        (scope(HOST, path=b"/" * 8_193), PathTooLong),
    ],
)
def test_others_are_refused(request_scope: Any, error: type[FerryError]) -> None:
    with pytest.raises(error):
        GATE.check(request_scope)


def test_proxy_in_front_decides_on_names_unless_names_are_given() -> None:
    evil = scope((b"host", b"api.example"))
    Gate.of("0.0.0.0", [], 1, behind_proxy=True).check(evil)
    with pytest.raises(ForbiddenOrigin):
        Gate.of("0.0.0.0", ["other.example"], 1, behind_proxy=True).check(evil)


@pytest.mark.parametrize(
    ("request_scope", "wanted"),
    [
        (scope(HOST), True),
        (scope(HOST, client="::1"), True),
        (scope(HOST, client="192.168.0.7"), False),
        (scope(HOST, (b"x-forwarded-for", b"1.2.3.4")), False),
        ({"client": None, "headers": []}, False),
        ({"client": ("testclient", 1), "headers": []}, False),
    ],
)
def test_only_loopback_without_a_proxy_is_local(request_scope: Any, wanted: bool) -> None:
    assert is_local(request_scope) is wanted


def body_of(*messages: dict[str, Any]) -> bytes:
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    return asyncio.run(GATE.body(scope(), receive))


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_body_is_put_together_up_to_its_limit() -> None:
    assert body_of(part(b"a" * 60, more=True), part(b"b" * 40, more=False)) == b"a" * 60 + b"b" * 40
    with pytest.raises(BodyTooLarge):
        body_of(part(b"a" * 60, more=True), part(b"b" * 41, more=False))


def test_client_that_leaves_before_its_body_is_whole_is_noticed() -> None:
    with pytest.raises(ClientLeft):
        body_of(part(b"a", more=True), {"type": "http.disconnect"})


def test_connection_of_ours_has_kept_to_the_sizes_of_heads() -> None:
    large = scope(HOST, *[(b"x", b"y")] * 100)
    with pytest.raises(HeadersTooLarge):
        GATE.check(large)
    GATE.check({**large, "extensions": {EXTENSION: object()}})


@pytest.mark.parametrize(
    ("bound", "parts"), [("BODY_IDLE_S", [b"a"]), ("BODY_TOTAL_S", [b"a"] * 60)]
)
def test_body_on_a_connection_that_is_not_ours_has_deadlines_too(
    monkeypatch: pytest.MonkeyPatch, bound: str, parts: list[bytes]
) -> None:
    monkeypatch.setattr(gate, bound, 0.05)
    waiting = iter(parts)

    async def receive() -> dict[str, Any]:
        if (body := next(waiting, None)) is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0.002)
        return {"type": "http.request", "body": body, "more_body": True}

    with pytest.raises(RequestTooSlow) as caught:
        asyncio.run(GATE.body(scope(), receive))
    assert caught.value.seconds == 0.05
