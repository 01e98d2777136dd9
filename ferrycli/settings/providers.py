"""Providers as configured, and the credentials that their calls carry.

The file holds names of secrets, never secrets; no error and no origin holds one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferrycli.rules.errors import ConfigBadValue, ConfigUnknownKey, NoCredential
from ferrycli.settings.options import check_table

KINDS = ("openai", "compatible", "sim")
CREDENTIAL_CMD_SECONDS_MAX = 20
_NOT_TEXT = "it is not plain text of one line"

PROVIDER_KEYS = {
    "kind": "openai, compatible (anything that speaks like it) or sim",
    "base_url": "where it is reached; kind openai has a default",
    "api_key_env": "name of the variable that holds its key",
    "api_key_file": "or a file that holds it",
    "api_key_cmd": "or a command that prints it",
    "models": "globs of its models; none: all in the price catalogue",
    "catalogue": "its name in the price catalogue, where it differs",
    "aliases": "names of its own, and what each is priced as",
}


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


def _compatible(name: str, variable: str, catalogue: str, base_url: str) -> Provider:
    return Provider(name, "compatible", base_url, variable, catalogue=catalogue)


WELL_KNOWN: tuple[Provider, ...] = (
    Provider("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    _compatible("anthropic", "ANTHROPIC_API_KEY", "anthropic", "https://api.anthropic.com/v1"),
    _compatible(
        "gemini",
        "GEMINI_API_KEY",
        "google",
        "https://generativelanguage.googleapis.com/v1beta/openai",
    ),
    _compatible("openrouter", "OPENROUTER_API_KEY", "openrouter", "https://openrouter.ai/api/v1"),
    _compatible(
        "bedrock",
        "AWS_BEARER_TOKEN_BEDROCK",
        "aws",
        "https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
    ),
)
"""Providers that exist as soon as their variable does, each at its OpenAI-compatible address."""

BASE_URLS = {"openai": "https://api.openai.com/v1"}


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
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    for usual in WELL_KNOWN:
        if environment.get(usual.api_key_env) and usual.name not in providers:
            base_url = usual.base_url.replace("{region}", region)
            providers[usual.name] = Provider(
                usual.name, usual.kind, base_url, usual.api_key_env, catalogue=usual.catalogue
            )
            origins[usual.name] = f"env {usual.api_key_env}"
    return tuple(providers.values()), origins


def _provider(name: str, content: Any, path: Path | None) -> Provider:
    where = f"file {path}"
    check_table("providers", name, content, path)
    for key, value in content.items():
        if key not in PROVIDER_KEYS:
            raise ConfigUnknownKey(str(path), f"providers.{name}", key, tuple(PROVIDER_KEYS))
        if key == "aliases":
            _check_aliases(f"providers.{name}.aliases", value, where)
            continue
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not (is_list if key == "models" else isinstance(value, str)):
            text = "a list of text" if key == "models" else "text"
            raise ConfigBadValue(where, f"providers.{name}.{key}", repr(value), text)
    kind = content.get("kind", name if name in KINDS else "compatible")
    if kind not in KINDS:
        raise ConfigBadValue(where, f"providers.{name}.kind", kind, f"one of {', '.join(KINDS)}")
    base_url = str(content.get("base_url", BASE_URLS.get(kind, ""))).rstrip("/")
    if kind != "sim" and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", base_url):
        raise ConfigBadValue(
            where,
            f"providers.{name}.base_url",
            base_url,
            "http:// or https://, a host, and no password",
        )
    apart = ("kind", "base_url", "models", "aliases")
    rest = {key: content[key] for key in content if key not in apart}
    aliases = tuple(content.get("aliases", {}).items())
    models = tuple(content.get("models", ()))
    return Provider(name, kind, base_url, models=models, aliases=aliases, **rest)


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
