"""What would happen to a call now, worked out beside the server, by the same functions.

Reads one moment of the database and changes nothing; no provider is asked. What only a running
server knows is left out: calls a minute, and calls that are being tried at this moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ferrycli.prices.cards import Cards
from ferrycli.proxy.questions import Asked, candidate
from ferrycli.proxy.snapshot import Providers, Snapshot
from ferrycli.rules.admission import Contender, decide
from ferrycli.rules.attribution import Attribution, Carried, attribute
from ferrycli.rules.budget import expecting
from ferrycli.rules.choices import Choice, Wanted
from ferrycli.rules.circuit import Circuits
from ferrycli.rules.errors import NoSuchKey
from ferrycli.rules.estimate import chars_per_token_deci, tokens
from ferrycli.rules.explained import Explained, explain
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import RateCard
from ferrycli.rules.routing import Target
from ferrycli.settings import Settings
from ferrycli.store import books as booklet
from ferrycli.store import reads
from ferrycli.store.books import Books
from ferrycli.store.ids import NewId
from ferrycli.store.learned import Learned
from ferrycli.store.reads_servers import circuits
from ferrycli.store.standings import Periods, Standings
from ferrycli.store.till import Change, Till
from ferrycli.wire.facts import Facts
from ferrycli.wire.intakes.chat import read_chat

ENDPOINT = "/v1/chat/completions"
INPUT_TOKENS_USUAL = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """A call that somebody thinks of."""

    model: str
    key: str
    """The key's name, or its id."""
    said: Mapping[str, str] = field(default_factory=dict)
    """Dimension, `priority` or `route` to value, as its headers would say them."""
    input_tokens: int = INPUT_TOKENS_USUAL
    output_max: int | None = None
    """The limit that the request would set, in tokens; None: it sets none."""
    is_stream: bool = False


def explained(settings: Settings, asked: Question, now_us: int) -> Explained:
    """What would become of `asked`.

    Raises `NoSuchKey`, what an unusable key, a missing dimension or an unknown model raise in a
    server, and what opening the database does.
    """
    with reads.opened(settings.database) as connection:
        connection.execute("BEGIN")
        return _Moment(connection, settings, now_us).explain(asked)


class _Moment:
    """The database and the settings at one moment."""

    def __init__(self, connection: reads.Connection, settings: Settings, now_us: int) -> None:
        self._now = now_us
        self._books = booklet.load(connection)
        self._snapshot = Snapshot(
            self._books, Cards(self._books.overrides), Providers.of(settings.providers)
        )
        self._circuits = Circuits(circuits(connection))
        self._learned = Learned()
        self._learned.load(connection)
        change = Change(Till(connection))
        self._standings = Standings(self._books, change, Periods(), now_us)

    def explain(self, asked: Question) -> Explained:
        key = _key(self._books, asked.key)
        key.check(self._now)
        headers = {f"x-ferry-{name}": value for name, value in asked.said.items()}
        attribution = attribute(Carried(headers=headers), key.policies)
        facts = read_chat(_body(asked), self._books.salt)
        expected = tokens(facts.input_characters, asked.model)
        wanted = Wanted(asked.model, key, attribution, asked.is_stream, expected)
        found = self._snapshot.survey(wanted, self._now, self._circuits.blocked)
        contenders = [
            self._contender(key, attribution, facts, choice, found.assignment)
            for choice in found.choices
        ]
        is_critical = attribution.priority == "critical"
        decision = decide(contenders, is_critical=is_critical) if contenders else None
        return explain(wanted, found, contenders, decision, self._card, self._now)

    def _contender(
        self,
        key: KeyTerms,
        attribution: Attribution,
        facts: Facts,
        choice: Choice,
        assignment: str,
    ) -> Contender:
        way = candidate(
            Asked(
                id=NewId(0, self._now),
                name="",
                endpoint=ENDPOINT,
                key=key,
                attribution=attribution,
                facts=facts,
                target=choice.target,
                card=self._snapshot.card(choice.target, self._now),
                epoch=self._books.epoch,
                client_retry=0,
                choice=choice,
                assignment=assignment,
            )
        )
        e = self._learned.expected(choice.route, attribution.feature)
        return Contender(
            expecting(way.ask, e),
            self._standings.of(way.facts),
            way.tier,
            way.via,
            way.condition,
        )

    def _card(self, target: str) -> RateCard | None:
        provider, _, model = target.partition("/")
        if provider not in self._snapshot.providers.by_name:
            return None
        kind = self._snapshot.providers.by_name[provider].kind
        return self._snapshot.card(Target(provider, kind, model), self._now)


def _key(books: Books, name: str) -> KeyTerms:
    """The key of this name, or whose id begins so. Raises `NoSuchKey`."""
    named = {key.name: key for key in books.keys_by_id.values()}
    if name in named:
        return named[name]
    near = [key for id, key in books.keys_by_id.items() if id.startswith(name) and len(name) > 4]
    if len(near) != 1:
        raise NoSuchKey(name, tuple(sorted(named)))
    return near[0]


def _body(asked: Question) -> bytes:
    """A request that ferry takes for one of so many tokens: what is asked there is its estimate."""
    body: dict[str, object] = {
        "model": asked.model,
        "messages": [{"role": "user", "content": ""}],
        "stream": asked.is_stream,
    }
    if asked.output_max is not None:
        body["max_completion_tokens"] = asked.output_max
    characters = asked.input_tokens * chars_per_token_deci(asked.model) // 10
    frame = len(json.dumps(body["messages"]))
    body["messages"] = [{"role": "user", "content": "x" * max(0, characters - frame)}]
    return json.dumps(body).encode()
