"""Ways to a name: its addresses in turn, the next one as soon as one is slow (RFC 8305).

Of our own because uvloop has no `happy_eyeballs_delay`: a name whose first address swallows
packets would take the whole deadline.
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from collections.abc import Callable, Coroutine
from itertools import chain, zip_longest
from typing import Any, Protocol, TypeVar

STAGGER_S = 0.25
ADDRESSES_MAX = 8
"""More addresses of one name are not tried."""
_TCP_ESTABLISHED = 1
_HAS_STATE = sys.platform == "linux"

_Address = tuple[str, int]
"""An IP address and a port."""


class Ended(Protocol):
    """What can be connected, and let go of."""

    def abort(self) -> None:
        """End it, at once."""


Made = TypeVar("Made", bound=Ended)
Connect = Callable[[str, int], Coroutine[Any, Any, Made]]
"""Connects to an IP address and a port, TLS included."""


async def dial(host: str, port: int, connect: Connect[Made]) -> Made:
    """What `connect` made, at the first address that answers.

    Sockets are left to the loop: uvloop takes one over only after a while, and what ends meanwhile
    would have its number closed twice. Raises `OSError`, of the last address that was tried.
    """
    addresses = await _addresses(host, port)
    if len(addresses) == 1:
        return await connect(*addresses[0])
    return await _race(addresses, connect)


def has_ended(own_socket: Any) -> bool:
    """Whether the other side has closed, as far as this machine has heard.

    `own_socket`: as a transport tells it. Linux says so in its state of the connection. Elsewhere
    bytes that nobody has asked for count as an end.
    """
    try:
        if _HAS_STATE:
            state = own_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
            return bool(state[0] != _TCP_ESTABLISHED)
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(own_socket.fileno(), select.POLLIN)
            return bool(poll.poll(0))
        return bool(select.select([own_socket.fileno()], [], [], 0)[0])
    except (OSError, ValueError):
        return True


async def resolve(host: str, port: int) -> list[Any]:
    """What `getaddrinfo` says."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _addresses(host: str, port: int) -> list[_Address]:
    """Where `host` is, the families in turn; at least one."""
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )  # An address is read without asking anybody.
    except socket.gaierror:
        found = await resolve(host, port)
    first = [(one[0], one[4]) for one in found if one[0] == found[0][0]]
    other = [(one[0], one[4]) for one in found if one[0] != found[0][0]]
    in_turn = chain.from_iterable(zip_longest(first, other))
    addresses = [(str(one[1][0]), int(one[1][1])) for one in in_turn if one is not None]
    if not addresses:
        raise OSError("the name has no address")
    return addresses[:ADDRESSES_MAX]


async def _race(addresses: list[_Address], connect: Connect[Made]) -> Made:
    """The first that connects. Another is begun when one failed, or after `STAGGER_S`."""
    waiting = list(addresses)
    tries: set[asyncio.Task[Made]] = set()
    error: BaseException = OSError("no address was tried")
    try:
        while waiting or tries:
            if waiting:
                tries.add(asyncio.create_task(connect(*waiting.pop(0))))
            wait_s = STAGGER_S if waiting else None
            done, _ = await asyncio.wait(tries, timeout=wait_s, return_when="FIRST_COMPLETED")
            for one in done:
                tries.discard(one)
                failure = one.exception()
                if failure is None:
                    return one.result()
                error = failure
        raise error
    finally:
        for one in tries:
            one.add_done_callback(_hang_up)
            one.cancel()


def _hang_up(late: asyncio.Task[Any]) -> None:
    """Let go of what another was faster than."""
    if not late.cancelled() and late.exception() is None:
        late.result().abort()
