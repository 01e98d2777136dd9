"""Calls between dialects: what goes wrong is told in the client's form, and the next one is asked.

Nothing that a client says in headers or in the query goes where it does not belong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import anthropic
import httpx
import openai
import pytest

from ferrycli.rules.pricing import Rate
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from ferrycli.wire.frames import frame
from tests.whole.records import Row, at_rest, query
from tests.whole.server import INPUT_RATE, OUTPUT_RATE, Server, serving
from tests.whole.stage import Stage, secret_in
from tests.whole.tape import Asked, Played, Tape
from tests.whole.voices import any_voice

KINDS = ("openai", "anthropic", "gemini", "bedrock")
AWAY = {"openai": "anthropic", "anthropic": "gemini", "gemini": "bedrock", "bedrock": "openai"}
"""For a client of each kind's own dialect, a provider that speaks another."""
SSE, FRAMES = "text/event-stream", "application/vnd.amazon.eventstream"
Json = dict[str, Any]
USER = [{"role": "user", "content": "hi"}]


def request(kind: str, model: str, *, is_stream: bool = False) -> tuple[str, Json]:
    """Path and body, in the dialect that is the provider kind's own."""
    if kind == "gemini":
        verb = "streamGenerateContent?alt=sse" if is_stream else "generateContent"
        return f"/v1beta/models/{model}:{verb}", {"contents": [{"parts": [{"text": "hi"}]}]}
    if kind == "bedrock":
        path = f"/model/{model.replace('/', '%2F')}/converse{'-stream' if is_stream else ''}"
        return path, {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    path = "/v1/messages" if kind == "anthropic" else "/v1/chat/completions"
    return path, {"model": model, "max_tokens": 300, "stream": is_stream, "messages": USER}


def kind_of(asked: Asked) -> str:
    if asked.path.startswith("/model/"):
        return "bedrock"
    if "enerateContent" in asked.path:
        return "gemini"
    return "anthropic" if asked.path.startswith("/v1/messages") else "openai"


def model_of(asked: Asked) -> str:
    if kind_of(asked) in ("gemini", "bedrock"):
        return asked.path.partition("/model")[2].strip("s/").split("/")[0].split(":")[0]
    return str(json.loads(asked.body).get("model", ""))


def overloaded(asked: Asked) -> Played:
    """An error inside a good reply, as each provider says it."""
    good = any_voice(asked)
    if good.content_type == FRAMES:
        told = frame("throttlingException", b'{"message":"slow"}', message_type="exception")
        return Played([told], FRAMES)
    said = b'{"type":"error","error":{"type":"overloaded_error","message":"slow"}}'
    if good.content_type == SSE:
        return Played([b"event: error\ndata: " + said + b"\n\n"], SSE)
    return Played([said])


def misplayed(asked: Asked) -> Played:
    """As the model is named: a first word of what goes wrong there, or a good answer."""
    model = model_of(asked)
    good = any_voice(asked)
    if model.startswith("busy"):
        said = b'{"error":{"type":"overloaded_error","message":"slow","code":"busy"}}'
        return Played([said], status=529)
    if model.startswith("error"):
        return overloaded(asked)
    if model.startswith("empty"):
        return Played([], good.content_type)
    if model.startswith("half"):
        return Played([good.pieces[0][:20]], good.content_type)
    if model.startswith("page"):
        return Played([b"<html>sorry</html>"], "text/html")
    if model.startswith("searched"):
        searches = {"web_search_requests": 3}
        usage: Json = {"input_tokens": 9, "output_tokens": 5, "server_tool_use": searches}
        reply = {"type": "message", "model": "m", "content": [], "stop_reason": "end_turn"}
        return Played([json.dumps({**reply, "usage": usage}).encode()])
    if "/images/" in asked.path or "/audio/" in asked.path:
        return Played([b'{"data":[],"text":"hello"}'])
    if asked.path.endswith("/moderations"):
        return Played([b'{"results":[]}'])
    return good


class Rig(NamedTuple):
    server: Server
    tape: Tape
    secret: str
    capped: str

    @property
    def address(self) -> str:
        return self.server.base_url.removesuffix("/v1")

    def ask(
        self, path: str, body: Json, headers: dict[str, str] | None = None, secret: str = ""
    ) -> httpx.Response:
        own = {"authorization": f"Bearer {secret or self.secret}"}
        said = headers if headers is not None else own
        return httpx.post(self.address + path, json=body, headers=said, timeout=30)

    def last(self) -> Row:
        rows, _ = at_rest(self.server.database)
        return rows[-1]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    directory = tmp_path_factory.mktemp("between")
    database = directory / "ferry.db"
    with ExitStack() as stack:
        tape = stack.enter_context(Tape(misplayed))
        lines = ["[server]", 'database = "ferry.db"', 'listen = "127.0.0.1:0"']
        for kind in KINDS:
            ending = "/v1" if kind == "openai" else ""
            lines += [f"[providers.{kind}]", f'kind = "{kind}"', 'api_key_env = "UP_KEY"']
            lines += [f'base_url = "{tape.address}{ending}"']
        path = directory / "ferry.toml"
        path.write_text("\n".join(lines) + "\n")
        rate = Rate(input=INPUT_RATE, output=OUTPUT_RATE)
        for kind in KINDS:
            changes.set_price(database, kind, "*", rate)
        plan = changes.KeyPlan(name="capped", allowance=Allowance.parse("50/month"))
        capped = changes.create_key(database, plan).secret
        said, *_ = Stage(path).set_up(
            "keys create app --json",
            "routes set r-all anthropic/busy-1 openai/error-1 gemini/empty-1 bedrock/m-1",
            "routes set r-able anthropic/m-2 openai/m-2",
            "routes set r-unable anthropic/m-3 bedrock/m-3",
        )
        yield Rig(stack.enter_context(serving(path)), tape, secret_in(said), capped)


def form_of(body: Json) -> str:
    """Whose form an error has."""
    if body.get("type") == "error":
        return "anthropic"
    if "error" not in body:
        return "bedrock"
    return "gemini" if "status" in body["error"] else "openai"


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_error_in_a_good_reply_is_an_error_in_the_clients_form(
    rig: Rig, kind: str, is_stream: bool
) -> None:
    target = f"{AWAY[kind]}/error-{kind}-{is_stream}"
    reply = rig.ask(*request(kind, target, is_stream=is_stream))
    assert reply.status_code >= 400, reply.text
    assert form_of(reply.json()) == kind
    assert "slow" in reply.text or AWAY[kind] == "bedrock"
    row = rig.last()
    assert (row["outcome"], row["status"]) == ("failed", reply.status_code)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("way", ["empty", "page", "half"])
@pytest.mark.parametrize("kind", KINDS)
def test_reply_that_cannot_be_read_is_told_by_ferry_and_not_asked_for_again(
    rig: Rig, kind: str, way: str, is_stream: bool
) -> None:
    before = len(rig.tape.asked)
    target = f"{AWAY[kind]}/{way}-{kind}-{is_stream}"
    reply = rig.ask(*request(kind, target, is_stream=is_stream))
    assert reply.status_code == 502, reply.text
    assert form_of(reply.json()) == kind
    assert "upstream_failed" in reply.text.lower()
    assert len(rig.tape.asked) == before + 1
    row = rig.last()
    assert (row["state"], row["error_code"]) == ("settled", "upstream_failed")


def test_next_one_is_asked_whatever_it_speaks_and_each_try_has_its_own_cost(rig: Rig) -> None:
    for kind in KINDS:
        reply = rig.ask(*request(kind, "r-all"))
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-ferry-provider"] == "bedrock"
        row = rig.last()
        tries = query(
            rig.server.database,
            "SELECT provider, state, cost_nanousd FROM attempts WHERE call_seq = ? ORDER BY number",
            row["seq"],
        )
        assert tries[-1]["provider"] == "bedrock"
        assert row["cost_nanousd"] == sum(one["cost_nanousd"] for one in tries)
        # Enough failures, and a target is left alone.
        if kind == KINDS[0]:
            tried = [one["provider"] for one in tries]
            assert tried == ["anthropic", "openai", "gemini", "bedrock"]


def test_what_one_cannot_say_goes_to_the_next_and_is_refused_at_the_last(rig: Rig) -> None:
    path, body = request("openai", "r-able")
    body["response_format"] = {"type": "json_object"}
    reply = rig.ask(path, body)
    assert (reply.status_code, reply.headers["x-ferry-provider"]) == (200, "openai")
    reply = rig.ask(path, body | {"model": "r-unable"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "not_translatable")
    assert reply.json()["error"]["param"] == "response_format"
    assert rig.last()["state"] == "released"


HEADERS = {
    "openai-organization": "org",
    "openai-beta": "b",
    "anthropic-beta": "b1",
    "x-ferry-tenant": "acme",
    "x-ferry-anything": "1",
    "baggage": "tenant=acme",
    "helicone-user-id": "u",
    "cookie": "c=1",
    "proxy-authorization": "Basic c2VjcmV0",
}
OWN = {
    "openai": {"openai-organization", "openai-beta"},
    "anthropic": {"anthropic-beta"},
    "gemini": set[str](),
    "bedrock": set[str](),
}
CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
TAKEN_IN = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}


@pytest.mark.parametrize("given_in", CREDENTIALS)
@pytest.mark.parametrize("provider", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_to_one_is_not_said_to_another(
    rig: Rig, kind: str, provider: str, given_in: str
) -> None:
    path, body = request(kind, f"{provider}/m-1")
    bearer = "Bearer " if given_in == "authorization" else ""
    query_of = f"{'&' if '?' in path else '?'}key=canary&api_key=canary&beta=true"
    reply = rig.ask(path + query_of, body, {**HEADERS, given_in: bearer + rig.secret})
    assert reply.status_code == 200, reply.text
    asked = rig.tape.asked[-1]
    went = json.dumps([asked.path, asked.headers, asked.body.decode()])
    assert rig.secret not in went
    assert "canary" not in asked.path + asked.body.decode()
    assert set(HEADERS) & set(asked.headers) == (OWN[kind] if kind == provider else set())
    has_credential = [name for name in CREDENTIALS if name in asked.headers]
    assert has_credential == [TAKEN_IN.get(provider, "authorization")]
    assert ("beta=true" in asked.path) == (kind == provider == "anthropic")


UNCOUNTED = [
    ("/v1/images/generations", {"model": "openai/i", "prompt": "x"}),
    ("/v1/audio/speech", {"model": "openai/s", "input": "hello", "voice": "v"}),
]


@pytest.mark.parametrize(("path", "body"), UNCOUNTED)
def test_picture_or_sound_without_usage_has_no_price_and_no_guess(
    rig: Rig, path: str, body: Json
) -> None:
    assert rig.ask(path, body).status_code == 200
    row = rig.last()
    assert (row["outcome"], row["cost_source"], row["cost_nanousd"]) == ("ok", "unpriced", None)
    refused = rig.ask(path, body, secret=rig.capped)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "call_unbounded")


def test_moderation_names_no_model_and_costs_nothing(rig: Rig) -> None:
    for secret in (rig.secret, rig.capped):
        reply = rig.ask("/v1/moderations", {"input": "x"}, secret=secret)
        assert reply.status_code == 200, reply.text
        row = rig.last()
        assert (row["provider"], row["cost_nanousd"], row["hold_nanousd"]) == ("openai", 0, 0)


def test_searches_without_a_price_leave_all_that_was_held_in_doubt(rig: Rig) -> None:
    for kind in ("anthropic", "openai"):
        path, body = request(kind, "anthropic/searched")
        assert rig.ask(path, body, secret=rig.capped).status_code == 200
        row = rig.last()
        assert (row["cost_source"], row["cost_nanousd"]) == ("unpriced", None)
        assert row["doubt_nanousd"] == row["hold_nanousd"] > 0


def test_model_of_dots_leads_to_no_other_path(rig: Rig) -> None:
    before = len(rig.tape.asked)
    for name in (".", ".."):
        path = f"/model/bedrock%2F{name}/converse"
        assert rig.ask(path, request("bedrock", "")[1]).status_code == 404
    assert len(rig.tape.asked) == before


def test_sdks_read_what_is_refused_where_no_call_is_made(rig: Rig) -> None:
    with openai.OpenAI(base_url=f"{rig.address}/v1", api_key=rig.secret, max_retries=0) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.models.retrieve("gpt-x")
        assert "GET" in str(caught.value)
        with pytest.raises(openai.NotFoundError):
            client.files.list()
    with anthropic.Anthropic(base_url=rig.address, api_key=rig.secret, max_retries=0) as claude:
        with pytest.raises(anthropic.NotFoundError) as told:
            claude.messages.batches.list()
        assert isinstance(told.value.body, dict)
        assert told.value.body["error"]["type"] == "not_found_error"
