"""A server in front of a provider of every kind, each played by one tape, and SDKs to ask it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import openai
from google import genai

from ferrycli.rules.pricing import Rate, ceil_cost
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from tests.whole.server import CACHED_RATE, INPUT_RATE, OUTPUT_RATE, Server, serving
from tests.whole.tape import Tape
from tests.whole.voices import CACHED, INPUT, OUTPUT, any_voice

KINDS = ("openai", "anthropic", "gemini", "bedrock", "compatible")
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
COST = (
    ceil_cost(INPUT - CACHED, INPUT_RATE)
    + ceil_cost(CACHED, CACHED_RATE)
    + ceil_cost(OUTPUT, OUTPUT_RATE)
)
"""Of every reply, in nano-dollars."""


class Rig(NamedTuple):
    """The server, what its providers are, a key, and one whose budget is spent."""

    server: Server
    tape: Tape
    secret: str
    capped: str
    retries: int = 2
    """How often Anthropic's SDK tries again, where it is told that it may."""

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return self.server.base_url.removesuffix("/v1")

    def openai(self, secret: str = "") -> openai.OpenAI:
        return self.server.client(secret or self.secret)

    def anthropic(self, secret: str = "") -> anthropic.Anthropic:
        return anthropic.Anthropic(
            base_url=self.address, api_key=secret or self.secret, max_retries=self.retries
        )

    def google(self, secret: str = "") -> genai.Client:
        options = genai.types.HttpOptions(base_url=self.address)
        return genai.Client(api_key=secret or self.secret, http_options=options)


@contextmanager
def rigged(directory: Path) -> Iterator[Rig]:
    """All of it in `directory`, stopped at the end whatever happens."""
    database = directory / "ferry.db"
    with ExitStack() as stack:
        tape = stack.enter_context(Tape(any_voice))
        lines = ["[server]", 'database = "ferry.db"', 'listen = "127.0.0.1:0"']
        rate = Rate(input=INPUT_RATE, cache_read=CACHED_RATE, output=OUTPUT_RATE)
        for kind in KINDS:
            ending = "/v1" if kind in ("openai", "compatible") else ""
            lines += [f"[providers.{kind}]", f'kind = "{kind}"', 'api_key_env = "UP_KEY"']
            lines += [f'base_url = "{tape.address}{ending}"']
            changes.set_price(database, kind, "*", rate)
        path = directory / "ferry.toml"
        path.write_text("\n".join(lines) + "\n")
        secret = changes.create_key(database, changes.KeyPlan(name="app")).secret
        spent = changes.KeyPlan(name="spent", allowance=Allowance.parse("0.000001/month"))
        capped = changes.create_key(database, spent).secret
        server = stack.enter_context(serving(path))
        yield Rig(server, tape, secret, capped)
