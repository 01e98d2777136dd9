"""Circuits: which targets are left alone for a while, one circuit per provider and model.

A circuit opens where at least 5 calls and half of all failed within 30 seconds, where 10 failed in
a row (a busy target's good calls would hide them), or at once where a 429, 503 or 529 asks to be
left alone for a second or longer. It stays open for 5 seconds, twice as long each time up to 60, or
for as long as was asked for. Then one call at a time is let through to see; its success closes the
circuit, its failure opens it again. Any success closes it: a call may be sent to an open circuit
where no other target is left. What budgets refuse and what is the request's own fault never counts.
Pure: `now_us` is handed in. Source: docs/routes.md, "Circuits".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from ferrycli.rules.failures import ASKS_TO_WAIT, RETRY_AFTER_S_MAX, Failure
from ferrycli.rules.windows import MICROSECONDS

FAILURES_MIN = 5
FAILED_SHARE = 2
"""Opens where at least one in so many failed."""
IN_A_ROW_MAX = 10
"""Opens after so many failures with no success between, whatever came before."""
WINDOW_S = 30
OPEN_S_FIRST = 5
OPEN_S_MAX = 60
ASKED_S_MIN = 1.0
PROBE_S_MAX = 60
"""A probe that says nothing for so long is given up, and the next call is one."""
CIRCUITS_MAX = 1_024

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"


@dataclass(frozen=True, slots=True)
class CircuitState:
    """What is known of one target. Times in UTC microseconds."""

    state: str = CLOSED
    """`closed`, `open` or `half_open`."""
    since_us: int = 0
    until_us: int | None = None
    """Of an open one: when a call is let through."""
    reason: str = ""
    """The failure that opened it: `503 overloaded`."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one attempt; handed back with what came of it."""

    target: str
    probe: int = 0
    """The probe's number; 0: an ordinary attempt."""
    change: CircuitState | None = None
    """The circuit's new state, where this permit changed it."""


class _Circuit:
    """One target: outcomes by second, and whether it is left alone."""

    __slots__ = ("in_a_row", "openings", "probe", "probe_us", "seconds", "state")

    def __init__(self, state: CircuitState) -> None:
        self.state = state
        self.openings = 0
        """How often it opened without a success between."""
        self.seconds: deque[list[int]] = deque(maxlen=WINDOW_S)
        """[second, calls, failures], the oldest first."""
        self.in_a_row = 0
        """Failures since the last success."""
        self.probe = 0
        """The number of the probe that is out; 0: none."""
        self.probe_us = 0

    def count(self, now_us: int, *, has_failed: bool) -> None:
        second = now_us // MICROSECONDS
        if self.seconds and self.seconds[-1][0] > second:
            self.seconds.clear()  # The clock went back: what was counted is of no known time.
        if not self.seconds or self.seconds[-1][0] != second:
            self.seconds.append([second, 0, 0])
        self.seconds[-1][1] += 1
        self.seconds[-1][2] += has_failed
        self.in_a_row = self.in_a_row + 1 if has_failed else 0

    def has_failed_too_often(self, now_us: int) -> bool:
        if self.in_a_row >= IN_A_ROW_MAX:
            return True
        oldest = now_us // MICROSECONDS - WINDOW_S
        recent = [one for one in self.seconds if one[0] > oldest]
        failures = sum(one[2] for one in recent)
        calls = sum(one[1] for one in recent)
        return failures >= FAILURES_MIN and failures * FAILED_SHARE >= calls


