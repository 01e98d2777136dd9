"""The processes of a measurement: each on its core, and all of them ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.load import Figures, Load
from bench.upstream import AT_ONCE, HOST, INPUT_TOKENS, LATE, OUTPUT_TOKENS
from ferrycli.rules.pricing import Rate, price
from ferrycli.rules.usage import Usage
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes, reads

ROOT = Path(__file__).resolve().parents[1]
START_S_MAX = 30.0
STOP_S_MAX = 60.0
LOAD_S_MAX = 120.0
POLL_S = 0.01

BUDGETED = ("0 budgets", "6 budgets")
"""Keys under no budget and under six, beside the one that has a budget of its own."""
_SIX = """
budgets set key=six --limit 1000000/month
budgets set tenant=six --limit 1000000/week
budgets set user=* --limit 1000000/total
budgets set tenant=six,feature=bench --limit 1000000/day
budgets set assistant=* --limit 1000000/7d
"""
"""With the balance of the key itself: six, of which two have a window for each value."""

_RATE = Rate(input=3_000_000_000, cache_read=300_000_000, output=15_000_000_000)
"""Nano-dollars per million tokens: dollars 3, 0.30 and 15."""


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
    secret: str = ""


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM ends this program as Ctrl-C does: every `with` on the way is left."""

    def leave(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _environment() -> dict[str, str]:
    """Without keys, proxies or settings of whoever measures."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT)}


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


def _start(arguments: Sequence[str], core: int | None, said: int | None) -> subprocess.Popen[str]:
    with _pinned(core):
        # A session of its own: Ctrl-C reaches this program alone, which then ends the others.
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            cwd=ROOT,
            env=_environment(),
            start_new_session=True,
        )


def _reap(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    with process:
        pass


@contextlib.contextmanager
def answering(module: str, core: int | None, *arguments: str) -> Iterator[Served]:
    """A process of this folder that says its port, and ends with its stdin."""
    process = _start([module, *arguments], core, said=None)
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: {module} did not start")
        yield Served(process.pid, int(line))
        process.stdin.close()
        process.wait(STOP_S_MAX)
    finally:
        _reap(process)


def put(load: Load, core: int | None) -> Figures:
    """Run the load generator once."""
    process = _start(["bench.load"], core, said=subprocess.PIPE)
    try:
        told, complaint = process.communicate(json.dumps(asdict(load)), LOAD_S_MAX)
    finally:
        _reap(process)
    if process.returncode != 0:
        raise SystemExit(f"bench: the run failed, nothing of it counts: {complaint.strip()}")
    return Figures(**json.loads(told))


@contextlib.contextmanager
def ferry(folder: Path, upstream_port: int, core: int | None) -> Iterator[dict[str, Served]]:
    """A real `ferry serve` with default durability and a price; for `ferry` and `BUDGETED` a key.

    Its database is `ferry.db` in `folder`, complete once the context is left.
    """
    database, config, log = folder / "ferry.db", folder / "ferry.toml", folder / "ferry.log"
    config.write_text(
        f'[providers.up]\nkind = "compatible"\nbase_url = "http://{HOST}:{upstream_port}/v1"\n'
        f'models = ["{AT_ONCE}", "{LATE}"]\n'
    )
    for model in (AT_ONCE, LATE):
        changes.set_price(database, "up", model, _RATE)
    allowance = Allowance.parse("1000000/month")
    key = changes.create_key(database, changes.KeyPlan(name="bench", allowance=allowance))
    plain = changes.create_key(database, changes.KeyPlan(name="plain"))
    options = ["--config", str(config), "--db", str(database)]
    six = six_budgets(options)
    secrets = dict(zip(("ferry", *BUDGETED), (key.secret, plain.secret, six), strict=True))
    command = ["ferrycli", *options, "serve", "--listen", f"{HOST}:0"]
    with log.open("wb") as written:
        process = _start(command, core, said=written.fileno())
    try:
        port = _port_in(log, process)
        yield {name: Served(process.pid, port, secret) for name, secret in secrets.items()}
        process.send_signal(signal.SIGTERM)
        if process.wait(STOP_S_MAX) != 0:
            raise SystemExit(f"bench: ferry did not stop well: {log.read_text()}")
    finally:
        _reap(process)


def six_budgets(options: Sequence[str]) -> str:
    """Make a key under six budgets, with commands under these `options`; its secret."""
    pins = "--tenant six --user six --assistant six --feature bench"
    secret = _command([*options, "keys", "create", "six", *pins.split(), "--balance", "1000000"])
    for line in _SIX.split("\n"):
        if line:
            _command([*options, *line.split()])
    return secret.strip()


def _command(arguments: Sequence[str]) -> str:
    """Carry out one of ferry's commands; what it said on stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "ferrycli", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=_environment(),
        timeout=START_S_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"bench: ferry {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _port_in(log: Path, process: subprocess.Popen[str]) -> int:
    """The port that ferry's line `ready` names."""
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n") and '"addr"' in line:
                return int(json.loads(line)["addr"].rpartition(":")[2])
        time.sleep(POLL_S)
    raise SystemExit(f"bench: ferry did not start: {log.read_text()}")


def books_line(database: Path, made: Mapping[str, int]) -> str:
    """What ferry's books say of the calls made through `ferry` and `BUDGETED`, each so many.

    Ends the program where they do not agree.
    """
    query = "SELECT count(*), coalesce(sum(state = 'settled' AND outcome = 'ok'), 0) FROM calls"
    amounts = "coalesce(sum(spent_nanousd), 0), coalesce(sum(held_nanousd), 0)"
    with reads.opened(database) as connection:
        rows, settled = connection.execute(query).fetchone()
        spent, held = connection.execute(f"SELECT {amounts} FROM windows").fetchone()
    _, six = BUDGETED
    counted = made.get("ferry", 0) + 6 * made.get(six, 0)
    calls = sum(made.values())
    due = counted * price(Usage(input=INPUT_TOKENS, output=OUTPUT_TOKENS), _RATE).total
    line = f"books: {calls:,} calls, {rows:,} rows, held {held}"
    if (rows, settled, spent, held) != (calls, calls, due, 0):
        raise SystemExit(
            f"{line}; {settled:,} settled, spent {spent:,} of {due:,} nano-dollars: not balanced"
        )
    return f"{line}\n       every row is settled, and spent is what the upstream's counts cost"
