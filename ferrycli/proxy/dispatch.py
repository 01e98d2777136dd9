"""How a call is said to one target, and how what comes back is said to the client.

Where the provider speaks the client's dialect, body and reply pass as they are, but for what ferry
must set; where it does not, both are translated.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from msgspec import Struct

from ferrycli.proxy.closings import CardOf
from ferrycli.proxy.gateway import Gateway
from ferrycli.proxy.questions import Asked
from ferrycli.proxy.upstream import Attempt
from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import NotOffered
from ferrycli.wire.bodies import error_text, json_body
from ferrycli.wire.dialect import Asking, Dialect, Place, Reader, Sent
from ferrycli.wire.dialects import DIALECTS, codec_for
from ferrycli.wire.entries import Entry
from ferrycli.wire.errors import bedrock_type_of, error_headers
from ferrycli.wire.facts import Facts
from ferrycli.wire.headers import Headers, anthropic_betas, reply_headers, request_headers
from ferrycli.wire.max_price import MEMBER, with_max_price
from ferrycli.wire.readers.invoke import UnframingReader, framed
from ferrycli.wire.translate.carry import TranslatingReader, request
from ferrycli.wire.ways import Way

BOUND_FIELDS = {"openai": "max_completion_tokens", "azure": "max_completion_tokens"}
"""The field in which a kind of provider takes a bound on the answer; else `max_tokens`."""
_PASSED_QUERY = {"messages": frozenset({"beta"}), "count_tokens": frozenset({"beta"})}
"""Parameters, by dialect, that go on to a provider that speaks it as well."""


class Request(Struct, frozen=True):
    """A client's request, as it came and as it is understood."""

    gateway: Gateway
    entry: Entry
    place: Place
    headers: Headers
    query: bytes
    body: bytes
    facts: Facts

    def to(self, asked: Asked) -> Saying:
        """The request at one target. Raises `NotOffered` where it cannot be asked."""
        providers = self.gateway.snapshot().providers
        way = providers.way(asked.target, self.entry.wanted, is_stream=self.facts.is_stream)
        if way is None:
            raise NotOffered(str(asked.target), self.entry.wanted)
        return Saying(self, asked, way)


