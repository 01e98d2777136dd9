"""Recorded replies of real providers, through a real server: bytes, usage, lines and cost.

They are read where they are, and are not part of the project.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from ferrycli.store import changes, reads
from ferrycli.store.reads import CallRow
from tests.whole.server import ROOT, Server, rows, serving, settled_rows
from tests.whole.tape import Asked, Played, Tape

FIXTURES = ROOT.parent / "shared" / "fixtures"
MANIFEST: list[dict[str, Any]] = (
    json.loads((FIXTURES / "manifest.json").read_text())["fixtures"] if FIXTURES.is_dir() else []
)

KINDS = {"google": "gemini"}
"""The manifest's provider to ferry's kind, where it is neither the same nor `compatible`."""
OWN_KINDS = ("openai", "anthropic", "bedrock", "openrouter", "azure")
CATALOGUES = {"xai": "x-ai", "x-ai": "x-ai"}


def kind_of(fixture: dict[str, Any]) -> str:
    name = fixture["provider"]
    return KINDS.get(name, name if name in OWN_KINDS else "compatible")


class Way(NamedTuple):
    """How a client of the recorded dialect asks ferry."""

    path: str
    """With `{model}` for what ferry is to be asked for."""
    address: str
    """What the provider's address ends with."""


def way(fixture: dict[str, Any]) -> Way:
    url = urlsplit(fixture["url"])
    path, host = unquote(url.path), url.hostname or ""
    if path.startswith("/v1beta/models/"):
        return Way(f"/v1beta/models/{{model}}:{path.rpartition(':')[2]}", "")
    if path.startswith("/v1beta/"):
        return Way(path, "")
    if path.startswith("/model/"):
        return Way(f"/model/{{model}}/{path.rpartition('/')[2]}", "")
    if host.startswith("bedrock-mantle"):
        return Way("/v1/" + path.split("/v1/")[1], "/v1")
    for known in ("chat/completions", "responses", "embeddings"):
        if path.endswith(known):
            return Way(f"/v1/{known}", path.removesuffix(f"/{known}"))
    assert path == "/v1/messages", path
    return Way(path, "")


def provider_name(fixture: dict[str, Any]) -> str:
    """One for each address that a provider of the manifest has."""
    ending = way(fixture).address.strip("/").replace("/", "-")
    return f"{fixture['provider']}-{ending}".strip("-")


def model_of(fixture: dict[str, Any], body: dict[str, Any]) -> str:
    path = unquote(urlsplit(fixture["url"]).path)
    if path.startswith("/v1beta/models/"):
        return path.removeprefix("/v1beta/models/").rpartition(":")[0]
    if path.startswith("/model/"):
        return path.removeprefix("/model/").rpartition("/")[0]
    return str(body["model"]).removeprefix("models/")


class Rig(NamedTuple):
    server: Server
    tape: Tape
    secret: str


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A server with a provider for each one of the manifest, all at one tape."""
    directory = tmp_path_factory.mktemp("recorded")
    with ExitStack() as stack:
        tape = stack.enter_context(Tape(lambda _asked: Played([b"{}"])))
        path = directory / "ferry.toml"
        path.write_text(config_of(tape))
        secret = changes.create_key(directory / "ferry.db", changes.KeyPlan(name="app")).secret
        server = stack.enter_context(serving(path, AWS_BEARER_TOKEN_BEDROCK=""))
        yield Rig(server, tape, secret)


def config_of(tape: Tape) -> str:
    lines = ["[server]", 'database = "ferry.db"', 'listen = "127.0.0.1:0"']
    for name, fixture in {provider_name(one): one for one in MANIFEST}.items():
        lines += [f"[providers.{name}]", f'kind = "{kind_of(fixture)}"', 'api_key_env = "UP_KEY"']
        lines += [f'base_url = "{tape.address}{way(fixture).address}"']
        if kind_of(fixture) == "compatible":
            catalogue = CATALOGUES.get(fixture["provider"], fixture["provider"])
            lines += [f'catalogue = "{catalogue}"', 'speaks = ["responses"]']
    return "\n".join(lines) + "\n"


def request_of(fixture: dict[str, Any]) -> dict[str, Any]:
    if not fixture.get("request_file"):
        asked: dict[str, Any] = {"model": "m", "stream": fixture["stream"], "max_tokens": 64}
        if "/responses" in fixture["url"]:
            return {"model": "m", "stream": fixture["stream"], "input": "hi"}
        return {**asked, "messages": [{"role": "user", "content": "hi"}]}
    body: dict[str, Any] = json.loads((FIXTURES / fixture["request_file"]).read_text())
    return body


def carried(rig: Rig, fixture: dict[str, Any], *, by_byte: bool) -> tuple[httpx.Response, Asked]:
    """Ask as the recorded client did, and play back what the provider said."""
    reply = (FIXTURES / fixture["response_file"]).read_bytes()
    pieces = [reply[at : at + 1] for at in range(len(reply))] if by_byte else [reply]
    rig.tape.play = lambda _asked: Played(
        pieces, fixture["content_type"], fixture["status"], (("x-request-id", "r"),)
    )
    rig.tape.asked.clear()
    body = request_of(fixture)
    asked_for = f"{provider_name(fixture)}/{model_of(fixture, body)}"
    path = way(fixture).path.replace("{model}", asked_for)
    if "model" in body:
        body["model"] = asked_for
    got = httpx.post(
        rig.server.base_url.removesuffix("/v1") + path,
        params={"alt": "sse"} if "alt=sse" in fixture["url"] else None,
        json=body,
        headers={"authorization": f"Bearer {rig.secret}"},
        timeout=60,
    )
    assert rig.tape.asked, got.text
    return got, rig.tape.asked[-1]


def counted(row: CallRow, lines: list[tuple[Any, ...]]) -> dict[str, Any]:
    """A row in the manifest's words."""
    told: dict[str, Any] = {
        "input_total": row.input_tokens,
        "cache_read": row.n_cache_read,
        "cache_write": row.cache_write_tokens,
        "input_uncached": row.input_tokens - row.n_cache_read - row.cache_write_tokens,
        "output_total": row.output_tokens,
        "reasoning": row.n_reasoning,
        "cache_write_5m": row.n_cache_write_5m,
        "cache_write_1h": row.n_cache_write_1h,
        "input_audio": row.n_audio_in,
    }
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for _, model, bucket, quantity, kind in lines:
        found = sums.setdefault((model, kind), {})
        found[bucket] = found.get(bucket, 0) + quantity
    told["lines"] = {
        key: (found.get("input", 0), found.get("output", 0)) for key, found in sums.items()
    }
    return told


