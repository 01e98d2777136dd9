"""What is measured: ferry as it is served, the bare pass-through and nginx; and the upstream."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench.books import RATE
from bench.processes import (
    POLL_S,
    START_S_MAX,
    STOP_S_MAX,
    Served,
    answering,
    free_ports,
    listening,
    module,
    reap,
    start,
)
from bench.replies import ENCRYPTED, FLOOD, HOST, LATE, STREAMS, TICKS, WHOLE
from bench.upstream import Behaviour
from ferrycli.rules.attribution import Policy
from ferrycli.rules.selectors import parse_selector
from ferrycli.rules.windows import Allowance
from ferrycli.store import budget_changes, changes
from ferrycli.store.planning import BudgetPlan

BUDGETED = ("0 budgets", "6 budgets")
"""Keys under no budget and under six, beside the one that has a budget of its own."""
FERRY = ("ferry", *BUDGETED)
_LIMIT_NANOUSD = 10**15
_PINS = {"tenant": "six", "user": "six", "assistant": "six", "feature": "bench"}
_SIX = {
    "key=six": "month",
    "tenant=six": "week",
    "user=*": "total",
    "tenant=six,feature=bench": "day",
    "assistant=*": "7d",
}
"""With the balance of the key itself: six, of which two have a window for each value."""

_PROXY = """\
      proxy_pass {scheme}://upstream_{scheme};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {certificate};
      proxy_ssl_name localhost;
"""


def certificate(folder: Path) -> tuple[str, str] | None:
    """Files of a certificate for `HOST` and of its key, made now; None without openssl."""
    program = shutil.which("openssl")
    if program is None:
        return None
    made, private = str(folder / "certificate.pem"), str(folder / "key.pem")
    kind = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench"
    named = ["-addext", f"subjectAltName=IP:{HOST},DNS:localhost", "-out", made, "-keyout", private]
    subprocess.run([program, "req", *kind.split(), *named], check=True, capture_output=True)
    return made, private


def upstream(core: int | None, behaviour: Behaviour) -> contextlib.AbstractContextManager[Served]:
    """The provider."""
    return answering(module("bench.upstream", json.dumps(asdict(behaviour))), core)


@contextlib.contextmanager
def bare(provider: Served, core: int | None, trusted: str = "") -> Iterator[Served]:
    """The bare pass-through; a second one where the upstream speaks TLS too."""
    with contextlib.ExitStack() as stack:
        command = module("bench.bare", f"http://{HOST}:{provider.port}/v1")
        served = stack.enter_context(answering(command, core))
        if not provider.tls_port:
            yield served
            return
        command = module("bench.bare", f"https://{HOST}:{provider.tls_port}/v1")
        other = stack.enter_context(answering(command, core, {"SSL_CERT_FILE": trusted}))
        yield Served(served.pid, served.port, tls_port=other.port, tls_pid=other.pid)


@contextlib.contextmanager
def nginx(
    folder: Path, provider: Served, core: int | None, trusted: str = ""
) -> Iterator[Served | None]:
    """A plain `proxy_pass` with connections kept, one process, no logs; None: not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        yield None
        return
    ports = free_ports(2 if provider.tls_port else 1)
    origins = {"http": provider.port, "https": provider.tls_port}
    parts = []
    for (scheme, origin), port in zip(origins.items(), ports, strict=False):
        parts.append(
            f"  upstream upstream_{scheme} {{ server {HOST}:{origin}; keepalive 512;"
            " keepalive_requests 100000000; }"
        )
        passed = _PROXY.format(scheme=scheme, certificate=trusted).splitlines()
        if not trusted:
            passed = [line for line in passed if "proxy_ssl" not in line]
        within = "\n".join(passed)
        parts.append(
            f"  server {{ listen {HOST}:{port} backlog=2048; keepalive_requests 100000000;\n"
            f"    location / {{\n{within}\n    }}\n  }}"
        )
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    kept = "\n".join(f"  {name}_temp_path {folder}/nginx-{name};" for name in names)
    config = folder / "nginx.conf"
    config.write_text(
        "daemon off;\nmaster_process off;\nworker_processes 1;\n"
        f"error_log {folder}/nginx.err crit;\npid {folder}/nginx.pid;\n"
        "events { worker_connections 4096; }\nhttp {\n  access_log off;\n"
        f"  client_body_buffer_size 128k;\n{kept}\n" + "\n".join(parts) + "\n}\n"
    )
    command = [program, "-c", str(config), "-p", str(folder), "-e", str(folder / "nginx.err")]
    with listening(command, core, ports, folder / "nginx.log") as served:
        yield served


@contextlib.contextmanager
def ferry(
    folder: Path, provider: Served, core: int | None, trusted: str = ""
) -> Iterator[dict[str, Served]]:
    """A real `ferry serve` with default durability and a price; a key for each of `FERRY`.

    Its database is `ferry.db` in `folder`, complete once the context is left.
    """
    database, config, log = folder / "ferry.db", folder / "ferry.toml", folder / "ferry.log"
    plain = [WHOLE, LATE, *STREAMS, TICKS, FLOOD]
    text = _provider("up", f"http://{HOST}:{provider.port}/v1", plain)
    if provider.tls_port:
        text += _provider("up-tls", f"https://{HOST}:{provider.tls_port}/v1", [ENCRYPTED])
    config.write_text(text)
    for model in plain:
        changes.set_price(database, "up", model, RATE)
    changes.set_price(database, "up-tls", ENCRYPTED, RATE)
    secrets = keys(database)
    options = ["--config", str(config), "--db", str(database)]
    command = module("ferrycli", *options, "serve", "--listen", f"{HOST}:0")
    more = {"SSL_CERT_FILE": trusted} if trusted else {}
    began_s = time.monotonic()
    with log.open("wb") as written:
        process = start(command, core, written, more=more)
    try:
        port = _port_in(log, process)
        took_s = time.monotonic() - began_s
        yield {
            name: Served(process.pid, port, secret, port, start_s=took_s)
            for name, secret in secrets.items()
        }
        process.send_signal(signal.SIGTERM)
        if process.wait(STOP_S_MAX) != 0:
            raise SystemExit(f"bench: ferry did not stop well: {log.read_text()}")
    finally:
        reap(process)


def _provider(name: str, base_url: str, models: list[str]) -> str:
    known = ", ".join(f'"{model}"' for model in models)
    return f'[providers.{name}]\nkind = "compatible"\nbase_url = "{base_url}"\nmodels = [{known}]\n'


def keys(database: Path) -> dict[str, str]:
    """The secrets of new keys, one for each of `FERRY`, with their budgets."""
    plans = (
        changes.KeyPlan(name="bench", allowance=Allowance.parse("1000000/month")),
        changes.KeyPlan(name="plain"),
        changes.KeyPlan(
            name="six",
            policies={name: Policy.of("pin", value) for name, value in _PINS.items()},
            balance_nanousd=_LIMIT_NANOUSD,
        ),
    )
    made = [changes.create_key(database, plan).secret for plan in plans]
    for selector, period in _SIX.items():
        plan = BudgetPlan(parse_selector(selector), _LIMIT_NANOUSD, period)
        budget_changes.set_budget(database, plan)
    return dict(zip(FERRY, made, strict=True))


def _port_in(log: Path, process: subprocess.Popen[str]) -> int:
    """The port that ferry's line `ready` names."""
    deadline_s = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline_s and process.poll() is None:
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n") and '"addr"' in line:
                return int(json.loads(line)["addr"].rpartition(":")[2])
        time.sleep(POLL_S)
    raise SystemExit(f"bench: ferry did not start: {log.read_text()}")
