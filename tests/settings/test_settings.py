"""What the operator wrote: who wins, what is refused and how it is named, where keys come from."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ferrycli import settings
from ferrycli.rules.errors import (
    ConfigBadValue,
    ConfigUnknownKey,
    ConfigUnreadable,
    FerryError,
    NoCredential,
)
from ferrycli.rules.words import words
from ferrycli.settings import (
    OPTIONS,
    WELL_KNOWN,
    Option,
    Provider,
    Settings,
    credential,
    load,
    providers,
)

SECRET = "sk-canary-0123456789"

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of the developer's is read."""
    monkeypatch.setattr(settings, "user_config_path", lambda _name: tmp_path / "config")
    monkeypatch.setattr(settings, "user_data_path", lambda _name: tmp_path / "data")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "ferry.toml"
        path.write_text(text, "utf-8")
        return path

    return written


def named(option: Option) -> str:
    return f"{option.table}.{option.key}"


def variable(option: Option) -> str:
    """By hand: tables that are older than the prefix leave it out."""
    prefix = "" if option.table in ("server", "upstream") else f"{option.table.upper()}_"
    return f"FERRY_{prefix}{option.key.upper()}"


# One value of each option that is not its default, as TOML and as text.
OTHERS: dict[str, tuple[str, str, Any]] = {
    "server.listen": ('"0.0.0.0:80"', "[::1]:0", "0.0.0.0:80"),
    "server.database": ('"a.db"', "b.db", "a.db"),
    "server.timezone": ('"Europe/Berlin"', "Asia/Tokyo", "Europe/Berlin"),
    "server.hosts": ('["a.example"]', "b.example, c.example", ["a.example"]),
    "server.behind_proxy": ("true", "yes", True),
    "server.body_mb_max": ("1", "1024", 1),
    "server.budget_status": ('"402"', "402", "402"),
    "server.budget_wait_s": ("0", "60", 0),
    "server.grace_s": ("0", "3600", 0),
    "upstream.connect_s": ("1", "600", 1),
    "upstream.first_byte_s": ("1", "3600", 1),
    "upstream.idle_s": ("1", "3600", 1),
    "upstream.total_s": ("1", "86400", 1),
    "upstream.on_abort": ('"drain"', "drain", "drain"),
    "upstream.drain_s": ("1", "900", 1),
    "upstream.connections_max": ("1", "2", 1),
    "guard.loop": ('"off"', "block", "off"),
    "guard.same_request_max": ("2", "10000", 2),
    "guard.same_message_max": ("2", "10000", 2),
    "guard.window_s": ("60", "86400", 60),
    "alerts.default": ('"ops"', "desk", "ops"),
}
CHANNELS = """
[channels.ops]
kind = "command"
argv = ["true"]
[channels.desk]
kind = "command"
argv = ["true"]
"""
EVERY = pytest.mark.parametrize("option", OPTIONS, ids=named)


def test_every_option_has_an_example() -> None:
    assert list(OTHERS) == [named(option) for option in OPTIONS]


# Precedence ---------------------------------------------------------------------------------


@EVERY
def test_nothing_written_gives_the_default(option: Option) -> None:
    got = load({})
    assert got.values[named(option)] == option.default
    assert got.origins[named(option)] == "default"


@EVERY
def test_flag_beats_environment_beats_file_beats_default(option: Option, write: Write) -> None:
    toml, text, value = OTHERS[named(option)]
    path = write(f"[{option.table}]\n{option.key} = {toml}\n{CHANNELS}")
    environment = {variable(option): text}
    flags = {named(option): text}

    got = load({}, config=path)
    assert (got.values[named(option)], got.origins[named(option)]) == (value, f"file {path}")

    from_text = load(environment, config=path)
    assert from_text.origins[named(option)] == f"env {variable(option)}"

    from_flag = load(environment | {variable(option): "?"}, config=path, flags=flags)
    flag = "db" if option.key == "database" else option.key.replace("_", "-")
    assert from_flag.origins[named(option)] == f"flag --{flag}"
    assert from_flag.values[named(option)] == from_text.values[named(option)] == typed(option, text)


def typed(option: Option, text: str) -> object:
    """`text` in the type of the option, by hand."""
    if isinstance(option.default, list):
        return [part.strip() for part in text.split(",")]
    if isinstance(option.default, bool):
        return text == "yes"
    return int(text) if isinstance(option.default, int) else text


