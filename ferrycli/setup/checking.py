"""Looks at what serving needs without serving: config, database, address, channels, providers.

Changes nothing: a database that is missing is not made, and the server's lock is not touched, so
that a server that starts at this moment is not refused because of a check.
"""

from __future__ import annotations

import os
from pathlib import Path

from ferrycli.proxy.probe import Probed, probe
from ferrycli.proxy.server import check_encrypted, listen
from ferrycli.report.checked import FAULT, NOTE, OK, Checked
from ferrycli.report.serve_card import size_words
from ferrycli.rules.errors import (
    AddressUnusable,
    DatabaseOlder,
    FerryError,
    NoCredential,
    NoDatabase,
)
from ferrycli.rules.words import words
from ferrycli.settings import Provider, Settings, credentials
from ferrycli.setup.configured import channels_checked, config_checked, key_checked
from ferrycli.store import reads
from ferrycli.store.reads_servers import ServerRow, latest_server
from ferrycli.store.upkeep import HEARTBEAT_S

_LOST_AFTER_US = int(HEARTBEAT_S * 3 * 1_000_000)
"""A server without a sign of life for so long is not counted as running."""


def check_serving(settings: Settings, now_us: int) -> tuple[list[Checked], list[Checked]]:
    """What this machine gives, and what each provider answers; the settings are read already."""
    database, server = _database(settings, now_us)
    things = [config_checked(settings), database, _address(settings, server)]
    things += channels_checked(settings)
    return things, _providers(settings)


def _database(settings: Settings, now_us: int) -> tuple[Checked, ServerRow | None]:
    """The database, and the server that serves it now."""
    path = settings.database
    shown = str(path)
    if not path.exists():
        return _missing(path, shown), None
    server = None
    said = f"{shown} ({size_words(path.stat().st_size)})"
    try:
        with reads.opened(path) as connection:
            server = _running(latest_server(connection), now_us)
    except NoDatabase:
        said = f"{shown} is empty and would be filled"
    except DatabaseOlder:
        said += " is of an older ferry: it would be copied, then brought up to date"
    except FerryError as error:
        return Checked("database", FAULT, words(error).sentence, error.exit_code), None
    for place in (path, path.parent):
        if not os.access(place, os.W_OK):
            return Checked("database", FAULT, f"{place} may not be written", 6), server
    if server is not None:
        said += f" is served by pid {server.pid} on {server.address}: a second server is refused"
    return Checked("database", NOTE if server else OK, said), server


def _missing(path: Path, shown: str) -> Checked:
    there = next(one for one in path.absolute().parents if one.exists())
    if not there.is_dir():
        return Checked("database", FAULT, f"{shown} cannot be made: {there} is no folder", 6)
    if not os.access(there, os.W_OK | os.X_OK):
        return Checked("database", FAULT, f"{shown} cannot be made: {there} may not be written", 6)
    return Checked("database", OK, f"{shown} is not there yet and would be made")


def _running(server: ServerRow | None, now_us: int) -> ServerRow | None:
    if server is None or server.stopped_at is not None:
        return None
    return server if now_us - server.heartbeat_at < _LOST_AFTER_US else None


def _address(settings: Settings, server: ServerRow | None) -> Checked:
    address = str(settings.values["server.listen"])
    try:
        check_encrypted(settings)
    except AddressUnusable as error:
        return Checked("address", FAULT, words(error).sentence, error.exit_code)
    try:
        listen(settings).close()
    except AddressUnusable as error:
        if server is not None and server.address.endswith(f":{settings.port}"):
            return Checked("address", NOTE, f"{address} is taken by the server that runs")
        return Checked("address", FAULT, words(error).sentence, 6)
    free = "takes a free port" if settings.port == 0 else "is free"
    return Checked("address", OK, f"{address} {free}")


def _providers(settings: Settings) -> list[Checked]:
    found = credentials(settings)
    keys = {name: key for name, key in found.items() if not isinstance(key, NoCredential)}
    asked = [one for one in settings.providers if one.kind != "sim" and one.name in keys]
    probed = probe(asked, keys) if asked else {}
    return [
        _answered(one, probed[one.name], has_key=bool(keys[one.name]))
        if one.name in probed
        else key_checked(one, found[one.name])
        for one in settings.providers
    ]


def _answered(provider: Provider, probed: Probed, *, has_key: bool) -> Checked:
    """A provider by what it answered: whether calls would be carried, as far as can be told."""
    status = probed.status
    state, code = OK, 0
    if status is None:
        state, code, said = FAULT, 5, f"unreachable: {probed.why}"
    elif status < 300:
        said = f"{probed.took_ms:,} ms"
    elif status in (401, 403):
        state, code = FAULT, 4
        said = f"refused the key ({status})" if has_key else f"wants a key ({status})"
    elif status in (404, 405):
        said = f"{probed.took_ms:,} ms; answers {status} to {probed.path}, which some do"
    elif status >= 500 or status < 400:
        what = "with a redirect" if status < 400 else "that it cannot"
        state, code, said = FAULT, 5, f"answers {what} ({status})"
    else:
        state, said = NOTE, f"{probed.took_ms:,} ms; answers {status} to {probed.path}"
    return Checked(provider.name, state, said, code, provider.key_origin, status, probed.took_ms)