class Circuits:
    """Every circuit of one server. Not for use by several threads."""

    def __init__(self, saved: Mapping[str, CircuitState] | None = None) -> None:
        """`saved`: target to state, as `health` has them."""
        self._circuits = {
            target: _Circuit(state)
            for target, state in (saved or {}).items()
            if state.state != CLOSED
        }
        self._probes = 0

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of which something is known."""
        return tuple(self._circuits)

    def state(self, target: str, now_us: int) -> CircuitState:
        """The circuit of `provider/model` at this moment."""
        circuit = self._circuits.get(target)
        return CircuitState() if circuit is None else _at(circuit, now_us)

    def blocked(self, target: str, now_us: int) -> CircuitState | None:
        """Why calls keep away from `target`; None where one may go there."""
        circuit = self._circuits.get(target)
        if circuit is None or circuit.state.state == CLOSED:
            return None
        state = _at(circuit, now_us)
        is_free = state.state == HALF_OPEN and not _has_probe(circuit, now_us)
        return None if is_free else state

    def allows(self, target: str, now_us: int) -> bool:
        """Whether a call may go there: closed, or half-open with no probe out."""
        return self.blocked(target, now_us) is None

    def claim(self, target: str, now_us: int, *, is_last: bool = False) -> Permit | None:
        """Leave to send an attempt now; None where the target is to be left alone.

        Half-open, the permit is the one probe's: it must come back through `note_success`,
        `note_failure` or `release`. `is_last`: there is no other target, so leave is given anyway.
        """
        circuit = self._circuits.get(target)
        if circuit is None or circuit.state.state == CLOSED:
            return Permit(target)
        if self.blocked(target, now_us) is not None:
            return Permit(target) if is_last else None
        self._probes += 1
        circuit.probe, circuit.probe_us = self._probes, now_us
        change = None
        if circuit.state.state == OPEN:
            change = circuit.state = CircuitState(HALF_OPEN, now_us, None, circuit.state.reason)
        return Permit(target, self._probes, change)

    def release(self, permit: Permit) -> None:
        """The attempt came to nothing that says how the target is: another may probe."""
        circuit = self._circuits.get(permit.target)
        if circuit is not None and permit.probe and circuit.probe == permit.probe:
            circuit.probe = 0

    def note_success(self, permit: Permit, now_us: int) -> CircuitState | None:
        """The target answered. The circuit's new state where that closed it."""
        circuit = self._of(permit.target)
        circuit.count(now_us, has_failed=False)
        if circuit.state.state == CLOSED:
            return None
        circuit.seconds.clear()
        circuit.openings = circuit.probe = 0
        circuit.state = CircuitState(CLOSED, now_us)
        return circuit.state

    def note_failure(
        self, permit: Permit, failure: Failure, now_us: int, retry_after_s: float | None = None
    ) -> CircuitState | None:
        """The attempt failed. The circuit's new state where that opened it, or for longer.

        A failure that is not the provider's ends a probe, and says nothing.
        """
        if not failure.is_of_provider:
            self.release(permit)
            return None
        circuit = self._of(permit.target)
        asked_s = 0.0
        if failure.status in ASKS_TO_WAIT and (retry_after_s or 0.0) >= ASKED_S_MIN:
            asked_s = min(retry_after_s or 0.0, RETRY_AFTER_S_MAX)
        if circuit.state.state == CLOSED:
            circuit.count(now_us, has_failed=True)
            if asked_s or circuit.has_failed_too_often(now_us):
                return _open(circuit, failure, now_us, asked_s)
            return None
        if permit.probe and circuit.probe == permit.probe:
            circuit.probe = 0
            return _open(circuit, failure, now_us, asked_s)
        # Sent before it opened, or for want of another target: only what is asked for counts.
        until_us = now_us + int(asked_s * MICROSECONDS)
        if circuit.state.state == OPEN and until_us > (circuit.state.until_us or 0):
            circuit.state = CircuitState(OPEN, circuit.state.since_us, until_us, str(failure))
            return circuit.state
        return None

    def _of(self, target: str) -> _Circuit:
        circuit = self._circuits.get(target)
        if circuit is None:
            if len(self._circuits) >= CIRCUITS_MAX:
                self._forget_one()
            circuit = self._circuits[target] = _Circuit(CircuitState())
        return circuit

    def _forget_one(self) -> None:
        """The one that was made first, of closed ones if there are any."""
        closed = (name for name, one in self._circuits.items() if one.state.state == CLOSED)
        del self._circuits[next(closed, next(iter(self._circuits)))]


def _at(circuit: _Circuit, now_us: int) -> CircuitState:
    state = circuit.state
    if state.state != OPEN:
        return state
    left_us = (state.until_us or 0) - now_us
    # More than the longest time: the clock went back, and the circuit must not wait for it.
    if 0 < left_us <= OPEN_S_MAX * MICROSECONDS:
        return state
    return CircuitState(HALF_OPEN, state.until_us or now_us, None, state.reason)


def _has_probe(circuit: _Circuit, now_us: int) -> bool:
    age_us = now_us - circuit.probe_us
    return circuit.probe != 0 and 0 <= age_us < PROBE_S_MAX * MICROSECONDS


def _open(circuit: _Circuit, failure: Failure, now_us: int, asked_s: float) -> CircuitState:
    seconds = asked_s or min(OPEN_S_FIRST << min(circuit.openings, 8), OPEN_S_MAX)
    circuit.openings += 1
    circuit.in_a_row = 0
    circuit.seconds.clear()
    until_us = now_us + int(seconds * MICROSECONDS)
    circuit.state = CircuitState(OPEN, now_us, until_us, str(failure))
    return circuit.state