def test_an_empty_variable_says_nothing(write: Write) -> None:
    path = write('[server]\nlisten = "127.0.0.1:1"\n')
    got = load({"FERRY_LISTEN": ""}, config=path)
    assert got.origins["server.listen"] == f"file {path}"


def test_one_option_does_not_move_another(write: Write) -> None:
    got = load({"FERRY_GRACE_S": "5"}, config=write("[upstream]\nidle_s = 7\n"))
    moved = {name for name, origin in got.origins.items() if origin != "default"}
    assert moved == {"server.grace_s", "upstream.idle_s"}


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:4777", "127.0.0.1", 4777),
        ("[::1]:0", "::1", 0),
        ("a.example:80", "a.example", 80),
    ],
)
def test_an_address_has_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    got = load({}, flags={"server.listen": listen})
    assert (got.host, got.port) == (host, port)


def test_the_zone_is_an_iana_zone() -> None:
    assert load({"FERRY_TIMEZONE": "Asia/Tokyo"}).zone.key == "Asia/Tokyo"


# The file -----------------------------------------------------------------------------------


def test_the_file_is_found_by_flag_then_variable_then_in_the_config_directory(
    tmp_path: Path, write: Write
) -> None:
    usual = settings.default_config_path()
    usual.parent.mkdir()
    usual.write_text("[server]\ngrace_s = 1\n")
    assert load({}).config_path == usual
    other = tmp_path / "other.toml"
    other.write_text("[server]\ngrace_s = 2\n")
    by_variable = load({"FERRY_CONFIG": str(other)})
    assert (by_variable.config_path, by_variable.values["server.grace_s"]) == (other, 2)
    flagged = write("[server]\ngrace_s = 3\n")
    by_flag = load({"FERRY_CONFIG": str(other)}, config=flagged)
    assert (by_flag.config_path, by_flag.values["server.grace_s"]) == (flagged, 3)


def test_without_a_file_there_is_none() -> None:
    assert load({}).config_path is None
    assert load({"FERRY_CONFIG": ""}).config_path is None


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_file_that_was_named_and_is_not_there_is_an_error(tmp_path: Path, how: str) -> None:
    path = tmp_path / "nowhere.toml"
    config = path if how == "flag" else None
    with pytest.raises(ConfigUnreadable) as caught:
        load({"FERRY_CONFIG": str(path)}, config=config)
    assert (caught.value.path, caught.value.why) == (str(path), "no such file or directory")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnreadable):
        load({}, config=tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_an_error(write: Write) -> None:
    path = write("")
    path.chmod(0)
    with pytest.raises(ConfigUnreadable) as caught:
        load({}, config=path)
    assert caught.value.why == "permission denied"


@pytest.mark.parametrize("text", ["[server", "a = ", "[a]\n[a]\n", "x = 1\nx = 2\n", "\x00"])
def test_bad_toml_is_an_error_that_says_where(text: str, write: Write) -> None:
    with pytest.raises(ConfigUnreadable) as caught:
        load({}, config=write(text))
    assert caught.value.why


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ferry.toml"
    path.write_bytes(b'[server]\nlisten = "\xff"\n')
    with pytest.raises(ConfigUnreadable):
        load({}, config=path)


UNKNOWN = [
    ("[server]\nlistem = 1\n", "server", "listem", "listen"),
    ("[upstream]\nconect_s = 1\n", "upstream", "conect_s", "connect_s"),
    ("[sever]\nlisten = 1\n", "", "sever", "server"),
    ("listen = 1\n", "", "listen", ""),
    ("[upstream]\nlisten = 1\n", "upstream", "listen", ""),
    ('[providers.x]\nbase_ulr = "y"\n', "providers.x", "base_ulr", "base_url"),
    ('[providers.x]\napi_key = "y"\n', "providers.x", "api_key", "api_key_env"),
]


@pytest.mark.parametrize(("text", "table", "key", "near"), UNKNOWN)
def test_an_unknown_key_is_an_error_that_names_the_nearest(
    text: str, table: str, key: str, near: str, write: Write
) -> None:
    path = write(text)
    with pytest.raises(ConfigUnknownKey) as caught:
        load({}, config=path)
    error = caught.value
    assert (error.path, error.table, error.key) == (str(path), table, key)
    if near:
        assert near in error.known
        assert f"`{near}`" in words(error).hint


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("server = 5\n", "server"),
        ("[[upstream]]\nidle_s = 1\n", "upstream"),
        ("providers = []\n", "providers"),
        ("[server.listen]\nx = 1\n", "server.listen"),
    ],
)
def test_a_table_that_is_none_is_a_bad_value(text: str, key: str, write: Write) -> None:
    with pytest.raises(ConfigBadValue) as caught:
        load({}, config=write(text))
    assert caught.value.key == key


