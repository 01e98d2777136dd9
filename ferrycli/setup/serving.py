"""Starts the server and says so: a card on a terminal, one JSON line elsewhere."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import ferrycli
from ferrycli.proxy.server import Ready, run
from ferrycli.rules.errors import FerryError
from ferrycli.rules.keys import DEMO_SECRET
from ferrycli.rules.words import words
from ferrycli.settings import Settings, default_config_path

_LOOKED_AT = "OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY,\n  OPENROUTER_API_KEY"

_HELLO = '{"model":"sim/small","messages":[{"role":"user","content":"hello"}]}'


def serve(settings: Settings) -> int:
    """Serve until a signal; the exit code. Raises what `proxy.server.run` raises."""

    def tell(ready: Ready) -> None:
        _say(card(settings, ready) if sys.stderr.isatty() else _ready_line(ready))

    run(settings, tell, lambda error: _say(_failure_line(error)))
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def card(settings: Settings, ready: Ready) -> str:
    """The start-up card. It names only commands that exist, as they can be typed here."""
    ferry = _typed(settings)
    lines = [
        "",
        f"  ferry {ferrycli.__version__}  ready"
        + (" · demo mode" if ready.is_demo else "")
        + f"    {settings.database}",
        "",
    ]
    lines += _demo(ready) if ready.is_demo else _providers(ready)
    lines += [
        "",
        f"  OpenAI SDK     http://{ready.address}/v1",
        f"  Look at it     {ferry} calls list",
        f"                 {ferry} report --by tenant,feature",
        f"  Make a key     {ferry} keys create --tenant acme --budget 50/month",
        "",
        f"  Keys  {ready.keys} active    Prices  {ready.prices}    Recording  metadata only",
    ]
    if ready.recovered:
        calls = "call" if ready.recovered == 1 else "calls"
        lines.append(f"  ! {ready.recovered} {calls} of a server that died: estimated, marked so")
    grace = settings.values["server.grace_s"]
    lines += [
        "",
        f"  Ctrl-C stops after running calls finish ({grace} s); press twice to stop now.",
    ]
    return "\n".join([*lines, ""])


def _typed(settings: Settings) -> str:
    """How this program and this database are called from another terminal."""
    program = Path(sys.argv[0])
    on_path = shutil.which("ferry")
    if on_path and Path(on_path).resolve() == program.resolve():
        typed = "ferry"
    elif program.name == "ferry":
        typed = _near(program)
    else:
        typed = "python -m ferrycli"
    if settings.origins["server.database"].startswith(("env", "flag")):
        typed += f" --db {shlex.quote(_near(settings.database))}"
    elif settings.config_path is not None and settings.config_path != default_config_path():
        typed += f" --config {shlex.quote(_near(settings.config_path))}"
    return typed


def _near(path: Path) -> str:
    """A path as short as it can be said from the working directory."""
    whole, here = path.absolute(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else path)


def _demo(ready: Ready) -> list[str]:
    return [
        f"  No provider key was found (looked at: {_LOOKED_AT}, AWS_BEARER_TOKEN_BEDROCK).",
        "  ferry runs with its built-in simulated provider: real endpoints, real streaming,",
        "  made-up answers, nothing leaves this machine, nothing is billed.",
        "",
        f"  Try it now     curl -s http://{ready.address}/v1/chat/completions \\",
        f"                   -H 'Authorization: Bearer {DEMO_SECRET}' \\",
        "                   -H 'Content-Type: application/json' \\",
        f"                   -d '{_HELLO}'",
        "  A real key     set OPENAI_API_KEY (or another of these) and start again",
    ]


def _providers(ready: Ready) -> list[str]:
    lines = ["  Providers      key from"]
    for provider, trouble in ready.providers:
        mark = "!" if trouble else "✓"
        note = f"  {trouble}: calls to it are refused" if trouble else ""
        shown = "" if provider.kind == "sim" else provider.key_origin
        lines.append(f"    {mark} {provider.name:<12} {shown}{note}")
    return lines


def _ready_line(ready: Ready) -> str:
    facts = {"addr": ready.address, "demo": ready.is_demo, "recovered": ready.recovered}
    return _line("info", "ready", facts)


def _failure_line(error: Exception) -> str:
    """What the operator must know: trouble with the database, or a defect of our own.

    Of a defect, where it was raised, without any value that a request carried.
    """
    if isinstance(error, FerryError):
        return _line("error", error.code, {"why": words(error).sentence})
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames[-4:]))
    return _line("error", "request.failed", {"error": type(error).__name__, "at": where})


def _line(level: str, event: str, facts: dict[str, object]) -> str:
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"ts": moment, "level": level, "event": event, **facts})
