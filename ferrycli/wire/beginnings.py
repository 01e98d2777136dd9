"""What two requests have in common: the messages that they begin with, and all that stands beside.

An earlier call's reported input bounds what a later one's same beginning can cost, if everything
else that a provider makes input of is the same too. Source: docs/money.md, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from ferrycli.wire.facts import Facts
from ferrycli.wire.input_bounds import input_bound
from ferrycli.wire.turns import TURNS

DIGEST_BYTES = 16
MESSAGES_MAX = 10_000
"""A request of more messages has no digests."""
BYTES_PER_TOKEN_MAX = 16
"""A report of fewer tokens than one for so many bytes of the bound is not believed: some servers
leave out what they had in a cache."""

NEVER_INPUT = frozenset(
    """
    model stream stream_options max_tokens max_completion_tokens temperature top_p seed user
    safety_identifier metadata store logprobs top_logprobs frequency_penalty presence_penalty
    logit_bias prompt_cache_key max_output_tokens top_k stop_sequences inferenceConfig
    requestMetadata labels
    """.split()
)
"""Members of a body that no chat template sees. Every other may change what the messages become:
tools, a schema, the effort of reasoning, and whatever will be thought of."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Digests of a request by which another is known to say the same."""

    frame: bytes
    """Of all that stands beside the messages and may be input."""
    beginnings: tuple[bytes, ...]
    """Of the first message, the first two, and so on to all."""


def marks(facts: Facts, body: bytes) -> Marks | None:
    """The digests of a request; None where it has none, or more than `MESSAGES_MAX`."""
    if not 0 < len(facts.messages) <= MESSAGES_MAX:
        return None
    digest = blake2b(digest_size=DIGEST_BYTES)
    beginnings = []
    for message in facts.messages:
        # Its length first, so that no two lists of messages read the same.
        digest.update(len(message).to_bytes(8, "big"))
        digest.update(message)
        beginnings.append(digest.digest())
    return Marks(_frame(facts, body), tuple(beginnings))


def _frame(facts: Facts, body: bytes) -> bytes:
    digest = blake2b(digest_size=DIGEST_BYTES)
    turns = TURNS[facts.dialect].member
    for member in sorted(facts.members, key=lambda member: member.name):
        if member.name == turns or member.name in NEVER_INPUT:
            continue
        for part in (member.name.encode("utf-8", "surrogatepass"), body[member.start : member.end]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.digest()


def is_believed(facts: Facts, model: str, reported_input: int) -> bool:
    """Whether a report of so many input tokens, at `model`, may bound later calls.

    It may not where it is smaller than any tokenizer makes the request, where the provider added
    to the input what it found by itself, and where content may be another at the next call.
    """
    bound = facts.input_bound_at(model) or 0
    return (
        not facts.unbounded_field
        and not facts.has_varying
        and reported_input >= len(facts.messages)
        and reported_input * BYTES_PER_TOKEN_MAX >= bound
        and not TURNS[facts.dialect].varies(_as_list(facts, 0))
    )


def rest_bound(facts: Facts, count: int, model: str) -> int | None:
    """The most tokens of the messages after the first `count`, at `model`.

    None where they name content that is not in them, or the provider adds some by itself.
    """
    if facts.unbounded_field:
        return None
    rest = _as_list(facts, count)
    # One message more, for where the two parts meet.
    overheads = len(facts.messages) - count + 1
    return input_bound(len(rest), TURNS[facts.dialect].parts(rest), 0, overheads, model)


def _as_list(facts: Facts, count: int) -> bytes:
    """The messages after the first `count`, as JSON."""
    return b",".join(facts.messages[count:]).join((b"[", b"]"))
