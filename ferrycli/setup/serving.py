"""Starts the server and says so: a card on a terminal, JSON lines elsewhere.

What cannot be said (a closed stderr) is left unsaid: it never ends a server.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ferrycli
from ferrycli.proxy.server import Ready, Served, Teller, is_loopback, now_us, run
from ferrycli.rules.errors import FerryError
from ferrycli.rules.keys import DEMO_SECRET
from ferrycli.rules.words import words
from ferrycli.settings import WELL_KNOWN, Settings, default_config_path
from ferrycli.setup.paths import near_path, shown_path
from ferrycli.store import reads, reads_budgets

if TYPE_CHECKING:
    # Drawing loads rich, which a server that nobody looks at does without.
    from ferrycli.report.serve_card import CardFacts, KeysFacts

MENDED_BY = {"env": "set it", "file": "mend the file", "command": "mend the command"}
"""What helps where a credential cannot be had, by the first word of its origin."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A terminal that a person looks at."""

    draw: Callable[[Sequence[Any]], None]
    """Takes lines: text as it is, or `rich.text.Text`."""
    width: int


def serve(settings: Settings, began_s: float, screen: Screen | None) -> int:
    """Serve until a signal; the exit code. Raises what `proxy.server.run` raises.

    `began_s`: when the command began, as `time.monotonic` says. `screen`: None where stderr is
    read by a program.
    """
    if screen is None:
        lines = _Lines(settings, began_s)
        lines.stopped(run(settings, lines))
    else:
        card = _Card(settings, began_s, screen)
        card.stopped(run(settings, card))
    return 0


class _Lines(Teller):
    """Tells one JSON object a line."""

    def __init__(self, settings: Settings, began_s: float) -> None:
        self._settings = settings
        self._began_s = began_s

    def ready(self, ready: Ready) -> None:
        facts = {
            "addr": ready.address,
            "demo": ready.is_demo,
            "recovered": ready.recovered,
            "database": str(self._settings.database),
            "version": ferrycli.__version__,
            "ready_s": round(time.monotonic() - self._began_s, 3),
        }
        self._say("info", "ready", facts)
        for provider, trouble in ready.providers:
            if trouble:
                facts = {"name": provider.name, "key_from": provider.key_origin, "why": trouble}
                self._say("warn", "provider.unusable", facts)

    def stopping(self, running: int) -> None:
        grace_s = self._settings.values["server.grace_s"]
        self._say("info", "stopping", {"running": running, "grace_s": grace_s})

    def trouble(self, error: Exception) -> None:
        if isinstance(error, FerryError):
            self._say("error", error.code, {"why": words(error).sentence})
        else:
            self._say("error", "request.failed", {"error": type(error).__name__, "at": _at(error)})

    def stopped(self, served: Served) -> None:
        facts = {"calls": served.calls, "cut": served.calls_cut, "up_s": round(served.up_s, 3)}
        self._say("info", "stopped", facts)

    def _say(self, level: str, event: str, facts: Mapping[str, Any]) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"ts": moment, "level": level, "event": event, **facts})
        with _said_or_not():
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


