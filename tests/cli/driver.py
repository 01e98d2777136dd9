"""Runs `ferry` in this process, with streams that may say that they are a terminal."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from ferrycli.cli import main
from ferrycli.rules.windows import to_us

GOLDENS = Path(__file__).parent / "goldens"


def moment(text: str) -> int:
    """UTC microseconds of an ISO time with a zone."""
    return to_us(datetime.fromisoformat(text))


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Stream(io.StringIO):
    """A stream that may say it is a terminal."""

    def __init__(self, text: str = "", *, is_terminal: bool) -> None:
        super().__init__(text)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@dataclass
class Ferry:
    """`ferry` on one database."""

    database: Path
    monkeypatch: pytest.MonkeyPatch

    def __call__(
        self,
        *arguments: str,
        columns: int = 0,
        typed: str | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Said:
        """`columns`: a terminal of that width; 0: pipes. `typed`: what somebody answers."""
        out = Stream(is_terminal=columns > 0)
        err = Stream(is_terminal=columns > 0 or typed is not None)
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setattr(sys, "stdin", Stream(typed or "", is_terminal=typed is not None))
            patch.setenv("COLUMNS", str(columns or 100))
            patch.setenv("FERRY_DATABASE", str(self.database))
            for name, value in environment.items():
                patch.setenv(name, value)
            code = main.run(arguments)
        return Said(code, out.getvalue(), err.getvalue())


def golden(name: str, text: str, *, rewrites: bool) -> str:
    """The text of a golden file; written anew where `rewrites` (FERRY_GOLDENS=1)."""
    path = GOLDENS / name
    if rewrites:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return path.read_text("utf-8")