def wanted_lines(expected: dict[str, Any]) -> dict[tuple[str, str], tuple[int, int]]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for line in expected.get("lines", ()):
        key = (line["model"], line["kind"])
        seen = sums.get(key, (0, 0))
        sums[key] = (seen[0] + line["input_uncached"], seen[1] + line["output_total"])
    return sums


def lines_of(database: Path, seq: int) -> list[tuple[Any, ...]]:
    with reads.opened(database) as connection:
        query = "SELECT number, model, bucket, quantity, reason FROM lines WHERE call_seq = ?"
        return [tuple(row) for row in connection.execute(query, (seq,))]


PLAIN = ("cached_tokens_stored", "status", "provider_cost_usd", "web_fetches", "lines")
UNSEEN = ("cache_read_image", "cache_read_text", "input_image", "input_text")
"""Words of the manifest that no column has, or that are looked at apart."""


@pytest.mark.skipif(not MANIFEST, reason="the recorded replies are not here")
@pytest.mark.parametrize("by_byte", [False, True], ids=["whole", "by-byte"])
@pytest.mark.parametrize("fixture", MANIFEST, ids=lambda fixture: str(fixture["id"]))
def test_a_recorded_reply_passes_and_costs_what_it_says(
    rig: Rig, fixture: dict[str, Any], by_byte: bool
) -> None:
    before = len(rows(rig.server.database))
    got, asked = carried(rig, fixture, by_byte=by_byte)
    row = settled_rows(rig.server.database, before + 1)[-1]
    assert got.status_code == fixture["status"], got.text
    assert got.content == (FIXTURES / fixture["response_file"]).read_bytes()
    sent, body = json.loads(asked.body), request_of(fixture)
    if body.get("stream") and way(fixture).path == "/v1/chat/completions":
        sent.pop("stream_options")
        body.pop("stream_options", None)
    if "model" in body and not fixture.get("request_file"):
        body["model"] = sent["model"]
    assert sent == body
    assert "UP_KEY" not in asked.headers.values()
    expected = fixture["expected_usage"]
    if expected is None:
        assert (row.cost_nanousd, row.outcome) == (0, "failed")
        return
    told = counted(row, lines_of(rig.server.database, row.seq))
    seen = {name: told[name] for name in expected if name in told and name not in PLAIN}
    assert seen == {
        name: value
        for name, value in expected.items()
        if name not in (*PLAIN, *UNSEEN) and name in told
    }
    if "lines" in expected:
        wanted = {key: value for key, value in wanted_lines(expected).items() if any(value)}
        assert told["lines"] == wanted
    if (dollars := expected.get("provider_cost_usd")) is not None:
        assert row.provider_cost_nanousd == round(float(dollars) * 1e9)
        assert row.cost_nanousd == row.provider_cost_nanousd
