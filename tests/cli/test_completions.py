"""`completions/`: what the commands say, and what TAB makes of a line in the shells themselves.

bash is asked twice: for what it would offer (a table of lines), and, like every other shell that
is there, by typing at its prompt.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from ferrycli.cli import completions_bash, completions_fish, completions_powershell, completions_zsh
from ferrycli.cli.completions import LEADING_TO_DATABASE, Tree, tree
from ferrycli.cli.main import GLOBAL_WITH_VALUE, app
from ferrycli.store import changes
from ferrycli.store.sums import GROUPS
from tests.cli.filled import call, fill

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "completions"
SCRIPTS: dict[str, Callable[[Tree], str]] = {
    "ferry.bash": completions_bash.script,
    "_ferry": completions_zsh.script,
    "ferry.fish": completions_fish.script,
    "ferry.ps1": completions_powershell.script,
}
SECONDS_MAX = 60

BASH = shutil.which("bash") or ""
BREAKS = " \t\n\"'@><=;|&(:"
"""Where bash parts words unless it was told otherwise."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_made_from_the_commands(name: str) -> None:
    written = (FOLDER / name).read_text("utf-8")
    assert written == SCRIPTS[name](tree()), "write it anew: python -m tests.cli.test_completions"


def everything(command: Any) -> Iterator[str]:
    """Each command and option as the parser has them, not as the scripts' makers read them."""
    for parameter in command.params:
        if parameter.param_type_name == "option":
            yield from parameter.opts
    for name, child in getattr(command, "commands", {}).items():
        yield name
        yield from everything(child)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_knows_every_command_and_option(name: str) -> None:
    script = (FOLDER / name).read_text("utf-8")
    # fish names an option without its dashes.
    script = re.sub(r"-l ([a-z])", r"--\1", script)
    known = set(re.findall(r"[\w-]+", script))
    assert set(everything(typer.main.get_command(app))) - known == set()


def test_a_name_is_a_flag_in_every_command_or_in_none() -> None:
    # fish goes by the name alone when it looks for the words that are no values.
    takes: dict[str, set[bool]] = {}
    for (_, name), values in tree().places().items():
        takes.setdefault(name, set()).add(values is not None)
    assert {name for name, both in takes.items() if len(both) > 1} == set()


def test_what_leads_to_the_database_is_taken_by_every_command() -> None:
    assert set(LEADING_TO_DATABASE) <= set(GLOBAL_WITH_VALUE)


def test_the_wheel_ships_every_script() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    build = project["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"]["shared-data"] == {
        "completions/ferry.bash": "share/bash-completion/completions/ferry",
        "completions/_ferry": "share/zsh/site-functions/_ferry",
        "completions/ferry.fish": "share/fish/vendor_completions.d/ferry.fish",
        "completions/ferry.ps1": "share/ferry/ferry.ps1",
    }
    assert "/completions" in build["sdist"]["include"]


# What bash would offer ----------------------------------------------------------------------

HOSTILE = (
    "$(touch ran)",
    "`touch ran`",
    "acme;touch ran",
    "acme|touch ran",
    "acme&touch",
    "acme>ran",
    "acme ran",
    "acme\ttab",
    "acme\nline",
    "ac'me",
    'ac"me',
    "ac\\me",
    "acme*",
    "{acme,ran}",
    "~acme",
    "!acme",
    "acme#",
    "-acme",
    "--acme=x",
    "=acme",
    "@acme",
    "acme\x1b[31m",
    "acme\u202egro",
    "acme\u2028x",
    "(acme)",
    "<acme",
    "ac^me",
)
"""None of these is offered, in whatever way it came into the database."""

