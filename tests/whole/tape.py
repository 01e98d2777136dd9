"""An upstream that plays back: whatever is asked, it answers what it was given, in these pieces."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.whole.listening import Listening


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Played:
    """One reply, and the pieces in which its body is written."""

    pieces: Sequence[bytes]
    content_type: str = "application/json"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    is_held: bool = False
    """After its pieces nothing comes, not even the end, until the client leaves."""
    delay_s: float = 0.0
    """Before each piece."""


class Tape(Listening):
    """Runs in a thread of its own, with a loop of its own."""

    def __init__(self, play: Callable[[Asked], Played]) -> None:
        super().__init__()
        self.play = play
        self.asked: list[Asked] = []
        self.left_at: list[float] = []
        """When clients left replies that were held, on the clock of `time.monotonic`."""

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.split(": ", 1) for line in head[1:] if ": " in line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                asked = Asked(head[0].split(" ")[1], headers, body)
                self.asked.append(asked)
                played = self.play(asked)
                await self._answer(played, writer)
                if played.is_held:
                    await self._wait_until_left(reader)
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _wait_until_left(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self.left_at.append(time.monotonic())

    async def _answer(self, played: Played, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {played.status} X", f"content-type: {played.content_type}"]
        lines += [f"{name}: {value}" for name, value in played.headers]
        lines += ["transfer-encoding: chunked", "", ""]
        writer.write("\r\n".join(lines).encode("latin-1"))
        for piece in played.pieces:
            await asyncio.sleep(played.delay_s)
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            # One piece after the other: else the kernel joins them.
            await asyncio.sleep(0)
        if not played.is_held:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
