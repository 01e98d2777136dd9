"""`ferry __complete KIND [PREFIX] [--db=X] [--config=X]`: values for a shell, one a line.

Asked at a press of TAB, so the tree of commands and what it loads are left out. Never fails and
never speaks: where no database can be read, there is nothing to offer. What a shell could take
for more than one plain word is never offered, whoever put it into the database.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence

WORD = "__complete"
"""The first argument that asks for values. No command: it stands in no help."""

VALUES_MAX = 200

_PLAIN = str.maketrans(dict.fromkeys("-./:@+%=", "_"))
"""Signs that every shell takes as letters, within a word."""


def run(arguments: Sequence[str]) -> int:
    """Print what can stand where `arguments` say; the exit code, always 0."""
    # What follows is mostly imports, and the process ends before there is anything to collect.
    gc.disable()
    # No value begins like an option, so a prefix that does can be left aside.
    options = [one for one in arguments if one.startswith("--")]
    kind, prefix, *_ = [*(one for one in arguments if one not in options), "", ""]
    found: dict[str, None] = {}
    try:
        encoding = sys.stdout.encoding
        try:
            for value in _values(kind, options):
                is_new = value not in found and value.startswith(prefix)
                if is_new and is_plain(value, encoding):
                    found[value] = None
                    if len(found) == VALUES_MAX:
                        break
        finally:
            # Not through the buffer: what a reader that left did not take must not fail at exit.
            lines = "".join(f"{value}\n" for value in found)
            os.write(sys.stdout.fileno(), lines.encode(encoding))
    except (Exception, KeyboardInterrupt):  # noqa: BLE001  # The outermost frame of the process.
        return 0
    return 0


def is_plain(value: str, encoding: str = "utf-8") -> bool:
    """Whether every shell takes `value` as one word, without quotes, and not as an option."""
    from ferrycli.rules.clean import safe

    starts_plain = value[:1].isalnum() or value[:1] == "_"
    is_word = starts_plain and f"_{value.translate(_PLAIN)}".isidentifier()
    known = value.encode(encoding, "ignore").decode(encoding)
    return is_word and value == safe(value) == known


def _values(kind: str, options: Sequence[str]) -> Iterator[str]:
    """Every value of a kind, as it is stored, from the database that `options` lead to."""
    if kind == "models":
        from ferrycli.sim.models import MODELS, PREFIX

        yield from (f"{PREFIX}{model.name}" for model in MODELS)

    from ferrycli.cli.terminal import Terminal
    from ferrycli.store import reads_values

    terminal = Terminal()
    for option in options:
        name, _, value = option.partition("=")
        if name == "--db":
            terminal.database = value
        elif name == "--config":
            terminal.config = value
    yield from reads_values.values(terminal.settings().database, kind)
