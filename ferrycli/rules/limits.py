"""Limits by the minute: calls, tokens, and calls at once, per limit and subject.

Pure: `now_us` is passed in. A minute is the 60 seconds that the clock has begun last, so a limit
is free again 1 to 60 s after it was used up. Tokens are held at `take` with what a call may come to
and put right at `settle`. What `take` and `settle` did since `commit` can be rolled back.

A call of more tokens than a whole minute allows goes where no other token is in the minute: it
could never go otherwise, and then nothing goes until its minute has passed.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SPAN_S = 60
SUBJECTS_MAX = 20_000
"""Limits and subjects that are remembered; of more, the one taken longest ago is forgotten."""
IN_FLIGHT_TRIES = 64
"""So many with calls in flight are passed over before one of them is forgotten after all."""
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """A limit as it is checked; None: not limited."""

    id: str
    """Of a throttle the budget's."""
    selector: str
    """`key=acme-web`, as a person writes it."""
    pairs: tuple[tuple[str, str], ...]
    rpm: int | None
    """Calls a minute."""
    tpm: int | None
    """Tokens a minute, in and out."""
    parallel_max: int | None
    """Calls in flight at once."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The limit that a call does not fit in."""

    terms: LimitTerms
    kind: str
    """`rpm`, `tpm` or `parallel`."""
    limit: int
    used: int
    retry_after_s: int
    """1 to 60: when the call would fit, if no other came."""


class _Second:
    """What was taken in one second."""

    __slots__ = ("at_s", "calls", "is_past", "tokens")

    def __init__(self, at_s: int) -> None:
        self.at_s = at_s
        self.calls = 0
        self.tokens = 0
        self.is_past = False


class _Minute:
    """The last minute of one limit and subject, and its calls in flight."""

    __slots__ = ("_seconds", "calls", "parallel", "tokens")

    def __init__(self) -> None:
        self._seconds: deque[_Second] = deque()
        self.calls = 0
        self.tokens = 0
        self.parallel = 0

    def pass_to(self, now_s: int) -> None:
        """Leave out what is a minute old; all of it where the clock went back a minute."""
        seconds = self._seconds
        if seconds and seconds[-1].at_s >= now_s + SPAN_S:
            now_s = seconds[-1].at_s + SPAN_S
        while seconds and seconds[0].at_s <= now_s - SPAN_S:
            past = seconds.popleft()
            past.is_past = True
            self.calls -= past.calls
            self.tokens -= past.tokens

    def second(self, now_s: int) -> _Second:
        """The second of now: the newest one, where the clock went back."""
        seconds = self._seconds
        if not seconds or seconds[-1].at_s < now_s:
            seconds.append(_Second(now_s))
        return seconds[-1]

    def add(self, second: _Second, calls: int, tokens: int) -> None:
        """Count in a second, and in the minute if that is still in it."""
        second.calls += calls
        second.tokens += tokens
        if not second.is_past:
            self.calls += calls
            self.tokens += tokens

    def free_at_s(self, calls_over: int, tokens_over: int) -> int | None:
        """When so much less is in the minute; None: never."""
        for second in self._seconds:
            calls_over -= second.calls
            tokens_over -= second.tokens
            if calls_over <= 0 and tokens_over <= 0:
                return second.at_s + SPAN_S
        return None


@dataclass(slots=True)
class _Taken:
    """A call in flight: where it was counted, and the tokens that are held for it."""

    places: list[tuple[_Minute, _Second]]
    tokens: int


@dataclass(frozen=True, slots=True)
class _Undo:
    """How one `take` or `settle` is undone."""

    seq: int
    taken: _Taken
    is_take: bool
    over: tuple[tuple[_Minute, _Second], ...] = ()
    """Of a settle: where its tokens were counted beyond, or off, those of `taken`."""
    tokens: int = 0