# Values -------------------------------------------------------------------------------------

BAD_TOML = [
    ("server.listen", "4777"),
    ("server.listen", '"4777"'),
    ("server.listen", '"127.0.0.1"'),
    ("server.listen", '":80"'),
    ("server.listen", '"a b:80"'),
    ("server.listen", '"127.0.0.1:65536"'),
    ("server.listen", '"127.0.0.1:-1"'),
    ("server.listen", '"127.0.0.1:x"'),
    ("server.listen", '"::1:80"'),
    ("server.listen", '""'),
    ("server.database", "5"),
    ("server.database", '"postgresql://user:pass@host/db"'),
    ("server.timezone", '"Mars/Phobos"'),
    ("server.timezone", '"../etc/passwd"'),
    ("server.timezone", '""'),
    ("server.timezone", "1"),
    ("server.hosts", '"a.example"'),
    ("server.hosts", "[1]"),
    ("server.hosts", '["a", 1]'),
    ("server.behind_proxy", '"true"'),
    ("server.behind_proxy", "1"),
    ("server.body_mb_max", "0"),
    ("server.body_mb_max", "1025"),
    ("server.body_mb_max", "1.0"),
    ("server.body_mb_max", "true"),
    ("server.body_mb_max", '"32"'),
    ("server.body_mb_max", "nan"),
    ("server.body_mb_max", "2026-11-20"),
    ("server.budget_status", "429"),
    ("server.budget_status", '"500"'),
    ("server.grace_s", "-1"),
    ("server.grace_s", "3601"),
    ("upstream.connect_s", "0"),
    ("upstream.connections_max", str(2**31 + 1)),
    ("server.budget_wait_s", "61"),
    ("guard.loop", '"stop"'),
    ("guard.loop", "false"),
    ("guard.same_request_max", "1"),
    ("guard.same_message_max", "10001"),
    ("guard.window_s", "59"),
    ("alerts.default", '"ops"'),
    ("alerts.default", "[]"),
]


@pytest.mark.parametrize(("name", "toml"), BAD_TOML)
def test_a_bad_value_is_an_error_that_says_what_it_takes(
    name: str, toml: str, write: Write
) -> None:
    table, key = name.split(".")
    path = write(f"[{table}]\n{key} = {toml}\n")
    with pytest.raises(ConfigBadValue) as caught:
        load({}, config=path)
    error = caught.value
    assert (error.origin, error.key) == (f"file {path}", name)
    assert error.wanted


BAD_TEXT = [
    ("server.behind_proxy", "maybe"),
    ("server.body_mb_max", "x"),
    ("server.body_mb_max", "-1"),
    ("server.body_mb_max", "1.5"),
    ("server.body_mb_max", "9" * 13),
    ("server.body_mb_max", "1025"),
    ("server.listen", "here"),
    ("server.timezone", "here"),
    ("server.budget_status", "200"),
    ("upstream.idle_s", "0"),
]


@pytest.mark.parametrize(("name", "text"), BAD_TEXT)
def test_bad_text_is_an_error_that_names_its_variable_or_flag(name: str, text: str) -> None:
    key = name.split(".")[1]
    with pytest.raises(ConfigBadValue) as caught:
        load({f"FERRY_{key.upper()}": text})
    assert (caught.value.origin, caught.value.key) == (f"env FERRY_{key.upper()}", name)
    with pytest.raises(ConfigBadValue) as caught:
        load({}, flags={name: text})
    assert caught.value.origin == f"flag --{key.replace('_', '-')}"


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("YES", True), ("no", False), ("0", False)]
)
def test_truth_is_written_in_a_few_ways(text: str, value: bool) -> None:
    assert load({"FERRY_BEHIND_PROXY": text}).values["server.behind_proxy"] is value


