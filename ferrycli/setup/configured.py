"""What the operator has configured, as facts to show and to check; nothing is reached for.

Reads credentials where that is asked for, and never gives one away.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

from ferrycli.report.checked import FAULT, OK, Checked
from ferrycli.report.config import ChannelFacts, ConfigFacts, OptionFacts, ProviderFacts
from ferrycli.rules.channels import APPRISE, Channel
from ferrycli.rules.errors import ChannelUnusable, NoCredential
from ferrycli.settings import (
    Provider,
    Settings,
    credentials,
    default_config_path,
    goes_to,
    secrets_of,
)


def config_facts(settings: Settings) -> ConfigFacts:
    """Everything that the operator wrote, for `report.config`."""
    return ConfigFacts(
        path=None if settings.config_path is None else str(settings.config_path.absolute()),
        looked_for=str(default_config_path()),
        database=str(settings.database),
        options=tuple(
            OptionFacts(name, value, settings.origins[name])
            for name, value in settings.values.items()
        ),
        providers=tuple(
            ProviderFacts(
                one.name,
                one.kind,
                one.base_url,
                one.key_origin,
                one.models,
                one.catalogue,
                settings.provider_origins[one.name],
                one.aliases,
            )
            for one in settings.providers
        ),
        channels=tuple(
            ChannelFacts(
                one.name, one.kind, goes_to(one), one.variables, f"file {settings.config_path}"
            )
            for one in settings.channels
        ),
    )


def check_config(settings: Settings) -> tuple[list[Checked], list[Checked]]:
    """The config, which was read without an error, its channels, and each provider's key."""
    found = credentials(settings)
    keys = [key_checked(one, found[one.name]) for one in settings.providers]
    return [config_checked(settings), *channels_checked(settings)], keys


def config_checked(settings: Settings) -> Checked:
    """Which file was read, and how much it and the environment say."""
    changed = sum(origin != "default" for origin in settings.origins.values())
    counts = f"{_counted(changed, 'option')} set, {_counted(len(settings.providers), 'provider')}"
    if settings.channels:
        counts += f", {_counted(len(settings.channels), 'channel')}"
    if settings.config_path is not None:
        return Checked("config", OK, f"{settings.config_path.absolute()}: {counts}")
    return Checked("config", OK, f"no file at {default_config_path()}: {counts}")


def key_checked(provider: Provider, key: str | NoCredential) -> Checked:
    """Whether a provider's key can be had."""
    if provider.kind == "sim":
        return Checked(provider.name, OK, "")
    if isinstance(key, NoCredential):
        return Checked(provider.name, FAULT, f"no key: {key.why}", key.exit_code, key.origin)
    return Checked(provider.name, OK, "", key_from=provider.key_origin)


def channels_checked(settings: Settings) -> list[Checked]:
    """Whether each channel has what it needs; nothing is sent."""
    return [_channel_checked(one, settings) for one in settings.channels]


def _channel_checked(channel: Channel, settings: Settings) -> Checked:
    subject = f"channel {channel.name}"
    try:
        secrets = secrets_of(channel, settings.environment)
    except ChannelUnusable as error:
        return Checked(subject, FAULT, f"{error.origin}: {error.why}", error.exit_code)
    if channel.argv:
        program, path = channel.argv[0], secrets.environment.get("PATH", os.defpath)
        if shutil.which(program, path=path) is None:
            return Checked(subject, FAULT, f"there is no program {program}", 5)
    if channel.kind == APPRISE and importlib.util.find_spec("apprise") is None:
        said = "apprise is not installed: `pip install 'ferry-gateway[apprise]'`"
        return Checked(subject, FAULT, said, 5)
    return Checked(subject, OK, f"{channel.kind}: {goes_to(channel)}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
