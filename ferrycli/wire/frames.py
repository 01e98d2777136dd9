"""Amazon's event-stream frames: split and written."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import crc32

_PRELUDE = 12
_FRAME_MAX = 24 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    kind: str
    """Its `:event-type` or `:exception-type`."""
    is_exception: bool
    payload: bytes
    raw: bytes


class FrameSplitter:
    """Cuts a byte stream into frames; what is no frame ends it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completes."""
        data = self._rest + chunk
        found = []
        while len(data) >= _PRELUDE:
            total, length, check = struct.unpack(">III", data[:_PRELUDE])
            is_sound = crc32(data[:8]) == check and 16 + length <= total <= _FRAME_MAX
            if not is_sound:
                data = b""
                break
            if len(data) < total:
                break
            raw, data = data[:total], data[total:]
            headers = _headers(raw[_PRELUDE : _PRELUDE + length])
            is_exception = headers.get(":message-type") == "exception"
            kind = headers.get(":exception-type" if is_exception else ":event-type", "")
            found.append(Frame(kind, is_exception, raw[_PRELUDE + length : -4], raw))
        self._rest = data
        return found


def _headers(data: bytes) -> dict[str, str]:
    found = {}
    position = 0
    while position < len(data):
        end = position + 1 + data[position]
        name = data[position + 1 : end].decode("utf-8", "replace")
        if data[end : end + 1] != b"\x07":
            break
        size = int.from_bytes(data[end + 1 : end + 3], "big")
        found[name] = data[end + 3 : end + 3 + size].decode("utf-8", "replace")
        position = end + 3 + size
    return found


def frame(
    event_type: str,
    payload: bytes,
    *,
    message_type: str = "event",
    content_type: str = "application/json",
) -> bytes:
    """One frame, whole."""
    named = {
        f":{message_type}-type": event_type,
        ":content-type": content_type,
        ":message-type": message_type,
    }
    headers = b"".join(
        bytes([len(name)]) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    begun = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return begun + struct.pack(">I", crc32(begun))