class Limiter:
    """All limits' minutes, in memory: a server that starts begins them anew."""

    def __init__(self, subjects_max: int = SUBJECTS_MAX) -> None:
        self._subjects_max = subjects_max
        self._minutes: OrderedDict[tuple[str, str], _Minute] = OrderedDict()
        self._in_flight: dict[int, _Taken] = {}
        self._journal: list[_Undo] = []

    def check(
        self, terms_and_subjects: Sequence[tuple[LimitTerms, str]], tokens: int, now_us: int
    ) -> Exceeded | None:
        """The limit that a call of at most `tokens` exceeds now; of several the longest to wait.

        Changes nothing that counts.
        """
        exceeded: Exceeded | None = None
        for terms, subject in terms_and_subjects:
            minute = self._minutes.get((terms.id, subject)) or _Minute()
            minute.pass_to(now_us // _SECOND_US)
            for one in _exceeded(terms, minute, tokens, now_us):
                if exceeded is None or one.retry_after_s > exceeded.retry_after_s:
                    exceeded = one
        return exceeded

    def take(
        self,
        seq: int,
        terms_and_subjects: Sequence[tuple[LimitTerms, str]],
        tokens: int,
        now_us: int,
    ) -> None:
        """Count the call `seq` in each, with the `tokens` that it may come to.

        Whether it fits is `check`'s to say. A `seq` that is in flight is not counted again.
        """
        if not terms_and_subjects or seq in self._in_flight:
            return
        now_s = now_us // _SECOND_US
        taken = _Taken([], tokens)
        for terms, subject in terms_and_subjects:
            minute = self._minute(terms.id, subject)
            minute.pass_to(now_s)
            second = minute.second(now_s)
            minute.add(second, 1, tokens)
            minute.parallel += 1
            taken.places.append((minute, second))
        self._in_flight[seq] = taken
        self._journal.append(_Undo(seq, taken, is_take=True))

    def is_in_flight(self, seq: int) -> bool:
        """Whether the call `seq` was taken and has not ended."""
        return seq in self._in_flight

    def settle(self, seq: int, tokens: int, now_us: int) -> None:
        """The call `seq` has ended and came to `tokens`; one that was not taken is nothing.

        What it did not use leaves the second in which it was taken; what it used beyond is
        counted now, for nobody held it.
        """
        taken = self._in_flight.pop(seq, None)
        if taken is None:
            return
        over = tokens - taken.tokens
        now_s = now_us // _SECOND_US
        places = taken.places
        for minute, _ in places:
            minute.pass_to(now_s)
        if over > 0:
            places = [(minute, minute.second(now_s)) for minute, _ in places]
        for minute, second in places:
            minute.add(second, 0, over)
            minute.parallel -= 1
        self._journal.append(_Undo(seq, taken, is_take=False, over=tuple(places), tokens=over))

    def rollback(self) -> None:
        """Undo what was done since `commit`."""
        while self._journal:
            undo = self._journal.pop()
            if undo.is_take:
                self._in_flight.pop(undo.seq, None)
                for minute, second in undo.taken.places:
                    minute.add(second, -1, -undo.taken.tokens)
                    minute.parallel -= 1
            else:
                self._in_flight[undo.seq] = undo.taken
                for minute, second in undo.over:
                    minute.add(second, 0, -undo.tokens)
                    minute.parallel += 1

    def commit(self) -> None:
        """Keep what was done."""
        self._journal.clear()

    def _minute(self, id: str, subject: str) -> _Minute:
        """The minute of a limit and subject, as the one taken last."""
        place = (id, subject)
        if (minute := self._minutes.get(place)) is not None:
            self._minutes.move_to_end(place)
            return minute
        if len(self._minutes) >= self._subjects_max:
            self._forget_one()
        minute = self._minutes[place] = _Minute()
        return minute

    def _forget_one(self) -> None:
        """Forget the one taken longest ago, sparing those with calls in flight if few have."""
        for _ in range(IN_FLIGHT_TRIES):
            place = next(iter(self._minutes))
            if self._minutes[place].parallel == 0:
                break
            self._minutes.move_to_end(place)
        self._minutes.popitem(last=False)


def _exceeded(terms: LimitTerms, minute: _Minute, tokens: int, now_us: int) -> Iterator[Exceeded]:
    """What of one limit a call does not fit in."""
    if terms.parallel_max is not None and minute.parallel >= terms.parallel_max:
        yield Exceeded(terms, "parallel", terms.parallel_max, minute.parallel, 1)
    if terms.rpm is not None and minute.calls >= terms.rpm:
        free_s = minute.free_at_s(minute.calls + 1 - terms.rpm, 0)
        yield Exceeded(terms, "rpm", terms.rpm, minute.calls, _wait_s(free_s, now_us))
    if terms.tpm is None or minute.tokens + tokens <= terms.tpm:
        return
    if minute.tokens > 0 or terms.tpm == 0:
        free_s = minute.free_at_s(0, max(1, minute.tokens - max(0, terms.tpm - tokens)))
        yield Exceeded(terms, "tpm", terms.tpm, minute.tokens, _wait_s(free_s, now_us))


def _wait_s(free_at_s: int | None, now_us: int) -> int:
    """Whole seconds from now, 1 to 60."""
    if free_at_s is None:
        return SPAN_S
    return min(max(1, -((now_us - free_at_s * _SECOND_US) // _SECOND_US)), SPAN_S)
