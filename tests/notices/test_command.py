"""A command: the JSON on its stdin, few variables, a deadline for it and its children."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from ferrycli.notices.sending import send
from ferrycli.rules.channels import Channel, Secrets
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message
from tests.notices.conftest import NOW

CANARY = "canary-4777"


def channel(*argv: str, timeout_s: int = 10) -> Channel:
    return Channel("pager", "command", argv=argv, timeout_s=timeout_s)


def python(code: str, *more: str, timeout_s: int = 10) -> Channel:
    return channel(sys.executable, "-c", code, *more, timeout_s=timeout_s)


def run(written: Message, command: Channel, **environment: str) -> None:
    secrets = Secrets(environment={"PATH": "/usr/bin:/bin", **environment})
    send(command, secrets, written, "", now_us=NOW)


def refused(written: Message, command: Channel) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        run(written, command)
    assert CANARY not in f"{caught.value} {vars(caught.value)}"
    assert caught.value.__cause__ is None
    return caught.value


KEEP = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"


def test_it_gets_the_object_and_its_arguments_as_they_are(written: Message, tmp_path: Path) -> None:
    kept = tmp_path / "a $HOME; b"
    run(written, python(KEEP, str(kept)))
    told = json.loads(kept.read_bytes())
    assert (told["schema"], told["id"]) == ("ferry.notice/1", "a_01KAB2M7")
    assert told["title"] == written.title


def test_it_sees_the_variables_that_it_was_given_and_no_others(
    written: Message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    kept = tmp_path / "seen"
    code = "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps(dict(os.environ)))"
    run(written, python(code, str(kept)), TOKEN="t")
    seen = json.loads(kept.read_text())
    assert seen["TOKEN"] == "t"
    assert "OPENAI_API_KEY" not in seen


def test_a_command_that_reads_nothing_is_delivered(written: Message) -> None:
    run(written, channel("true"))


def test_what_it_writes_goes_nowhere(written: Message, capfd: pytest.CaptureFixture[str]) -> None:
    run(written, python("import sys; print('out' * 99999); print('err', file=sys.stderr)"))
    assert capfd.readouterr() == ("", "")


def test_another_exit_code_is_not_delivered(written: Message) -> None:
    error = refused(written, python(f"raise SystemExit('{CANARY}')"))
    assert (error.why, error.is_final) == ("it ended with 1", False)
    assert refused(written, python("raise SystemExit(75)")).why == "it ended with 75"
    killed = python("import os; os.kill(os.getpid(), 9)")
    assert refused(written, killed).why == "it ended with -9"


def test_a_program_that_is_not_there_is_told(written: Message, tmp_path: Path) -> None:
    error = refused(written, channel("/no/such/program", CANARY))
    assert error.why == "it cannot be run: no such file or directory"
    plain = tmp_path / "plain"
    plain.write_text("")
    assert refused(written, channel(str(plain))).why == "it cannot be run: permission denied"


def test_it_is_ended_at_the_deadline_with_its_children(written: Message, tmp_path: Path) -> None:
    child = tmp_path / "child"
    # The child says its number, then both wait for what never comes.
    code = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    open(sys.argv[1] + '.new', 'w').write(str(os.getpid()))\n"
        "    os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
        "time.sleep(60)\n"
    )
    began_s = time.monotonic()
    error = refused(written, python(code, str(child), timeout_s=1))
    assert error.why == "it was still running after 1 s"
    assert time.monotonic() - began_s < 10
    number = int(child.read_text())
    deadline_s = time.monotonic() + 10
    while is_running(number):
        assert time.monotonic() < deadline_s, "the child lives on"
        time.sleep(0.01)


def is_running(number: int) -> bool:
    """Whether the process does something; who was killed may still wait to be noticed."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
