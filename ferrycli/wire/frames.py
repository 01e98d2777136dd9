"""Frames of AWS's event streams, found and written; every byte is checked.

`u32 total | u32 headers_length | u32 crc32(both) | headers | payload | u32 crc32(all before)`, big
endian; a header is `u8 n, name, u8 type, value`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import crc32

FRAME_BYTES_MAX = 16 << 20
"""AWS writes no message of more."""

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_FRAME_BYTES_MIN = _PRELUDE.size + _CRC.size

_STRING = 7
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of values by their type: booleans, integers, times and UUIDs."""
_SIZED = frozenset({6, _STRING})
"""Bytes and strings have their length before them."""

_KINDS = (":event-type", ":exception-type", ":error-code")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of the stream."""

    kind: str
    """`:event-type` such as `contentBlockDelta`, or `:exception-type`; empty where it has none."""
    is_exception: bool
    payload: bytes
    raw: bytes
    """The whole frame, as it came."""


class FrameSplitter:
    """Cuts a byte stream into frames; at the first one that is wrong the reading ends."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self.is_broken = False
        """A length or a checksum was wrong: no frame will come any more."""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completes."""
        if self.is_broken:
            return []
        self._rest += chunk
        frames = []
        position = 0
        while (size := self._size_at(position)) and position + size <= len(self._rest):
            frame = _parsed(bytes(self._rest[position : position + size]))
            if frame is None:
                self.is_broken = True
                break
            frames.append(frame)
            position += size
        del self._rest[:position]
        return frames

    def flush(self) -> bytes:
        """What is left: an unfinished frame, or the wrong one and what came with it."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def _size_at(self, position: int) -> int:
        """The size of the frame that begins there; 0 where that is not known."""
        if self.is_broken or position + _PRELUDE.size > len(self._rest):
            return 0
        total, headers, checksum = _PRELUDE.unpack_from(self._rest, position)
        is_right = (
            checksum == crc32(self._rest[position : position + _PRELUDE.size - _CRC.size])
            and _FRAME_BYTES_MIN <= total <= FRAME_BYTES_MAX
            and headers <= total - _FRAME_BYTES_MIN
        )
        self.is_broken = not is_right
        return total if is_right else 0


def _parsed(raw: bytes) -> Frame | None:
    """The frame, or None where its checksum or its headers are wrong."""
    _, headers_size, _ = _PRELUDE.unpack_from(raw)
    if _CRC.unpack_from(raw, len(raw) - _CRC.size)[0] != crc32(raw[: -_CRC.size]):
        return None
    payload_start = _PRELUDE.size + headers_size
    headers = _headers(raw[_PRELUDE.size : payload_start])
    if headers is None:
        return None
    kind = next((headers[name] for name in _KINDS if name in headers), "")
    is_exception = headers.get(":message-type") in ("exception", "error")
    return Frame(kind, is_exception, raw[payload_start : -_CRC.size], raw)


def _headers(block: bytes) -> dict[str, str] | None:
    """The headers that are strings; None where the block is no list of headers."""
    found = {}
    position = 0
    while position < len(block):
        name_end = position + 1 + block[position]
        name = block[position + 1 : name_end]
        if name_end >= len(block):
            return None
        kind = block[name_end]
        start = name_end + 1
        if kind in _SIZED:
            if start + _SHORT.size > len(block):
                return None
            size = _SHORT.unpack_from(block, start)[0]
            start += _SHORT.size
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            return None
        position = start + size
        value = block[start:position]
        if len(value) < size:
            return None
        if kind == _STRING:
            found[name.decode("utf-8", "replace")] = block[start:position].decode(
                "utf-8", "replace"
            )
    return found


def frame(
    event_type: str,
    payload: bytes,
    *,
    message_type: str = "event",
    content_type: str = "application/json",
) -> bytes:
    """One frame as it is sent; `message_type` is `event` or `exception`."""
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (f":{message_type}-type", event_type),
            (":content-type", content_type),
            (":message-type", message_type),
        )
    )
    total = _FRAME_BYTES_MIN + len(headers) + len(payload)
    lengths = struct.pack(">II", total, len(headers))
    message = b"".join((lengths, _CRC.pack(crc32(lengths)), headers, payload))
    return message + _CRC.pack(crc32(message))


def _header(name: str, value: str) -> bytes:
    named, written = name.encode(), value.encode()
    return b"".join(
        (bytes((len(named),)), named, bytes((_STRING,)), _SHORT.pack(len(written)), written)
    )