class Saying(Struct, frozen=True):
    """One request at one target, by one way."""

    request: Request
    asked: Asked
    way: Way

    @property
    def _client(self) -> Dialect:
        return DIALECTS[self.request.entry.dialect]

    @property
    def _provider(self) -> Dialect:
        return DIALECTS[self.way.dialect]

    @property
    def card_of(self) -> CardOf:
        """What other models of the reply cost."""
        return self.request.gateway.snapshot().card

    @property
    def is_translated(self) -> bool:
        """Whether the provider speaks another dialect than the client."""
        return self.way.dialect != self.request.entry.dialect

    @property
    def _is_unframed(self) -> bool:
        """Whether Anthropic's events come in Bedrock's frames, to a client that reads events."""
        is_framed = self.way.form == "invoke" and self.request.facts.is_stream
        return is_framed and self.request.entry.wanted != "invoke"

    def attempt(self, admission: Admission) -> Attempt:
        """What is sent. Raises `Untranslatable` or `BadParameter`."""
        request, asked = self.request, self.asked
        snapshot = request.gateway.snapshot()
        provider = snapshot.providers.by_name[asked.target.provider]
        first_byte_s = asked.choice.first_byte_s if asked.choice is not None else None
        return Attempt(
            provider,
            self._path(),
            request_headers(request.headers, self.way.dialect, is_same=not self.is_translated),
            self._body(admission),
            first_byte_s,
        )

    def _path(self) -> str:
        passed = _PASSED_QUERY.get(self.request.entry.dialect)
        if self.is_translated or self.way.form or passed is None or not self.request.query:
            return self.way.path
        pairs = parse_qsl(self.request.query.decode("latin-1"), keep_blank_values=True)
        kept = urlencode([pair for pair in pairs if pair[0] in passed])
        return f"{self.way.path}?{kept}" if kept else self.way.path

    def _body(self, admission: Admission) -> bytes:
        ours, model = self.request, self.asked.target.model
        body, facts = ours.body, ours.facts
        if self.is_translated:
            body, facts = self._translated(admission.output_bound)
            held = admission.output_held
            if held is not None and (facts.output_asked or 0) > held:
                # A dialect that needs a limit was given one where the client had set none.
                body, facts = self._translated(held)
        kind = self.asked.target.kind
        members = self._members(body, facts, admission)
        bound_field = BOUND_FIELDS.get(kind, "max_tokens")
        sent = Sent(model, admission.output_bound, bound_field, members, self.way.form)
        return self._provider.outgoing(body, facts, sent)

    def _translated(self, output_bound: int | None) -> tuple[bytes, Facts]:
        """The request in the provider's dialect, and what is to be known of it there."""
        ours, model = self.request, self.asked.target.model
        assert self._client.codec is not None
        target = codec_for(self.way.dialect, self.asked.target.kind)
        body = request(ours.body, ours.place, self._client.codec, target, model, output_bound)
        salt = ours.gateway.snapshot().books.salt
        return body, self._provider.read(body, Place(model, ours.facts.is_stream), salt)

    def _members(self, body: bytes, facts: Facts, admission: Admission) -> dict[str, bytes]:
        asked = self.asked
        if self.way.form == "invoke":
            betas = [] if self.is_translated else anthropic_betas(self.request.headers)
            return {"anthropic_beta": json_body(betas)} if betas else {}
        providers = self.request.gateway.snapshot().providers
        if asked.target.provider not in providers.openrouters or not _is_bounded(asked, admission):
            return {}
        assert asked.card is not None
        rate = asked.card.steps[0].rate
        if rate.input is None or rate.output is None:
            return {}
        return {MEMBER: with_max_price(body, facts, rate.input, rate.output)}

    def reader(self, *, is_stream: bool) -> Reader:
        """Who reads the reply; `is_stream`: it comes in events."""
        facts, provider = self.request.facts, self._provider
        if not is_stream:
            tap = provider.whole_reader()
        else:
            strips = facts.is_stream and not facts.wants_usage and not self.is_translated
            tap = provider.stream_reader(strips)
        if is_stream and self._is_unframed:
            tap = UnframingReader(tap)
        elif is_stream and self.way.form == "invoke":
            tap = framed(False)
        if not self.is_translated:
            return tap
        assert self._client.codec is not None
        assert provider.codec is not None
        asking = Asking(
            facts.model,
            facts.is_stream,
            facts.wants_usage,
            self.asked.id.at_us // 1_000_000,
            self.asked.name,
            self.request.body,
        )
        return TranslatingReader(
            tap, provider.codec.parser(is_stream=is_stream), self._client.codec.writer(asking)
        )

    def error_reader(self) -> Reader:
        """Who reads an error, which goes on as `error` makes it."""
        return self._provider.whole_reader()

    def reply_headers(self, headers: Headers, *, is_stream: bool) -> Headers:
        """The headers for the client out of the provider's, by allow-list."""
        kept = reply_headers(headers)
        is_changed = self.is_translated or (is_stream and self._is_unframed)
        if not is_changed:
            return kept
        events = _STREAM_TYPES.get(self.request.entry.dialect, _EVENTS)
        return _with_type(kept, events if self.request.facts.is_stream else _JSON)

    def error(self, status: int, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        """A provider's error as the client is told of it: headers, and the body."""
        kept = reply_headers(headers)
        if not self.is_translated:
            return kept, body
        code, message = error_text(body)
        kept = _with_type(kept, _JSON)
        kept += error_headers(self._client.name, bedrock_type_of(status))
        return kept, self._client.passed_error(status, code, message)


_JSON = b"application/json"
_EVENTS = b"text/event-stream; charset=utf-8"
_STREAM_TYPES = {"converse": b"application/vnd.amazon.eventstream"}


def _with_type(headers: Headers, content_type: bytes) -> Headers:
    rest = [(name, value) for name, value in headers if name != b"content-type"]
    return [(b"content-type", content_type), *rest]


def _is_bounded(asked: Asked, admission: Admission) -> bool:
    """Whether a budget holds the most that the call can cost, or that it costs nothing."""
    is_free = asked.card is not None and asked.card.is_free and admission.binding != ""
    return admission.output_held is not None or is_free