HARMLESS = ("acme", "acme:eu", "acme=1", "ana@acme.io", "acme/web", "müller", "東京", "7d", "a+b%")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ferry`, and a database with names of every kind and those of strangers."""
    made = tmp_path_factory.mktemp("completion")
    database = made / "my ferry.db"
    fill(database)
    changes.create_key(database, changes.KeyPlan("ended", "", "call", {}, (), None, None, "UTC"))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE keys SET revoked_at = 1 WHERE name = 'ended'")
        for number, tenant in enumerate((*HOSTILE, *HARMLESS)):
            at = f"2026-11-23T08:30:{number:02}+00:00"
            call(connection, at, 100 + number, tenant=tenant, provider="router", model="a:free")
        connection.commit()
    (made / "dead.db").write_text("no database")
    (made / "ferry.toml").write_text("[server]\ndatabase = 'my ferry.db'\n")
    (made / "bin").mkdir()
    # At a prompt a line is written down; only the question for names is answered.
    program(
        made / "bin" / "ferry",
        f'[ "$1" != __complete ] || exec "{sys.executable}" -m ferrycli "$@"',
        'printf "%s\\037" "$@" >>"$TYPED"; echo >>"$TYPED"',
    )
    return made


def program(path: Path, *lines: str) -> None:
    """A shell script that can be run."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, as the one where somebody types."""
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("FERRY_DATABASE", str(folder / "my ferry.db"))
    monkeypatch.setenv("TYPED", str(tmp_path / "typed"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(folder)
    return folder


def parted(line: str, breaks: str = BREAKS) -> list[str]:
    """A line's words as bash hands them over: signs of `breaks` stand alone, outside quotes."""
    signs = re.escape("".join(set(breaks) & set("=:@")) or "\0")
    return re.findall(rf"""(?:"[^"]*"?|'[^']*'?|\\.|[^\s"'\\{signs}])+|[{signs}]+""", line)


ASK = """
source "$1"
COMP_LINE=$2 COMP_POINT=$3 COMP_WORDBREAKS=$4
shift 4
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
__ferry ferry "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(line: str, *, breaks: str = BREAKS, point: int | None = None) -> list[str]:
    """What bash offers at the end of `line`, or at `point`, in its own order."""
    words = parted(line, breaks) + ([""] if line.endswith(" ") else [])
    at = str(len(line) if point is None else point)
    done = subprocess.run(
        [BASH, "--norc", "-c", ASK, "bash", str(FOLDER / "ferry.bash"), line, at, breaks, *words],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=True,
    )
    assert done.stderr == ""
    return [each for each in done.stdout.splitlines() if each]


def everywhere() -> list[str]:
    return [name for option in tree().every_option for name in option.names if len(name) > 2]


COMMANDS = [command.words[-1] for command in tree().root.commands]
KEYS = ["create", "list", "show", "set", "revoke", "rotate", "boost"]
SPANS = ["today", "yesterday", "this-week", "last-week", "mtd", "last-month", "24h", "7d"]
TENANTS = sorted({"acme", "globex", *HARMLESS})
POLICED = ["tenant", "user", "assistant", "thread", "feature", "priority"]

OFFERED: dict[str, list[str]] = {
    # Commands.
    "ferry ": COMMANDS,
    "ferry ke": ["keys"],
    "ferry keys ": KEYS,
    "ferry keys s": ["show", "set"],
    "ferry --debug keys ": KEYS,
    "ferry --db x.db keys ": KEYS,
    "ferry --db=x.db keys ": KEYS,
    "ferry keys --db x.db s": ["show", "set"],
    "ferry --db keys k": ["keys"],
    "ferry nonsense ": [],
    # Options: each once, those of every command everywhere.
    "ferry --v": ["--version"],
    "ferry --": ["--version", *everywhere()],
    "ferry keys --": everywhere(),
    "ferry keys show --": ["--json", *everywhere()],
    "ferry keys show acme-web ": ["--json", *everywhere()],
    "ferry keys show --json --": everywhere(),
    "ferry keys show --color always --c": ["--config"],
    "ferry keys show --color=always --c": ["--config"],
    "ferry --color=always keys show --c": ["--config"],
    "ferry keys create --requ": ["--require"],
    "ferry keys create --require user --requ": ["--require"],
    "ferry keys create --tenant acme --t": ["--thread", "--tpm"],
    "ferry keys create --owner --t": [],
    "ferry db path --j": [],
    # After `--` there are no options.
    "ferry keys show -- --": [],
    "ferry keys show -- ac": ["acme-web"],
    # Words.
    "ferry --color ": ["auto", "always", "never"],
    "ferry --color=al": ["always"],
    "ferry keys list --color n": ["never"],
    "ferry keys create --role ": ["call", "read", "admin"],
    "ferry keys create --priority c": ["critical"],
    "ferry keys create --require ": POLICED,
    "ferry keys create --default ": [f"{name}=" for name in POLICED],
    "ferry report --since ": SPANS,
    'ferry report --since "la': ["last-week", "last-month"],
    "ferry report --since='la": ["last-week", "last-month"],
    # Nothing can be known of these.
    "ferry keys create --budget ": [],
    "ferry keys create ": [],
    # Lists: the last part, and nothing twice.
    "ferry report --by ": [*GROUPS],
    "ferry report --by ten": ["tenant"],
    "ferry report --by=ten": ["tenant"],
    "ferry report --by tenant,fe": ["tenant,feature"],
    "ferry report --by=tenant,fe": ["tenant,feature"],
    "ferry report --by tenant,": [f"tenant,{name}" for name in GROUPS if name != "tenant"],
    "ferry report --by tenant,ten": [],
    # Names.
    "ferry keys show ": ["acme-web"],
    "ferry keys revoke e": [],
    "ferry keys set acme-web --name ": [],
    "ferry keys create --tenant ": TENANTS,
    "ferry keys create --tenant=glo": ["globex"],
    'ferry keys create --tenant "glo': ["globex"],
    "ferry keys create --tenant='glo": ["globex"],
    "ferry keys create --tenant ana@": ["acme.io"],
    "ferry keys create --tenant acme:": ["eu"],
    "ferry keys create --tenant acme=": ["1"],
    "ferry keys create --tenant=acme:e": ["eu"],
    "ferry keys create --tenant 'acme:": ["acme:eu"],
    "ferry keys create --tenant mü": ["müller"],
    "ferry keys create --user ": ["8841"],
    "ferry keys create --feature ": ["chat", "support-bot"],
    "ferry keys create --assistant ": [],
    "ferry keys create --thread th": ["th_9f2c"],
    "ferry keys create --model sim/": ["sim/flaky", "sim/large", "sim/small"],
    "ferry prices show openai/": ["openai/gpt-5-mini"],
    "ferry prices show router/a": ["router/a:free"],
    "ferry prices show router/a:": ["free"],
    "ferry calls show c_01M7W": ["c_01M7W9SYW0E008180000000000"],
    # The database that the line names.
    "ferry --db dead.db keys show ": [],
    "ferry --db none.db keys show ": [],
    "ferry --db=none.db keys show ": [],
    "ferry keys --db 'none.db' show ": [],
    "ferry --config dead.db keys show ": [],
    # Files.
    "ferry --db dea": ["dead.db"],
    "ferry --db=dea": ["dead.db"],
    "ferry --config ./dea": ["./dead.db"],
}


@pytest.mark.parametrize("line", OFFERED)
def test_bash_offers(here: Path, line: str) -> None:
    assert sorted(offered(line)) == sorted(OFFERED[line])


@pytest.mark.parametrize(
    "line",
    [
        "ferry --db 'my ferry.db' keys show ",
        'ferry --db "my ferry.db" keys show ac',
        r"ferry --db my\ ferry.db keys show ",
        "ferry --db='my ferry.db' keys show ",
        r"ferry keys show --db=my\ ferry.db ",
        "ferry --db dead.db keys show --db 'my ferry.db' ",
        "ferry --config ferry.toml keys show ",
        "ferry keys --config=ferry.toml show ",
    ],
)
def test_bash_asks_the_database_that_the_line_names(
    here: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FERRY_DATABASE")
    assert offered(line) == ["acme-web"]


@pytest.mark.parametrize(
    ("line", "breaks", "names"),
    [
        ("ferry report --by=ten", " \t\n", ["--by=tenant"]),
        ("ferry keys create --tenant acme:e", " \t\n=", ["acme:eu"]),
        ("ferry keys create --tenant=acme:e", " \t\n=", ["acme:eu"]),
        ("ferry keys create --tenant=acme:e", " \t\n:", ["eu"]),
        ("ferry keys create --tenant ana@", " \t\n=:", ["ana@acme.io"]),
    ],
)
def test_bash_may_part_words_at_other_signs(
    here: Path, line: str, breaks: str, names: list[str]
) -> None:
    assert offered(line, breaks=breaks) == names


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("ferry ke^ys show", ["keys"]),
        ("ferry keys ^show", KEYS),
        ("ferry report --by=ten^ant --json", ["tenant"]),
        ("ferry --color ^ keys list", ["auto", "always", "never"]),
    ],
)
def test_bash_offers_what_fits_at_the_cursor(here: Path, line: str, names: list[str]) -> None:
    assert offered(line.replace("^", ""), point=line.index("^")) == names


@pytest.mark.parametrize("begun", ["", "a", "$", "`", "'", '"', "{", "~", "!", "(", "-", "=", "@"])
def test_no_name_of_a_stranger_is_offered_or_run(here: Path, begun: str) -> None:
    names = offered(f"ferry keys create --tenant {begun}")
    assert set(names) & set(HOSTILE) == set()
    assert all(re.fullmatch(r"[-\w./:@+%=]+", name) for name in names)
    assert not (here / "ran").exists()


def test_bash_runs_nothing_that_it_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lying = here / "lying"
    lying.mkdir()
    (lying / "told").write_text("\n".join(HOSTILE))
    program(lying / "ferry", f'cat "{lying}/told"')
    monkeypatch.setenv("PATH", f"{lying}{os.pathsep}{os.environ['PATH']}")
    assert "$(touch ran)" in offered("ferry keys show ")
    assert not (here / "ran").exists()


@pytest.mark.parametrize(
    "line",
    [
        'ferry --db "$(touch ran)" keys show ',
        "ferry --db `touch ran` keys show ",
        "ferry --db=$(touch ran) keys show ",
        "ferry keys show $(touch ran)",
        "ferry report --by=$(touch ran)",
    ],
)
def test_bash_runs_nothing_of_the_line_itself(here: Path, line: str) -> None:
    offered(line)
    assert not (here / "ran").exists()


# What a prompt makes of TAB -----------------------------------------------------------------

# Parted by quotes where it is typed, so that the echo is not taken for it.
PROMPT, PROMPT_TYPED = "ready> ", "'rea''dy> '"
STARTS = {
    "bash": ("--norc --noprofile -i", "source {folder}/ferry.bash; PS1={prompt}"),
    "zsh": ("-f -i", "autoload -Uz compinit; compinit -u -D; source {folder}/_ferry; PS1={prompt}"),
    "fish": (
        "--no-config -i",
        "source {folder}/ferry.fish; function fish_prompt; echo -n {prompt}; end",
    ),
}
"""How a shell is started so that it reads no file of the machine, and what is typed first."""

TYPED: dict[str, str] = {
    "ferry rep\t": "report",
    "ferry keys re\tac\t--y\t": "keys revoke acme-web --yes",
    "ferry keys --col\tal\tli\t": "keys --color always list",
    "ferry report --by=ten\t": "report --by tenant",
    "ferry report --by tenant,fe\t": "report --by tenant,feature",
    "ferry report --si\tyes\t": "report --since yesterday",
    "ferry keys create --tenant ana\t": "keys create --tenant ana@acme.io",
    "ferry keys create --tenant acme:\t": "keys create --tenant acme:eu",
    "ferry keys create --tenant=acme:\t": "keys create --tenant acme:eu",
    "ferry prices show router/\t": "prices show router/a:free",
    "ferry keys create --default ten\tx --js\t": "keys create --default tenant=x --json",
    "ferry keys --debug sh\tac\t": "keys --debug show acme-web",
    "ferry --db dead.db keys show ac\t": "--db dead.db keys show ac",
    "ferry --db dea\tdb pa\t": "--db dead.db db path",
}
"""What is typed, and what then runs: a shell may put a blank or a `=` before a value."""

AT_A_TERMINAL = "import pty, sys; pty.spawn(sys.argv[1:])"


def ran(shell: str, lines: Iterable[str]) -> list[str]:
    """What `ferry` was called with, line by line, by a shell at a terminal."""
    options, first = STARTS[shell]
    program = shutil.which(shell) or ""
    with subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, program, *options.split()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(first.format(folder=FOLDER, prompt=PROMPT_TYPED).encode() + b"\r")
        shown = b""
        for line in (*lines, "exit"):
            while PROMPT.encode() not in shown:
                ready = select.select([process.stdout], [], [], SECONDS_MAX)[0]
                assert ready, f"no prompt after {shown!r}"
                shown += os.read(process.stdout.fileno(), 65_536)
            shown = b""
            process.stdin.write(line.encode() + b"\r")
        process.communicate(timeout=SECONDS_MAX)
    called = Path(os.environ["TYPED"]).read_text("utf-8").splitlines()
    return [
        re.sub("(--[a-z]+)=", r"\1 ", call.strip("\x1f").replace("\x1f", " ")) for call in called
    ]


@pytest.mark.parametrize("shell", STARTS)
def test_what_is_typed_at_a_prompt_runs_completed(here: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not here")
    assert ran(shell, TYPED) == [*TYPED.values()]
    assert not (here / "ran").exists()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, script in SCRIPTS.items():
        (FOLDER / name).write_text(script(tree()), "utf-8")
