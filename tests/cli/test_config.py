"""`ferry config`: every value with its origin, what is unsound and its code, and no secret."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from ferrycli.settings import OPTIONS
from tests.cli.driver import Ferry

SECRET = "sk-canary-4777"

CONFIG = f"""
[server]
listen = "127.0.0.1:8080"
hosts = ["ferry.example", "ferry.internal"]

[providers.openai]
api_key_env = "OPENAI_API_KEY"

[providers.of-the-house]
base_url = "http://llama.of-the-house.internal:11434/a/long/way/down/v1"
api_key_cmd = "echo {SECRET}"
models = ["llama*", "qwen*"]
catalogue = "groq"
aliases = {{ "small" = "llama-3.1-8b-instant" }}

[providers.sim]
kind = "sim"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A config of three providers; those that need a key have one."""
    written = tmp_path / "ferry.toml"
    written.write_text(CONFIG)
    return written


def environment(path: Path) -> dict[str, str]:
    return {"FERRY_CONFIG": str(path), "OPENAI_API_KEY": SECRET, "NO_COLOR": "1"}


# show ----------------------------------------------------------------------------------------


def test_the_tables_show_every_value_and_its_origin(ferry: Ferry, path: Path) -> None:
    said = ferry("config", "show", columns=100, environment=environment(path))
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[1:3] == [f"  config    {path}", f"  database  {ferry.database}"]
    shown = {line.split()[0]: line for line in lines[4:] if line}
    for option in OPTIONS:
        name = f"{option.table}.{option.key}"
        origins = {
            "server.listen": "file",
            "server.hosts": "file",
            "server.database": "env FERRY_DATABASE",
            "server.timezone": "env FERRY_TIMEZONE",
        }
        assert shown[name].endswith(f"  {origins.get(name, 'default')}")
    assert "  ferry.example,ferry.internal  " in shown["server.hosts"]
    wanted = ["https://api.openai.com/v1", "env", "OPENAI_API_KEY", "file"]
    assert shown["openai"].split()[2:] == wanted
    assert "  command echo …      file" in shown["of-the-house"]


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_the_tables_fit_the_terminal(ferry: Ferry, path: Path, columns: int) -> None:
    said = ferry("config", "show", columns=columns, environment=environment(path))
    # A path is there to be copied: it is not cut.
    lines = [line for line in said.out.splitlines() if not line.startswith(("  conf", "  data"))]
    assert max(map(len, lines)) <= columns
    for name in ("server.listen", "openai", "of-the-house", "sim"):
        assert any(line.startswith(f"  {name} ") for line in lines)


def test_without_a_file_and_a_provider_it_says_what_makes_them(ferry: Ferry) -> None:
    said = ferry("config", "show", columns=80)
    usual = Path.home() / ".config" / "ferry" / "ferry.toml"
    assert f"none; it would be {usual}" in " ".join(said.out.split())
    assert "No provider: the simulated one answers." in said.out


def test_programs_get_every_value_whole(ferry: Ferry, path: Path) -> None:
    given = environment(path)
    told = ferry("config", "show", "--json", environment=given).json
    assert (told["schema"], told["path"]) == ("ferry.config/1", str(path))
    assert told["database"] == str(ferry.database)
    options = {one["name"]: (one["value"], one["origin"]) for one in told["options"]}
    assert list(options) == [f"{option.table}.{option.key}" for option in OPTIONS]
    assert options["server.hosts"] == (["ferry.example", "ferry.internal"], f"file {path}")
    assert options["server.grace_s"] == (30, "default")
    assert options["server.behind_proxy"] == (False, "default")
    assert options["server.timezone"] == ("Europe/Berlin", "env FERRY_TIMEZONE")
    assert told["providers"][1] == {
        "name": "of-the-house",
        "kind": "compatible",
        "base_url": "http://llama.of-the-house.internal:11434/a/long/way/down/v1",
        "key_from": "command echo …",
        "models": ["llama*", "qwen*"],
        "catalogue": "groq",
        "aliases": {"small": "llama-3.1-8b-instant"},
        "origin": f"file {path}",
    }
    rows = [
        line.split("\t") for line in ferry("config", "show", environment=given).out.splitlines()
    ]
    assert rows[0] == ["name", "value", "origin"]
    assert ["server.hosts", "ferry.example,ferry.internal", f"file {path}"] in rows
    assert ["database", str(ferry.database), ""] in rows
    assert ["providers.of-the-house.models", "llama*,qwen*", f"file {path}"] in rows
    aliases = ["providers.of-the-house.aliases", "small = llama-3.1-8b-instant", f"file {path}"]
    assert aliases in rows


def test_a_flag_is_an_origin_too(ferry: Ferry, tmp_path: Path) -> None:
    told = ferry("--db", str(tmp_path / "x.db"), "config", "show", "--json").json
    (option,) = (one for one in told["options"] if one["name"] == "server.database")
    assert option == {
        "name": "server.database",
        "value": str(tmp_path / "x.db"),
        "origin": "flag --db",
    }


def test_a_well_known_variable_makes_a_provider_with_that_origin(ferry: Ferry) -> None:
    told = ferry("config", "show", "--json", environment={"GEMINI_API_KEY": SECRET}).json
    (provider,) = told["providers"]
    assert provider["origin"] == provider["key_from"] == "env GEMINI_API_KEY"


# check ---------------------------------------------------------------------------------------


def test_a_sound_config_is_said_to_be(ferry: Ferry, path: Path) -> None:
    said = ferry("config", "check", columns=80, environment=environment(path))
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[1] == "  everything is in order"
    assert f"{path}: 4 options set, 3 providers" in " ".join(said.out.split())
    assert "    ✓ openai        env OPENAI_API_KEY" in lines
    assert "    ✓ sim           in process" in lines


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ('api_key_env = "NO_SUCH_KEY"', "no key: the variable is not set"),
        ('api_key_file = "/no/such/file"', "no key: no such file or directory"),
        ('api_key_cmd = "true"', "no key: the command printed nothing"),
    ],
)
def test_a_key_that_cannot_be_had_exits_4(ferry: Ferry, path: Path, key: str, told: str) -> None:
    path.write_text(f'[providers.up]\nbase_url = "http://127.0.0.1:9"\n{key}\n')
    said = ferry("config", "check", columns=80, environment=environment(path))
    assert said.code == 4
    assert "  1 fault\n" in said.out
    assert told in " ".join(said.out.split())
    told_json = ferry("config", "check", "--json", environment=environment(path))
    assert told_json.code == 4
    assert (told_json.json["schema"], told_json.json["is_sound"]) == ("ferry.config-check/1", False)
    assert told_json.json["exit_code"] == 4
    (up,) = (one for one in told_json.json["providers"] if one["subject"] == "up")
    assert (up["state"], up["said"]) == ("fault", told)
    rows = ferry("config", "check", environment=environment(path)).out.splitlines()
    assert rows[0] == "subject\tstate\tkey_from\tsaid\tstatus\ttook_ms"
    assert any(row.startswith("up\tfault\t") and told in row for row in rows)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server]\nlisen = 1\n", "has an unknown key `lisen` in `[server]`"),
        ('[server]\nlisten = "here"\n', "`here` is no value for `server.listen`"),
        ("[server\n", "cannot read"),
    ],
)
def test_a_config_that_cannot_be_used_is_an_error(
    ferry: Ferry, path: Path, text: str, sentence: str
) -> None:
    path.write_text(text)
    for command in (["check"], ["check", "--json"], ["show"]):
        said = ferry("config", *command, environment=environment(path))
        assert (said.code, said.out) == (2, "")
        assert sentence in said.err.splitlines()[0]


# channels ------------------------------------------------------------------------------------

CHANNELS = f"""
[alerts]
default = "ops"
[channels.ops]
kind = "webhook"
url_env = "OPS_WEBHOOK"
secret_env = "OPS_SECRET"
[channels.hook]
kind = "webhook"
url = "https://hooks.example/{SECRET}"
[channels.mail]
kind = "email"
host = "smtp.example"
from = "ferry@acme.io"
user = "ferry"
password_env = "SMTP_PASSWORD"
to = ["ops@acme.io"]
[channels.pager]
kind = "command"
argv = ["true", "--token", "{SECRET}"]
"""
SET = {
    "OPS_WEBHOOK": f"https://hooks.example/{SECRET}",
    "OPS_SECRET": SECRET,
    "SMTP_PASSWORD": SECRET,
}


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_channels_are_shown_by_where_they_go(ferry: Ferry, path: Path, columns: int) -> None:
    path.write_text(CHANNELS)
    given = {"FERRY_CONFIG": str(path), "NO_COLOR": "1", **SET}
    said = ferry("config", "show", columns=columns, environment=given)
    assert said.code == 0
    lines = [line for line in said.out.splitlines() if not line.startswith(("  conf", "  data"))]
    assert max(map(len, lines)) <= columns
    shown = {line.split()[0]: line for line in lines if line}
    assert "env OPS_WEBHOOK" in shown["ops"]
    assert "https://h" in shown["hook"]
    assert "true …" in shown["pager"]
    if columns == 100:
        assert "ops@acme.io by smtp.example:587" in shown["mail"]
        assert shown["mail"].rstrip().endswith("SMTP_PASSWORD")
    assert SECRET not in said.out


def test_programs_get_channels_without_their_secrets(ferry: Ferry, path: Path) -> None:
    path.write_text(CHANNELS)
    given = {"FERRY_CONFIG": str(path), **SET}
    said = ferry("config", "show", "--json", environment=given)
    assert said.json["channels"][0] == {
        "name": "ops",
        "kind": "webhook",
        "goes_to": "env OPS_WEBHOOK",
        "needs": ["OPS_WEBHOOK", "OPS_SECRET"],
        "origin": f"file {path}",
    }
    rows = ferry("config", "show", environment=given)
    assert f"channels.mail.needs\tSMTP_PASSWORD\tfile {path}" in rows.out.splitlines()
    assert SECRET not in said.out + rows.out


def test_channels_that_have_what_they_need_are_sound(ferry: Ferry, path: Path) -> None:
    path.write_text(CHANNELS)
    given = {"FERRY_CONFIG": str(path), "NO_COLOR": "1", **SET}
    said = ferry("config", "check", columns=100, environment=given)
    assert (said.code, said.out.splitlines()[1]) == (0, "  everything is in order")
    assert "0 providers, 4 channels" in " ".join(said.out.split())
    assert "webhook: env OPS_WEBHOOK" in said.out
    assert SECRET not in said.out


@pytest.mark.parametrize(
    ("text", "given", "code", "told"),
    [
        (
            '[channels.x]\nkind = "slack"\nurl_env = "SLACK"\n',
            {},
            4,
            "env SLACK: the variable is not set",
        ),
        (
            '[channels.x]\nkind = "slack"\nurl_env = "SLACK"\n',
            {"SLACK": SECRET},
            4,
            "env SLACK: it is no address that begins with https:// or http://",
        ),
        (
            f'[channels.x]\nkind = "command"\nargv = ["no-such-program-4777", "{SECRET}"]\n',
            {},
            5,
            "there is no program no-such-program-4777",
        ),
        (
            '[channels.x]\nkind = "apprise"\nurl_env = "PHONE"\n',
            {"PHONE": f"tgram://{SECRET}"},
            5,
            "apprise is not installed: `pip install 'ferry-gateway[apprise]'`",
        ),
    ],
)
def test_a_channel_that_lacks_something_is_a_fault(
    ferry: Ferry,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    given: dict[str, str],
    code: int,
    told: str,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    path.write_text(text)
    said = ferry("config", "check", "--json", environment={"FERRY_CONFIG": str(path), **given})
    assert said.code == code
    (found,) = (one for one in said.json["checks"] if one["subject"] == "channel x")
    assert (found["state"], found["said"]) == ("fault", told)
    assert SECRET not in said.out


# path ----------------------------------------------------------------------------------------


def test_the_path_is_that_of_the_file_in_use(ferry: Ferry, path: Path) -> None:
    assert ferry("config", "path", environment=environment(path)).out == f"{path}\n"
    assert ferry("--config", str(path), "config", "path").out == f"{path}\n"
    # Whoever looks for a file that cannot be read must find it.
    path.write_text("[server\n")
    said = ferry("config", "path", environment=environment(path))
    assert (said.code, said.out, said.err) == (0, f"{path}\n", "")


def test_a_path_where_no_file_is_says_so(ferry: Ferry, tmp_path: Path) -> None:
    said = ferry("config", "path")
    usual = Path.home() / ".config" / "ferry" / "ferry.toml"
    assert (said.code, said.out) == (0, f"{usual}\n")
    assert said.err.startswith("there is no such file: options are their defaults")
    gone = str(tmp_path / "gone.toml")
    said = ferry("--config", gone, "config", "path")
    assert (said.code, said.out, said.err) == (0, f"{gone}\n", "there is no such file\n")
    usual.parent.mkdir(parents=True)
    usual.touch()
    assert ferry("config", "path").err == ""


# secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [0, 100])
@pytest.mark.parametrize(
    "arguments",
    [
        ["config", "show"],
        ["config", "show", "--json"],
        ["config", "check"],
        ["config", "check", "--json"],
        ["config", "path"],
        ["serve", "--check", "--listen", "127.0.0.1:0"],
        ["serve", "--check", "--json", "--listen", "127.0.0.1:0"],
    ],
)
def test_no_secret_is_ever_shown(
    ferry: Ferry, path: Path, arguments: list[str], columns: int
) -> None:
    # At an address of this machine, so that nothing leaves it.
    path.write_text(CONFIG.replace("llama.of-the-house.internal:11434", "127.0.0.1:9"))
    openai = '[providers.openai]\nbase_url = "http://127.0.0.1:9/v1"'
    path.write_text(path.read_text().replace("[providers.openai]", openai))
    said = ferry(*arguments, columns=columns, environment=environment(path))
    assert said.out
    assert SECRET not in said.out + said.err


# serve --check -------------------------------------------------------------------------------


def checked(ferry: Ferry, path: Path, *more: str, columns: int = 0) -> tuple[int, str]:
    given = ["serve", "--check", "--listen", "127.0.0.1:0", *more]
    # No well-known variable: what it would make is not on this machine.
    environment = {"FERRY_CONFIG": str(path), "NO_COLOR": "1", "UP": SECRET}
    said = ferry(*given, columns=columns, environment=environment)
    assert said.err == ""
    return said.code, said.out


def test_a_server_that_would_start_without_providers_is_in_order(ferry: Ferry, path: Path) -> None:
    path.write_text("")
    code, out = checked(ferry, path, columns=80)
    assert (code, out.splitlines()[1]) == (0, "  it would start: everything is in order")
    assert not ferry.database.exists()


def test_a_provider_out_of_reach_is_told_in_every_form(ferry: Ferry, path: Path) -> None:
    path.write_text('[providers.up]\nbase_url = "http://127.0.0.1:9/v1"\napi_key_env = "UP"\n')
    code, out = checked(ferry, path, columns=80)
    assert code == 5
    assert out.splitlines()[1] == "  it would start: 1 fault"
    assert "    ✗ up         env UP    unreachable: connection refused" in out
    code, out = checked(ferry, path, "--json")
    told = json.loads(out)
    assert (code, told["schema"], told["exit_code"]) == (5, "ferry.serve-check/1", 5)
    assert [one["subject"] for one in told["checks"]] == ["config", "database", "address"]
    assert told["providers"][0]["status"] is None
    code, out = checked(ferry, path)
    assert (code, len(out.splitlines())) == (5, 5)


def test_a_server_that_would_not_start_is_told(ferry: Ferry, path: Path) -> None:
    path.write_text("")
    ferry.database.write_bytes(b"not a database at all" * 99)
    code, out = checked(ferry, path, columns=80)
    assert (code, out.splitlines()[1]) == (6, "  it would not start: 1 fault")


def test_beside_a_running_server_that_is_said_and_no_fault(ferry: Ferry, path: Path) -> None:
    path.write_text("")
    assert ferry("keys", "create", "--tenant", "acme").code == 0
    with closing(sqlite3.connect(ferry.database)) as connection:
        row = ("i", "127.0.0.1:4777", time.time_ns() // 1000)
        connection.execute(
            "INSERT INTO instances (id, address, heartbeat_at) VALUES (?, ?, ?)", row
        )
        connection.commit()
    code, out = checked(ferry, path, columns=80)
    assert (code, out.splitlines()[1]) == (0, "  a server runs already: 1 note")


def test_json_without_check_is_a_mistake(ferry: Ferry) -> None:
    said = ferry("serve", "--json")
    assert (said.code, said.err.splitlines()[0]) == (2, "error: `--json` goes with `--check`")
