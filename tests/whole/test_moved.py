"""A customer is moved to another provider while his client runs, and nobody changes his code."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from tests.whole.load import Shot, fire
from tests.whole.records import Row, at_rest, query
from tests.whole.server import serving
from tests.whole.stage import Stage, secret_in, stage
from tests.whole.upstream import Upstream

CALLS_BEFORE = 5


class Client:
    """One that calls without a pause, over and over, on a key that it shares with others."""

    def __init__(self, port: int, secret: str, tenant: str) -> None:
        self.calls: list[tuple[float, str, int]] = []
        """When each call began (monotonic seconds), who answered, and its status."""
        self._stops = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port, secret, tenant))
        self._thread.start()

    def _run(self, port: int, secret: str, tenant: str) -> None:
        body: dict[str, Any] = {
            "model": "first/m-1",
            "messages": [{"role": "user", "content": "go on"}],
            # One thread all along: what sticks to a thread must not keep it from being moved.
            "metadata": {"tenant": tenant, "thread": f"{tenant}-1", "in": "20", "out": "5"},
        }
        shot = Shot(secret, json.dumps(body).encode())
        while not self._stops.is_set():
            began = time.monotonic()
            [reply] = fire(port, [shot])
            self.calls.append((began, reply.headers.get("x-ferry-provider", ""), reply.status))

    def wait_for(self, count: int) -> None:
        """Until so many more calls have been made."""
        count += len(self.calls)
        deadline = time.monotonic() + 30
        while len(self.calls) < count:
            assert time.monotonic() < deadline, self.calls[-3:]
            time.sleep(0.005)

    def stop(self) -> None:
        self._stops.set()
        self._thread.join(30)

    def answered_by(self, since: float = 0.0, until: float = float("inf")) -> set[tuple[str, int]]:
        """Providers and statuses of the calls that began in a time."""
        return {(who, status) for began, who, status in self.calls if since <= began < until}


def moved(made: Stage, line: str) -> tuple[float, float]:
    """Carry out a command; when it began and when it had ended."""
    began = time.monotonic()
    made.ferry(line)
    return began, time.monotonic()


def test_tenant_on_a_shared_key_is_moved_and_the_next_call_goes_there(tmp_path: Path) -> None:
    with Upstream() as first, Upstream() as second:
        made = stage(tmp_path, {"first": first.base_url, "second": second.base_url})
        said, *_ = made.set_up(
            "keys create shared --json",
            "prices set 'first/m-*' --input 3 --output 15",
            "prices set 'second/m-*' --input 0.3 --output 1.5",
            "routes set cheap second/m-2",
            "routes set usual first/m-3",
        )
        with serving(made.path) as server:
            clients = [Client(server.port, secret_in(said), name) for name in ("acme", "globex")]
            acme, globex = clients
            try:
                acme.wait_for(CALLS_BEFORE)
                began, ended = moved(made, "routes assign tenant=acme cheap")
                acme.wait_for(CALLS_BEFORE)
                globex.wait_for(CALLS_BEFORE)
                back_began, back_ended = moved(made, "routes assign tenant=acme usual")
                acme.wait_for(CALLS_BEFORE)
            finally:
                for client in clients:
                    client.stop()
            assert acme.answered_by(until=began) == {("first", 200)}
            # From the first call that begins after the command has said that it is done.
            assert acme.answered_by(ended, back_began) == {("second", 200)}
            assert acme.answered_by(back_ended) == {("first", 200)}
            assert globex.answered_by() == {("first", 200)}
            rows, _ = at_rest(server.database)
        check_rows(made, rows)
        assert {seen.model for seen in second.seen} == {"m-2"}
        assert {seen.wish["tenant"] for seen in second.seen} == {"acme"}


def check_rows(made: Stage, rows: list[Row]) -> None:
    """The rows of the calls that were moved name the assignment, and both routes."""
    statement = "SELECT * FROM assignments WHERE selector = 'tenant=acme' AND removed_at IS NULL"
    [assignment] = query(made.database, statement)
    assert assignment["route"] == "usual"
    routes = {"first/m-1": set[str](), "second/m-2": set[str](), "first/m-3": set[str]()}
    for row in rows:
        assert row["requested_model"] == "first/m-1"
        routes[f"{row['provider']}/{row['sent_model']}"].add(row["route"])
        assert bool(row["assignment"]) == (row["sent_model"] != "m-1")
        assert row["tenant"] == ("acme" if row["assignment"] else row["tenant"])
    assert routes == {"first/m-1": {""}, "second/m-2": {"cheap"}, "first/m-3": {"usual"}}