class _Card(Teller):
    """Tells a person: a card at the start, sentences at the end."""

    def __init__(self, settings: Settings, began_s: float, screen: Screen) -> None:
        self._settings = settings
        self._began_s = began_s
        self._screen = screen
        self._is_new = not settings.database.exists()

    def ready(self, ready: Ready) -> None:
        from ferrycli.report.serve_card import card

        ready_s = time.monotonic() - self._began_s
        try:
            facts = card_facts(self._settings, ready, ready_s, is_new=self._is_new)
        except (FerryError, OSError):
            # The file was busy or moved just now. The server answers all the same.
            self._sentence(f"ferry {ferrycli.__version__} is ready at http://{ready.address}/v1")
            return
        self._draw(card(facts, now_us(), self._screen.width))

    def stopping(self, running: int) -> None:
        from ferrycli.report.serve_card import stopping_words

        if said := stopping_words(running, self._settings.values["server.grace_s"]):
            self._sentence(said)

    def trouble(self, error: Exception) -> None:
        if isinstance(error, FerryError):
            self._sentence(f"! {words(error).sentence}")
        else:
            self._sentence(f"! a request failed with {type(error).__name__} at {_at(error)}")

    def stopped(self, served: Served) -> None:
        from ferrycli.report.serve_card import stopped_words

        self._sentence(stopped_words(served.calls, served.calls_cut, served.up_s))

    def _sentence(self, text: str) -> None:
        # The margin takes the place of the ^C that the terminal has echoed.
        self._draw([f"\r  {text}"])

    def _draw(self, lines: Sequence[Any]) -> None:
        with _said_or_not():
            self._screen.draw(lines)


@contextlib.contextmanager
def _said_or_not() -> Iterator[None]:
    """Whoever read stderr may be gone; then what is still buffered must not fail again at exit."""
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _at(error: Exception) -> str:
    """Where a defect of our own was raised, without any value that a request carried."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames[-4:]))


def card_facts(settings: Settings, ready: Ready, ready_s: float, *, is_new: bool) -> CardFacts:
    """What the card says of this server. Raises what reading the database raises."""
    from ferrycli.report.checked import NOTE, OK, Checked
    from ferrycli.report.serve_card import CardFacts

    program, options = typed(settings)
    return CardFacts(
        version=ferrycli.__version__,
        ready_s=ready_s,
        database=shown_path(settings.database),
        database_bytes=None if is_new else settings.database.stat().st_size,
        base_url=f"http://{_reached(ready.address)}",
        program=program,
        options=options,
        providers=tuple(
            Checked(
                provider.name,
                NOTE if trouble else OK,
                _unusable(trouble, provider.key_origin) if trouble else "",
                key_from="" if provider.kind == "sim" else provider.key_origin,
            )
            for provider, trouble in ready.providers
        ),
        looked_at=tuple(one.api_key_env for one in WELL_KNOWN),
        demo_secret=DEMO_SECRET if ready.is_demo else "",
        keys=_keys(settings),
        prices=ready.prices,
        prices_own=len(ready.books.overrides),
        recovered=ready.recovered,
        is_loopback=is_loopback(settings.host),
        grace_s=settings.values["server.grace_s"],
    )


def _keys(settings: Settings) -> KeysFacts:
    """Keys and budgets as they stand; nothing that the calls would have to be read for."""
    from ferrycli.report.serve_card import KeysFacts

    with reads.opened(settings.database) as connection:
        now = now_us()
        budgets = reads_budgets.budgets(connection, now)
        return KeysFacts.of(reads.keys(connection), budgets, now)


def _unusable(trouble: str, key_origin: str) -> str:
    mended = MENDED_BY.get(key_origin.partition(" ")[0], "mend it")
    return f"{trouble}: its calls are refused until you {mended} and start again"


def _reached(address: str) -> str:
    """The address as a client on this machine can use it."""
    host, _, port = address.rpartition(":")
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host) + f":{port}"  # noqa: S104


def typed(settings: Settings) -> tuple[str, tuple[str, ...]]:
    """How this program and this database are called from another terminal, quoted for a shell."""
    argument = Path(sys.argv[0])
    on_path = shutil.which("ferry")
    if on_path and Path(on_path).resolve() == argument.resolve():
        program = "ferry"
    elif argument.name == "ferry":
        program = shlex.quote(str(near_path(argument)))
    else:
        program = "python -m ferrycli"
    if settings.origins["server.database"].startswith(("env", "flag")):
        return program, (f"--db {shlex.quote(str(near_path(settings.database)))}",)
    if settings.config_path is not None and settings.config_path != default_config_path():
        return program, (f"--config {shlex.quote(str(near_path(settings.config_path)))}",)
    return program, ()
