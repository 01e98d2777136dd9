"""A webhook of our own: it keeps what it is told, and can be out of order for a while."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOLD_S_MAX = 30.0


@dataclass
class Told:
    """One delivery as it came in."""

    headers: dict[str, str]
    raw: bytes
    is_taken: bool
    """Whether it was answered as delivered."""
    body: dict[str, Any] = field(default_factory=dict)


class Webhook:
    """Runs in threads of its own on a free port."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.is_down = False
        """Whether deliveries are answered with 503."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                taken = not hook.is_down
                hook.told.append(Told(headers, raw, taken, json.loads(raw)))
                self.send_response(204 if taken else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/ferry"

    def taken(self) -> list[Told]:
        """Deliveries that were answered as delivered."""
        return [one for one in self.told if one.is_taken]

    def wait_for(self, count: int, *, tried: bool = False) -> None:
        """Until so many deliveries were taken (`tried`: came in at all)."""
        deadline = time.monotonic() + TOLD_S_MAX
        while len(self.told if tried else self.taken()) < count:
            assert time.monotonic() < deadline, [one.body for one in self.told]
            time.sleep(0.01)
