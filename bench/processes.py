"""The processes of a measurement: each on its core, and all of them ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from bench.load import Figures, Load
from bench.replies import HOST

ROOT = Path(__file__).resolve().parents[1]
START_S_MAX = 60.0
STOP_S_MAX = 60.0
END_S_MAX = 0.5
LOAD_MORE_S_MAX = 120.0
"""How much longer a load may take than it measures: connections, the last replies."""
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core each process is kept on; None: wherever the system puts it."""

    measured: int | None
    upstream: int | None
    load: int | None
    said: str

    @classmethod
    def of_machine(cls) -> Cores:
        """The measured process has a core alone, where there are two."""
        if sys.platform != "linux":
            said = f"no process is kept on one, as {platform.system()} cannot: figures waver"
            return cls(None, None, None, said)
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) == 1:
            said = "only one, which what is measured shares with its load: ratios are too mild"
            return cls(None, None, None, said)
        measured, upstream, load = cores[0], cores[-1], cores[1]
        rest = f"upstream and load generator share core {load}"
        if upstream != load:
            rest = f"upstream on core {upstream}, load generator on core {load}"
        return cls(measured, upstream, load, f"what is measured has core {measured}, {rest}")


@dataclass(frozen=True, slots=True)
class Served:
    """A process that answers calls."""

    pid: int
    port: int
    secret: str = "none"
    tls_port: int = 0
    """Of an upstream: where it speaks TLS. Of a gateway: what goes to the upstream by TLS."""
    tls_pid: int = 0
    """Who answers there; 0: the same process."""
    start_s: float = 0.0
    """From its start until it took calls."""


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM ends this program as Ctrl-C does: every `with` on the way is left."""

    def leave(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Without keys, proxies or settings of whoever measures."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **(more or {})}


@contextlib.contextmanager
def _pinned(core: int | None) -> Iterator[None]:
    """What is started within inherits the core: all its threads, from the first."""
    if core is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    command: Sequence[str],
    core: int | None,
    said: int | IO[bytes] | None = None,
    *,
    more: Mapping[str, str] | None = None,
    heard: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """A process on its core; `said` is its stderr, `heard` its stdout, `more` variables."""
    with _pinned(core):
        # A session of its own: Ctrl-C reaches this program alone, which then ends the others.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=heard,
            stderr=said,
            text=True,
            cwd=ROOT,
            env=environment(more),
            start_new_session=True,
        )


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module with the interpreter of this program."""
    return [sys.executable, "-m", name, *arguments]


def reap(process: subprocess.Popen[str]) -> None:
    """End a process that has not ended."""
    if process.poll() is None:
        process.kill()
    with process:
        pass


@contextlib.contextmanager
def answering(
    command: Sequence[str], core: int | None, more: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """A process of this folder that says its ports, and ends with its stdin."""
    began_s = time.monotonic()
    process = start(command, core, more=more)
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        # What is not a number is somebody's log.
        said = (line.split() for line in process.stdout)
        ports = next((words for words in said if words and all(map(str.isdecimal, words))), None)
        if ports is None:
            raise SystemExit(f"bench: {' '.join(command[:4])} did not start")
        port, tls_port, *_ = [*map(int, ports), 0]
        took_s = time.monotonic() - began_s
        yield Served(process.pid, port, tls_port=tls_port, start_s=took_s)
        process.stdin.close()
        # It keeps nothing: one that still passes on what nobody reads is not waited for.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S_MAX)
    finally:
        reap(process)


@contextlib.contextmanager
def listening(
    command: Sequence[str],
    core: int | None,
    ports: Sequence[int],
    log: Path,
    more: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """A process that was told its ports, from when it answers there until it is told to end."""
    began_s = time.monotonic()
    with log.open("wb") as written:
        process = start(command, core, written, more=more, heard=written)
    try:
        deadline_s = began_s + START_S_MAX
        while not all(_is_open(port) for port in ports):
            if time.monotonic() > deadline_s or process.poll() is not None:
                tail = log.read_text(errors="replace")[-2_000:]
                raise SystemExit(f"bench: {Path(command[0]).name} did not start: {tail}")
            time.sleep(POLL_S)
        took_s = time.monotonic() - began_s
        tls_port = ports[-1] if len(ports) > 1 else 0
        yield Served(process.pid, ports[0], tls_port=tls_port, start_s=took_s)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(START_S_MAX / 6)
    finally:
        reap(process)


def _is_open(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports that nobody had a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def put(load: Load, core: int | None) -> Figures:
    """Run the load generator once."""
    return Figures(**told_by("bench.load", asdict(load), core, load.warm_s + load.seconds))


def told_by(name: str, asked: object, core: int | None, seconds: float) -> dict[str, Any]:
    """What a client that is a module of this folder says, told what to do for `seconds`."""
    process = start(module(name), core, said=subprocess.PIPE)
    try:
        told, complaint = process.communicate(json.dumps(asked), seconds + LOAD_MORE_S_MAX)
    finally:
        reap(process)
    if process.returncode != 0:
        raise SystemExit(f"bench: the run failed, nothing of it counts: {complaint.strip()}")
    found: dict[str, Any] = json.loads(told)
    return found