def test_bounds_belong_to_what_is_allowed(write: Write) -> None:
    for option in OPTIONS:
        if type(option.default) is int:
            for bound in (option.least, option.most):
                got = load({}, config=write(f"[{option.table}]\n{option.key} = {bound}\n"))
                assert got.values[named(option)] == bound


# The database's path ------------------------------------------------------------------------


def test_a_relative_database_is_beside_the_file_that_names_it(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = write('[server]\ndatabase = "data/a.db"\n')
    assert load({}, config=path).database == tmp_path / "data" / "a.db"
    assert load({}, config=write("")).database == tmp_path / "ferry.db"
    assert load({}).database == tmp_path / "data" / "ferry.db"
    # What is typed is relative to where one stands.
    assert load({"FERRY_DATABASE": "b.db"}, config=path).database == elsewhere / "b.db"
    assert load({}, config=path, flags={"server.database": "c.db"}).database == elsewhere / "c.db"


def test_an_absolute_database_is_where_it_says(write: Write, tmp_path: Path) -> None:
    there = tmp_path / "x" / "y.db"
    assert (
        load({}, config=write(f"[server]\ndatabase = {json.dumps(str(there))}\n")).database == there
    )
    assert load({"FERRY_DATABASE": str(there)}).database == there


def test_a_tilde_is_the_users_home(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    got = load({}, config=write('[server]\ndatabase = "~/a.db"\n'))
    assert got.database == tmp_path / "home" / "a.db"


def test_a_config_in_a_relative_place_still_names_a_whole_path(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("")
    monkeypatch.chdir(tmp_path)
    assert load({}, config=Path("ferry.toml")).database == tmp_path / "ferry.db"


# Providers ----------------------------------------------------------------------------------


def provider(got: Settings, name: str) -> Provider:
    return next(one for one in got.providers if one.name == name)


@pytest.mark.parametrize("usual", WELL_KNOWN, ids=lambda usual: usual.name)
def test_a_well_known_variable_makes_its_provider(usual: Provider) -> None:
    got = load({usual.api_key_env: SECRET})
    assert [one.name for one in got.providers] == [usual.name]
    assert got.provider_origins == {usual.name: f"env {usual.api_key_env}"}
    made = got.providers[0]
    assert made.base_url.startswith("https://")
    assert "{" not in made.base_url
    assert made.key_origin == f"env {usual.api_key_env}"
    assert credential(made, got.environment) == SECRET
    assert SECRET not in repr(got)


def test_no_variable_makes_no_provider() -> None:
    assert load({}).providers == ()
    assert load({"OPENAI_API_KEY": ""}).providers == ()


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_REGION": "eu-central-1"}, "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}, "a"),
    ],
)
def test_bedrock_is_asked_in_its_region(environment: Mapping[str, str], region: str) -> None:
    got = load({**environment, "AWS_BEARER_TOKEN_BEDROCK": SECRET})
    assert got.providers[0].base_url == f"https://bedrock-runtime.{region}.amazonaws.com"


def test_a_bedrock_of_the_file_is_asked_in_the_environments_region(tmp_path: Path) -> None:
    path = tmp_path / "ferry.toml"
    path.write_text('[providers.aws]\nkind = "bedrock"\n')
    got = load({"FERRY_CONFIG": str(path), "AWS_REGION": "eu-central-1"})
    assert got.providers[0].base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"


def test_the_file_beats_a_well_known_variable(write: Write) -> None:
    path = write('[providers.openai]\nbase_url = "https://eu.example/v1/"\n')
    got = load({"OPENAI_API_KEY": SECRET, "GEMINI_API_KEY": SECRET}, config=path)
    assert [one.name for one in got.providers] == ["openai", "gemini"]
    assert got.provider_origins["openai"] == f"file {path}"
    assert got.providers[0].base_url == "https://eu.example/v1"
    assert got.providers[0].key_origin == "none"


