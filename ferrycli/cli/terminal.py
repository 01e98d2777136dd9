"""The terminal as streams: data to stdout, sentences to stderr, colour where it is wanted.

Form follows the stream: a terminal gets tables and cards, anything else gets rows of tabs with
full precision. Only this file reads the clock for commands.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ferrycli.settings import Settings

COLORS = ("auto", "always", "never")
WIDTH_MIN = 40
WIDTH_MAX = 160
"""A table wider than this is harder to read, not easier."""
WIDTH_UNBOUNDED = 1_000

ASCII = str.maketrans(
    "─│≈≥…–·×✓✗▲▼●▁▂▃▄▅▆▇█▏▎▍▌▋▊▉",
    "-|~>~-.x+x^v*_.:-=+*########",
) | {ord("→"): "->"}
"""What stands for each sign of ours where it cannot be drawn; one cell for one, so that columns
stay where they are, except for the arrow, which stands in sentences."""


def now_us() -> int:
    """UTC microseconds."""
    return time.time_ns() // 1000


def wrapped(sentence: str, width: int) -> list[str]:
    """A sentence in lines of at most `width`."""
    import textwrap

    return textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False)


@dataclass
class Terminal:
    """What the global options said, and the streams that a command writes to."""

    config: str | None = None
    database: str | None = None
    color: str = "auto"
    debug: bool = False
    ascii: bool = False
    """Whether signs of ours are drawn in ASCII, whatever the stream can carry."""
    began_s: float = field(default_factory=time.monotonic)
    """When the command began, in seconds of the monotonic clock."""
    _console: Console | None = None

    def settings(self, **flags: str) -> Settings:
        """Everything that the operator wrote. Raises what `settings.load` raises."""
        from ferrycli import settings

        given = {f"server.{name}": value for name, value in flags.items() if value}
        if self.database is not None:
            given["server.database"] = _path("--db", self.database)
        return settings.load(settings.system(), config=self.config_named, flags=given)

    @property
    def config_named(self) -> Path | None:
        """The file that `--config` names. Raises `ConfigBadValue`."""
        return None if self.config is None else Path(_path("--config", self.config)).expanduser()

    @property
    def typed(self) -> str:
        """How this program is called again for the same database and config."""
        import shlex

        flags = (("--config", self.config), ("--db", self.database))
        given = [f"{flag} {shlex.quote(value)}" for flag, value in flags if value]
        return " ".join(["ferry", *given])

    @property
    def shows_tables(self) -> bool:
        """Whether stdout is read by a person: a terminal, or `--color always`."""
        return self.color == "always" or sys.stdout.isatty()

    @property
    def asks(self) -> bool:
        """Whether somebody is there to answer a question."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def width(self) -> int:
        """Columns that stdout has room for; where it is no terminal, nothing is cut."""
        return self.columns if self.shows_tables else WIDTH_UNBOUNDED

    @property
    def columns(self) -> int:
        """Columns of the terminal, within what tables are made for."""
        import shutil

        return min(max(shutil.get_terminal_size((100, 24)).columns, WIDTH_MIN), WIDTH_MAX)

    def is_coloured(self, stream: TextIO) -> bool:
        """Whether colours go to `stream`: the flag, `NO_COLOR`, `FORCE_COLOR`, `TERM`, a tty."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR", "0") != "0":
            return True
        return stream.isatty() and os.environ.get("TERM", "") != "dumb"

    def write(self, text: str = "") -> None:
        """One line of data, as it is."""
        sys.stdout.write(self._fitting(f"{text}\n", sys.stdout))

    def rows(self, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Rows of tabs under a heading, for programs; None is the empty text.

        A tab or a line's end that a name holds against all rules is left out of it.
        """
        from ferrycli.rules.clean import safe

        def field(value: Any) -> str:
            text = "" if value is None else str(value)
            return text if text.isprintable() else safe(text, len(text))

        self.write("\t".join(heading))
        for row in rows:
            self.write("\t".join(map(field, row)))

    def json(self, value: Any) -> None:
        """One line of JSON; what could act on a terminal is escaped."""
        import json

        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self.write(text if text.isprintable() else json.dumps(value, separators=(",", ":")))

    def show(self, lines: Iterable[Text | str]) -> None:
        """Lines of a table or a card on stdout; a terminal has them folded, except plain text."""
        from ferrycli.report.layout import folded

        for line in lines:
            if isinstance(line, str) or not self.shows_tables:
                self._draw([line], sys.stdout)
            else:
                self._draw(folded(line, self.width), sys.stdout)

    def say(self, *lines: Text | str) -> None:
        """Sentences on stderr."""
        self._draw(lines, sys.stderr)

    def _draw(self, lines: Iterable[Text | str], stream: TextIO) -> None:
        is_coloured = self.is_coloured(stream)
        for line in lines:
            drawn = str(line) if isinstance(line, str) or not is_coloured else self._ansi(line)
            stream.write(self._fitting(f"{drawn}\n", stream))
        stream.flush()

    def _fitting(self, text: str, stream: TextIO) -> str:
        """`text` in what the stream can carry: names keep their letters where that is possible."""
        encoding = (stream.encoding or "utf-8").lower().replace("-", "").replace("_", "")
        if encoding.startswith("utf"):
            return text.translate(ASCII) if self.ascii else text
        kept = text.translate(ASCII)
        return kept.encode(stream.encoding, "backslashreplace").decode(stream.encoding)

    def _ansi(self, line: Text) -> str:
        from rich.console import Console

        if self._console is None:
            self._console = Console(
                file=io.StringIO(),
                force_terminal=True,
                no_color=False,
                color_system="standard",
                highlight=False,
                markup=False,
                emoji=False,
                width=10_000,
                _environ={},
            )
        with self._console.capture() as captured:
            self._console.print(line, soft_wrap=True, end="")
        return captured.get()


def _path(flag: str, text: str) -> str:
    """`text`, unless it is empty: an unset variable must not mean the usual database."""
    from ferrycli.rules.errors import ConfigBadValue

    if not text:
        raise ConfigBadValue(f"flag {flag}", flag, text, "a path")
    return text
