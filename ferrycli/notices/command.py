"""A command that gets the JSON on its stdin: delivered is exit code 0."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

from ferrycli.notices.payload import json_bytes
from ferrycli.rules.channels import Channel, Secrets
from ferrycli.rules.errors import NotDelivered
from ferrycli.rules.notice_words import Message


def run(channel: Channel, secrets: Secrets, message: Message) -> None:
    """Run the command, without a shell, and with the variables that it may see.

    What it writes is not read. After `timeout_s` it is killed, and its children with it. Raises
    `NotDelivered`.
    """
    try:
        process = subprocess.Popen(
            channel.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(secrets.environment),
            # Ctrl-C in the server's terminal is not meant for it, and it can be killed as a whole.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        said = (getattr(error, "strerror", None) or type(error).__name__).lower()
        raise NotDelivered(channel.name, f"it cannot be run: {said}") from None
    try:
        process.communicate(json_bytes(message), channel.timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        said = f"it was still running after {channel.timeout_s} s"
        raise NotDelivered(channel.name, said) from None
    except BaseException:
        _kill(process)
        raise
    if process.returncode:
        raise NotDelivered(channel.name, f"it ended with {process.returncode}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    process.wait()
