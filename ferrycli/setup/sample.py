"""`sample-config.toml`, made from the table of settings; a test compares the file with this."""

from __future__ import annotations

from typing import Any

from ferrycli import settings


def sample() -> str:
    """`sample-config.toml`: every option with its default and meaning."""
    lines = [
        "# ferry reads this file from its config directory, or from --config or FERRY_CONFIG.",
        "# Everything is optional: this is the default of each value. Flags and FERRY_… variables",
        "# come before the file. Keys, budgets and prices are not here: commands change those.",
    ]
    table = ""
    for option in settings.OPTIONS:
        if option.table != table:
            table = option.table
            lines += ["", f"[{table}]"]
        shown = _toml(option.default)
        choices = f" ({' or '.join(option.choices)})" if option.choices else ""
        lines.append(f"{f'{option.key} = {shown}':<34} # {option.meaning}{choices}")
    lines += [
        "",
        "# A provider is used as `openai/gpt-…`. OPENAI_API_KEY, ANTHROPIC_API_KEY,",
        "# GEMINI_API_KEY, OPENROUTER_API_KEY and AWS_BEARER_TOKEN_BEDROCK each make one without",
        "# this file. Kinds are",
        f"# {', '.join(settings.KINDS)};",
        "# compatible is anything that speaks like OpenAI.",
        "#",
        "# [providers.openai]",
    ]
    examples = {
        "kind": "openai",
        "base_url": settings.BASE_URLS["openai"],
        "api_key_env": "OPENAI_API_KEY",
        "api_key_file": "/run/secrets/openai",
        "api_key_cmd": "pass show openai",
        "models": ["gpt-*"],
        "catalogue": "openai",
        "speaks": ["responses"],
        "aliases": {"my-gpt": "gpt-4o"},
    }
    for key, meaning in settings.PROVIDER_KEYS.items():
        lines.append(f"# {f'{key} = {_toml(examples[key])}':<38} # {meaning}")
    return "\n".join([*lines, *_channels()]) + "\n"


_CHANNELS: dict[str, dict[str, Any]] = {
    "ops": {"kind": "webhook", "url_env": "OPS_WEBHOOK", "secret_env": "OPS_WEBHOOK_SECRET"},
    "team": {"kind": "slack", "url_env": "SLACK_WEBHOOK"},
    "mail": {
        "kind": "email",
        "host": "smtp.example.com",
        "port": 587,
        "starttls": True,
        "user": "ferry",
        "password_env": "SMTP_PASSWORD",
        "from": "ferry@example.com",
        "to": ["ops@example.com"],
    },
    "desk": {"kind": "command", "argv": ["logger", "-t", "ferry"], "env": ["SYSLOG_HOST"]},
    "phone": {"kind": "apprise", "url_env": "PHONE_URL"},
}


def _channels() -> list[str]:
    """A channel of each kind; a meaning stands where its key comes first."""
    lines = [
        "",
        "# A channel carries notices to the owner of a budget who is named like it, for the rule",
        "# `80% notify ops`, or as `default` in `[alerts]`. docs/notices.md says more.",
    ]
    told: set[str] = set()
    for name, content in _CHANNELS.items():
        lines += ["#", f"# [channels.{name}]"]
        for key, value in content.items():
            meaning = "" if key in told else f" # {settings.CHANNEL_KEYS[key]}"
            told.add(key)
            lines.append(f"# {f'{key} = {_toml(value)}':<38}{meaning}".rstrip())
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)