def test_a_provider_in_the_file_has_what_was_written_and_the_rest_by_kind(write: Write) -> None:
    path = write(
        """
        [providers.openai]
        api_key_env = "WORK_KEY"
        [providers.groq]
        base_url = "https://api.groq.com/openai/v1"
        api_key_file = "key"
        models = ["llama-*", "gpt-oss-*"]
        catalogue = "groq"
        [providers.sim]
        """
    )
    got = load({}, config=path)
    assert provider(got, "openai") == Provider(
        "openai", "openai", "https://api.openai.com/v1", "WORK_KEY"
    )
    assert provider(got, "groq") == Provider(
        "groq",
        "compatible",
        "https://api.groq.com/openai/v1",
        api_key_file="key",
        models=("llama-*", "gpt-oss-*"),
        catalogue="groq",
    )
    assert provider(got, "sim") == Provider("sim", "sim")


def test_names_of_a_provider_s_own_are_priced_as_models(write: Write) -> None:
    path = write(
        """
        [providers.work]
        base_url = "https://acme.openai.azure.com/openai/v1"
        aliases = { "my-gpt" = "gpt-4o", "arn:aws:bedrock:x" = "us.anthropic.claude-opus-5" }
        """
    )
    work = provider(load({}, config=path), "work")
    assert work.priced_as("my-gpt") == "gpt-4o"
    assert work.priced_as("arn:aws:bedrock:x") == "us.anthropic.claude-opus-5"
    assert work.priced_as("gpt-4o") == ""


BAD_PROVIDERS = [
    ('[providers.OpenAI]\nkind = "openai"\n', "providers"),
    ('[providers."a b"]\nkind = "openai"\n', "providers"),
    ('[providers."a/b"]\nkind = "openai"\n', "providers"),
    (f'[providers.{"a" * 41}]\nkind = "openai"\n', "providers"),
    ('[providers]\nopenai = "x"\n', "providers"),
    ('[providers.x]\nkind = "claude"\n', "providers.x.kind"),
    ('[providers.x]\nkind = "azure"\n', "providers.x.base_url"),
    ('[providers.x]\nkind = "openai"\nspeaks = "chat"\n', "providers.x.speaks"),
    ('[providers.x]\nkind = "openai"\nspeaks = ["latin"]\n', "providers.x.speaks"),
    ('[providers.meter]\nkind = "sim"\n', "providers.meter"),
    ("[providers.x]\nkind = 5\n", "providers.x.kind"),
    ("[providers.x]\n", "providers.x.base_url"),
    ('[providers.x]\nbase_url = ""\n', "providers.x.base_url"),
    ('[providers.x]\nbase_url = "api.example"\n', "providers.x.base_url"),
    ('[providers.x]\nbase_url = "ftp://api.example"\n', "providers.x.base_url"),
    ('[providers.x]\nbase_url = "file:///etc/passwd"\n', "providers.x.base_url"),
    ('[providers.x]\nbase_url = "https://a.example/v1?key=x"\n', "providers.x.base_url"),
    ('[providers.x]\nbase_url = "https://a.example/v1#x"\n', "providers.x.base_url"),
    ('[providers.x]\nbase_url = "https://a.example/v 1"\n', "providers.x.base_url"),
    ('[providers.x]\nbase_url = "https://a.example\\r\\nx"\n', "providers.x.base_url"),
    ("[providers.x]\nbase_url = 5\n", "providers.x.base_url"),
    ("[providers.x]\napi_key_env = 5\n", "providers.x.api_key_env"),
    ('[providers.x]\nmodels = "gpt-*"\n', "providers.x.models"),
    ("[providers.x]\nmodels = [1]\n", "providers.x.models"),
    ("[providers.x]\ncatalogue = []\n", "providers.x.catalogue"),
    ('[providers.x]\naliases = "gpt-4o"\n', "providers.x.aliases"),
    ('[providers.x]\naliases = ["gpt-4o"]\n', "providers.x.aliases"),
    ('[providers.x]\naliases = { "a" = 1 }\n', "providers.x.aliases"),
    ('[providers.x]\naliases = { "a" = " " }\n', "providers.x.aliases"),
    ('[providers.x]\naliases = { "" = "gpt-4o" }\n', "providers.x.aliases"),
]


@pytest.mark.parametrize(("text", "key"), BAD_PROVIDERS)
def test_a_bad_provider_is_an_error_that_names_the_key(text: str, key: str, write: Write) -> None:
    with pytest.raises(ConfigBadValue) as caught:
        load({}, config=write(text))
    assert caught.value.key == key


def test_an_address_holds_no_secret(write: Write) -> None:
    with pytest.raises(ConfigBadValue):
        load({}, config=write(f'[providers.x]\nbase_url = "https://u:{SECRET}@a.example/v1"\n'))


