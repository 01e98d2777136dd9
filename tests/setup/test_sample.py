"""`sample-config.toml`: what the table of settings says, and a file that loads."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from ferrycli.settings import (
    CHANNEL_KEYS,
    CHANNEL_KINDS,
    KEYS_OF,
    OPTIONS,
    PROVIDER_KEYS,
    Channel,
    Provider,
    load,
)
from ferrycli.setup.sample import sample

ROOT = Path(__file__).resolve().parents[2]
LINE_LENGTH_MAX = 100


def with_its_examples(text: str) -> str:
    """The sample with its examples of a provider and of channels in force."""
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
    path.write_text(with_its_examples(sample()), "utf-8")
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
            speaks=("responses",),
            aliases=(("my-gpt", "gpt-4o"),),
        ),
    )


def test_its_channels_load_once_they_are_uncommented(tmp_path: Path) -> None:
    path = tmp_path / "ferry.toml"
    path.write_text(with_its_examples(sample()), "utf-8")
    channels = {one.kind: one for one in load({}, config=path).channels}
    assert tuple(channels) == CHANNEL_KINDS
    assert channels["webhook"] == Channel(
        "ops", "webhook", url_env="OPS_WEBHOOK", secret_env="OPS_WEBHOOK_SECRET"
    )
    assert channels["email"] == Channel(
        "mail",
        "email",
        host="smtp.example.com",
        user="ferry",
        password_env="SMTP_PASSWORD",
        sender="ferry@example.com",
        to=("ops@example.com",),
    )
    assert channels["command"].argv == ("logger", "-t", "ferry")


def test_every_key_of_a_channel_has_a_meaning_and_a_kind() -> None:
    assert {"kind", *(key for keys in KEYS_OF.values() for key in keys)} == set(CHANNEL_KEYS)
    assert tuple(KEYS_OF) == CHANNEL_KINDS
