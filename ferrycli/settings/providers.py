"""Providers as configured, and the credentials that their calls carry.

The file holds names of secrets, never secrets; no error and no origin holds one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferrycli.rules.errors import ConfigBadValue, ConfigUnknownKey, NoCredential
from ferrycli.rules.meters import METER
from ferrycli.settings.options import check_table

KINDS = (
    "openai",
    "anthropic",
    "gemini",
    "vertex",
    "bedrock",
    "openrouter",
    "azure",
    "compatible",
    "sim",
)
SPEAKS = ("chat", "responses", "messages")
"""What a provider may speak besides what its kind does, as the operator knows it."""
CREDENTIAL_CMD_SECONDS_MAX = 20
_NOT_TEXT = "it is not plain text of one line"

PROVIDER_KEYS = {
    "kind": "one of the kinds above",
    "base_url": "where it is reached; most kinds have a default",
    "api_key_env": "name of the variable that holds its key",
    "api_key_file": "or a file that holds it",
    "api_key_cmd": "or a command that prints it",
    "models": "globs of its models; none: all in the price catalogue",
    "catalogue": "its name in the price catalogue, where it differs",
    "speaks": "besides what its kind does",
    "aliases": "names of its own, and what each is priced as",
}
_LISTS = ("models", "speaks")


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as configured. The credential is read by `credential`, at start."""

    name: str
    kind: str
    base_url: str = ""
    api_key_env: str = ""
    api_key_file: str = ""
    api_key_cmd: str = ""
    models: tuple[str, ...] = ()
    catalogue: str = ""
    speaks: tuple[str, ...] = ()
    """Dialects that it speaks besides those of its kind, of `SPEAKS`."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Names that the provider alone knows, and the model that each is priced as."""

    def priced_as(self, model: str) -> str:
        """The model behind a name of the provider's own; empty for any other name."""
        return dict(self.aliases).get(model, "")

    @property
    def key_origin(self) -> str:
        """Where the credential comes from: `env OPENAI_API_KEY`; `none` where none is named.

        Of a command only the program: an argument may be the secret itself.
        """
        if self.api_key_env:
            return f"env {self.api_key_env}"
        if self.api_key_file:
            return f"file {self.api_key_file}"
        program, *rest = self.api_key_cmd.split() or [""]
        return f"command {program}{' …' if rest else ''}" if program else "none"


BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "bedrock": "https://bedrock-runtime.{region}.amazonaws.com",
    "openrouter": "https://openrouter.ai/api/v1",
}
"""Where a kind is reached that has one address; `{region}` is the environment's AWS region."""
REGION_DEFAULT = "us-east-1"

CATALOGUES = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "vertex": "google",
    "bedrock": "aws",
    "openrouter": "openrouter",
    "azure": "azure",
}
"""The price catalogue's name of each kind that has one."""

_VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "bedrock": "AWS_BEARER_TOKEN_BEDROCK",
}

WELL_KNOWN: tuple[Provider, ...] = tuple(
    Provider(kind, kind, BASE_URLS[kind], variable, catalogue=CATALOGUES[kind])
    for kind, variable in _VARIABLES.items()
)
"""Providers that exist as soon as their variable does."""


def read_providers(
    written: Mapping[str, Any], path: Path | None, environment: Mapping[str, str]
) -> tuple[tuple[Provider, ...], dict[str, str]]:
    """The file's providers, then a provider for each well-known variable that is set; origins.

    Raises `ConfigUnknownKey` or `ConfigBadValue`.
    """
    providers: dict[str, Provider] = {}
    origins: dict[str, str] = {}
    for name, content in written.get("providers", {}).items():
        providers[name] = _provider(name, content, path)
        origins[name] = f"file {path}"
    for usual in WELL_KNOWN:
        if environment.get(usual.api_key_env) and usual.name not in providers:
            providers[usual.name] = usual
            origins[usual.name] = f"env {usual.api_key_env}"
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    placed = (
        replace(one, base_url=one.base_url.replace("{region}", region or REGION_DEFAULT))
        for one in providers.values()
    )
    return tuple(placed), origins


