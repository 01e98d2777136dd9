"""How often a call may be tried again at the target that just failed it.

A second try at the same target is what turns a provider's bad minute into a worse one, so they are
few: over any run of 50 calls or more, at most a fifth as many as calls. Going on to the next target
is bounded by the route's list, not here. Pure.
"""

from __future__ import annotations

RETRY_SHARE = 0.2
"""Second tries per call, over any run of `RUN_MIN` calls or more."""
RUN_MIN = 50

# In hundredths of a second try. A run of n calls that begins with a full bucket is allowed
# FULL + n × EARNED; that stays under n × 0.2 from n = 50 on because FULL + 50 × EARNED = 50 × 20.
_TRY = 100
_FULL = 150
_EARNED = (20 * RUN_MIN - _FULL) // RUN_MIN


class RetryBudget:
    """One for a whole server: a bucket that calls fill and second tries empty."""

    def __init__(self) -> None:
        self._left = _FULL

    def note_call(self) -> None:
        """A call is about to be sent for the first time."""
        self._left = min(self._left + _EARNED, _FULL)

    def take(self) -> bool:
        """Whether one second try may be made; if so, it counts."""
        if self._left < _TRY:
            return False
        self._left -= _TRY
        return True
