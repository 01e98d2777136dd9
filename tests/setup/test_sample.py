"""`sample-config.toml`: what the table of settings says, and a file that loads."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from ferrycli.settings import OPTIONS, PROVIDER_KEYS, Provider, load
from ferrycli.setup.sample import sample

ROOT = Path(__file__).resolve().parents[2]
LINE_LENGTH_MAX = 100


def without_provider_comments(text: str) -> str:
    """The sample with its example of a provider in force."""
    return re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", text)


def test_the_file_is_what_the_settings_make() -> None:
    assert (ROOT / "sample-config.toml").read_text("utf-8") == sample()


def test_no_line_is_too_long() -> None:
    assert [line for line in sample().splitlines() if len(line) > LINE_LENGTH_MAX] == []
    assert [line for line in sample().splitlines() if line != line.rstrip()] == []


def test_it_shows_every_option_with_its_default() -> None:
    shown = tomllib.loads(sample())
    wanted: dict[str, dict[str, object]] = {}
    for option in OPTIONS:
        wanted.setdefault(option.table, {})[option.key] = option.default
    assert shown == wanted
    for option in OPTIONS:
        assert option.meaning in sample()


def test_as_it_is_it_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ferry.toml"
    path.write_text(sample(), "utf-8")
    got = load({}, config=path)
    assert got.values == load({}, config=empty(tmp_path)).values
    assert got.providers == ()
    assert set(got.origins.values()) == {f"file {path}"}


def empty(directory: Path) -> Path:
    path = directory / "empty.toml"
    path.write_text("")
    return path


def test_its_provider_loads_once_it_is_uncommented(tmp_path: Path) -> None:
    path = tmp_path / "ferry.toml"
    path.write_text(without_provider_comments(sample()), "utf-8")
    assert set(tomllib.loads(path.read_text("utf-8"))["providers"]["openai"]) == set(PROVIDER_KEYS)
    assert load({}, config=path).providers == (
        Provider(
            "openai",
            "openai",
            "https://api.openai.com/v1",
            "OPENAI_API_KEY",
            "/run/secrets/openai",
            "pass show openai",
            ("gpt-*",),
            "openai",
        ),
    )