def _provider(name: str, content: Any, path: Path | None) -> Provider:
    where = f"file {path}"
    check_table("providers", name, content, path)
    if name == METER:
        wanted = f"another name: `{METER}/…` is what events count"
        raise ConfigBadValue(where, f"providers.{name}", name, wanted)
    for key, value in content.items():
        if key not in PROVIDER_KEYS:
            raise ConfigUnknownKey(str(path), f"providers.{name}", key, tuple(PROVIDER_KEYS))
        if key == "aliases":
            _check_aliases(f"providers.{name}.aliases", value, where)
            continue
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not (is_list if key in _LISTS else isinstance(value, str)):
            text = "a list of text" if key in _LISTS else "text"
            raise ConfigBadValue(where, f"providers.{name}.{key}", repr(value), text)
    kind = content.get("kind", name if name in KINDS else "compatible")
    if kind not in KINDS:
        raise ConfigBadValue(where, f"providers.{name}.kind", kind, f"one of {', '.join(KINDS)}")
    for dialect in content.get("speaks", ()):
        if dialect not in SPEAKS:
            wanted = f"of {', '.join(SPEAKS)}"
            raise ConfigBadValue(where, f"providers.{name}.speaks", dialect, wanted)
    base_url = str(content.get("base_url", BASE_URLS.get(kind, ""))).rstrip("/")
    if kind != "sim" and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", base_url):
        raise ConfigBadValue(
            where,
            f"providers.{name}.base_url",
            base_url,
            "http:// or https://, a host, and no password",
        )
    lists = {key: tuple(content.get(key, ())) for key in _LISTS}
    apart = ("kind", "base_url", "aliases", *_LISTS)
    rest = {key: content[key] for key in content if key not in apart}
    aliases = tuple(content.get("aliases", {}).items())
    return Provider(name, kind, base_url, aliases=aliases, **{**rest, **lists})


def _check_aliases(name: str, value: Any, where: str) -> None:
    """Raise `ConfigBadValue` unless `value` is a table of names to names."""
    texts = [*value, *value.values()] if isinstance(value, dict) else [None]
    if not all(isinstance(one, str) and one.strip() for one in texts):
        wanted = 'a table of names, such as { "my-gpt" = "gpt-4o" }'
        raise ConfigBadValue(where, name, repr(value), wanted)


def credential(provider: Provider, environment: Mapping[str, str]) -> str:
    """The provider's key, or "" where none is named. Raises `NoCredential`, never with a value."""
    origin = provider.key_origin
    if provider.api_key_env:
        key = environment.get(provider.api_key_env, "")
        why = "the variable is not set"
    elif provider.api_key_file:
        why = "the file is empty"
        try:
            key = Path(provider.api_key_file).expanduser().read_text("utf-8").strip()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise NoCredential(provider.name, origin, why) from None
        except UnicodeDecodeError:
            raise NoCredential(provider.name, origin, _NOT_TEXT) from None
    elif provider.api_key_cmd:
        key, why = _printed(provider), "the command printed nothing"
    else:
        return ""
    if not key:
        raise NoCredential(provider.name, origin, why)
    if not key.isascii() or not key.isprintable():
        raise NoCredential(provider.name, origin, _NOT_TEXT)
    return key


def _printed(provider: Provider) -> str:
    import shlex
    import subprocess

    try:
        done = subprocess.run(
            shlex.split(provider.api_key_cmd),
            capture_output=True,
            check=True,
            timeout=CREDENTIAL_CMD_SECONDS_MAX,
            text=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = type(error).__name__
        raise NoCredential(provider.name, provider.key_origin, f"it failed ({why})") from None
    return done.stdout.strip()
