"""What a request puts before the model, as a strip of bytes, and the memory of earlier ones.

Four bytes are one token, and every message starts on a token of its own, so a prefix of tokens is
a prefix of bytes. As at OpenAI, a prefix counts as cached from 1,024 tokens on, in steps of 128.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from ferrycli.sim.tokens import BYTES_PER_TOKEN

CACHE_TOKENS_MIN = 1_024
CACHE_STEP_TOKENS = 128

_HEAD_BYTES = 4 * BYTES_PER_TOKEN
"""Role and separators of a message."""
_END_TOKENS = 3
"""What opens the answer, after the last message."""
_ATTACHMENT_TOKENS = 765
"""An image, a sound or a file: what a picture of 1024 × 1024 costs."""


def strip(messages: Sequence[dict[str, object]], tools: object, response_format: object) -> bytes:
    """The prompt: tools and format first, as providers put them, then each message."""
    parts = [
        _head("tools", "") + _whole(_json(extra))
        for extra in (tools, response_format)
        if extra is not None
    ]
    for message in messages:
        role, name = message.get("role"), message.get("name")
        parts.append(_head(str(role), name if isinstance(name, str) else ""))
        parts.extend(_content(message.get("content")))
        if message.get("tool_calls") is not None:
            parts.append(_whole(_json(message["tool_calls"])))
    return b"".join(parts)


def tokens(prompt: bytes) -> int:
    """How many tokens a strip is billed as."""
    return len(prompt) // BYTES_PER_TOKEN + _END_TOKENS


def text(content: object) -> str:
    """The words of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    words = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(word for word in words if isinstance(word, str))


def _content(content: object) -> Iterator[bytes]:
    if isinstance(content, str):
        yield _whole(_bytes(content))
        return
    for part in content if isinstance(content, list) else []:
        words = part.get("text") if isinstance(part, dict) else part
        if isinstance(words, str):
            yield _whole(_bytes(words))
        else:
            mark = blake2b(_json(part), digest_size=BYTES_PER_TOKEN).digest()
            yield mark * _ATTACHMENT_TOKENS


def _head(role: str, name: str) -> bytes:
    return _bytes(f"{role}:{name}")[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0")


def _whole(data: bytes) -> bytes:
    """`data`, filled up to whole tokens."""
    return data + b"\0" * (-len(data) % BYTES_PER_TOKEN)


def _json(value: object) -> bytes:
    return _bytes(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _bytes(words: str) -> bytes:
    # JSON may carry half a surrogate pair, which has no UTF-8.
    return words.encode("utf-8", "replace")


class PrefixMemory:
    """Hashes of the prefixes seen, at most `prefixes_max` of them; the stalest go first.

    A prefix is never staler than what continues it, so the first step that is not remembered is
    where the cached part of a prompt ends.
    """

    def __init__(self, prefixes_max: int) -> None:
        self._prefixes_max = max(0, prefixes_max)
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def recall(self, model: str, prompt: bytes) -> tuple[int, int]:
        """How many tokens of `prompt` are cached, and how many are now written; remembers it."""
        steps = list(self._steps(model, prompt))
        known = 0
        while known < len(steps) and steps[known] in self._seen:
            known += 1
        for step in reversed(steps):
            self._seen[step] = None
            self._seen.move_to_end(step)
        while len(self._seen) > self._prefixes_max:
            self._seen.popitem(last=False)
        return _tokens_at(known), _tokens_at(len(steps)) - _tokens_at(known)

    def _steps(self, model: str, prompt: bytes) -> Iterator[bytes]:
        """The hash of each prefix that can be cached; of a huge prompt, as many as fit."""
        step_bytes = CACHE_STEP_TOKENS * BYTES_PER_TOKEN
        first = CACHE_TOKENS_MIN * BYTES_PER_TOKEN
        last = first + (self._prefixes_max - 1) * step_bytes
        digest = blake2b(prompt[: first - step_bytes], digest_size=16, key=model.encode()[:64])
        for end in range(first, min(len(prompt), last) + 1, step_bytes):
            digest.update(memoryview(prompt)[end - step_bytes : end])
            yield digest.copy().digest()


def _tokens_at(steps: int) -> int:
    return CACHE_TOKENS_MIN + (steps - 1) * CACHE_STEP_TOKENS if steps else 0