# Credentials --------------------------------------------------------------------------------


def key_of(environment: Mapping[str, str] | None = None, **named_by: Any) -> str:
    return credential(
        Provider("x", "compatible", "https://a.example", **named_by), environment or {}
    )


def refused(environment: Mapping[str, str] | None = None, **named_by: str) -> NoCredential:
    with pytest.raises(NoCredential) as caught:
        key_of(environment, **named_by)
    assert caught.value.__cause__ is None
    assert not reveals(caught.value)
    return caught.value


def reveals(error: FerryError) -> bool:
    said = words(error)
    return SECRET in f"{error!r} {error} {vars(error)} {said.sentence} {said.hint}"


def printing(text: str) -> str:
    """A command that prints `text`."""
    return f'"{sys.executable}" -c "print(bytes.fromhex(\'{text.encode().hex()}\').decode())"'


def test_a_credential_is_read_from_where_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"\n {SECRET}\n")
    assert key_of() == ""
    assert key_of({"K": SECRET}, api_key_env="K") == SECRET
    assert key_of(api_key_file=str(file)) == SECRET
    assert key_of(api_key_cmd=printing(SECRET + "\n")) == SECRET


def test_a_credentials_file_may_be_in_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text(SECRET)
    assert key_of(api_key_file="~/key") == SECRET


def test_a_missing_credential_says_where_it_was_looked_for(tmp_path: Path) -> None:
    error = refused(api_key_env="K")
    assert (error.provider, error.origin) == ("x", "env K")
    assert error.why == "the variable is not set"
    assert refused({"K": ""}, api_key_env="K").why == "the variable is not set"
    gone = tmp_path / "gone"
    error = refused(api_key_file=str(gone))
    assert (error.origin, "no such file" in error.why) == (f"file {gone}", True)
    (tmp_path / "empty").write_text(" \n")
    assert refused(api_key_file=str(tmp_path / "empty")).why == "the file is empty"
    assert refused(api_key_file=str(tmp_path)).why
    assert refused(api_key_cmd=printing("")).why == "the command printed nothing"


@pytest.mark.parametrize(
    "text", [f"{SECRET}\nsecond", f"{SECRET}\x00", f"{SECRET}é", f"{SECRET}\x1b"]
)
def test_a_credential_that_would_break_a_header_is_refused_and_not_shown(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(text, "utf-8")
    for error in (
        refused({"K": text}, api_key_env="K"),
        refused(api_key_file=str(file)),
        refused(api_key_cmd=printing(text)),
    ):
        assert error.why == "it is not plain text of one line"


def test_bytes_that_are_no_text_are_no_credential(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(SECRET.encode() + b"\xff")
    refused(api_key_file=str(file))


FAILING = [
    "/no/such/program",
    "unbalanced 'quote",
    f'"{sys.executable}" -c "print(\'{SECRET}\'); raise SystemExit(3)"',
    f'"{sys.executable}" -c "import sys; sys.stdout.buffer.write(bytes([255]))"',
]


@pytest.mark.parametrize("command", FAILING)
def test_a_command_that_fails_is_no_credential(command: str) -> None:
    with pytest.raises(NoCredential) as caught:
        key_of(api_key_cmd=command)
    assert caught.value.why.startswith("it failed (")
    # Neither what it printed is told, nor what it was given.
    assert SECRET not in caught.value.why + caught.value.origin
    assert caught.value.__cause__ is None


def test_of_a_command_only_the_program_is_told() -> None:
    def origin(command: str) -> str:
        return Provider("x", "compatible", api_key_cmd=command).key_origin

    assert origin(f"echo {SECRET}") == "command echo …"
    assert origin("whoami") == "command whoami"
    assert origin(" ") == "none"


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "CREDENTIAL_CMD_SECONDS_MAX", 0.2)
    command = f'"{sys.executable}" -c "import time; time.sleep(60)"'
    assert refused(api_key_cmd=command).why == "it failed (TimeoutExpired)"


def test_a_command_is_no_shell() -> None:
    marked = f'"{sys.executable}" -c "import sys; print(len(sys.argv))" ; echo $HOME'
    assert key_of(api_key_cmd=marked) == "4"


def test_the_environment_is_the_processs() -> None:
    assert settings.system() is os.environ
