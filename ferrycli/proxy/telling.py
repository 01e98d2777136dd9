"""The thread that tells: new alerts to their channels, again until each has got through.

It looks for commits of others twice a second, and holds no lock while a message is on its way.
Each channel has one message under way at a time, in a thread of its own, so that none waits for
another. No call ever waits for any of this.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, tzinfo
from functools import partial
from queue import Empty, SimpleQueue
from zoneinfo import ZoneInfo

from ferrycli.notices.sending import send
from ferrycli.rules.channels import Channel, recipients
from ferrycli.rules.errors import ChannelUnusable, FerryError, NobodyTold, NotDelivered
from ferrycli.rules.notice_words import Alerted, Message, message
from ferrycli.settings import Settings, secrets_of
from ferrycli.store.deliveries import CLAIMED_MAX, WAIT_US_MAX, Due, Outbox

LOOK_S = 0.5
RETRY_S = 2.0
"""Between two tries to use a database that is locked, full or gone."""
ELSEWHERE_MAX = 50
"""Deliveries through channels that are not configured any more, of one round."""
UNHEARD_S = 5.0
"""The operator hears at most so often that nobody is told."""
_MARKING_S = 2.0
_NOT_CONFIGURED = "there is no channel of this name in the config"


class Telling:
    """Tells alerts of one database through the channels of the config. `start` first."""

    def __init__(
        self, settings: Settings, now_us: Callable[[], int], trouble: Callable[[Exception], None]
    ) -> None:
        """`trouble` is told, from the thread, what does not get through; it must not raise."""
        self._path = settings.database
        self._channels = {channel.name: channel for channel in settings.channels}
        self._resolve = partial(
            recipients, channels=settings.channels, default=settings.alerts_default
        )
        self._settings = settings
        self._now_us = now_us
        self._trouble = trouble
        self._stopping = threading.Event()
        self._patience_s = 0.0
        self._under_way: set[str] = set()
        """Channels whose message is being sent, or was and is not marked yet."""
        self._done: SimpleQueue[tuple[Due, NotDelivered | None] | None] = SimpleQueue()
        self._unmarked: list[tuple[Due, NotDelivered | None]] = []
        self._failing: set[str] = set()
        self._unheard: list[Alerted] = []
        self._unheard_said_s = float("-inf")
        self._thread = threading.Thread(target=self._run, name="ferry-telling", daemon=True)

    def start(self) -> None:
        """Begin; the database has been migrated."""
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """End, after a last look: what is under way gets `patience_s` to arrive.

        What has not arrived then is sent again after the next start, with the same id.
        """
        self._patience_s = patience_s
        self._stopping.set()
        self._done.put(None)
        self._thread.join(patience_s + _MARKING_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                # Not made anew where it is gone: an empty file would be no database of ferry's.
                if self._path.exists():
                    with Outbox(self._path, self._now_us, _chance) as outbox:
                        self._tell(outbox)
                        self._finish(outbox)
            except FerryError:
                # Locked or full: the ledger says so, and what was not marked still is not.
                pass
            except Exception as error:  # noqa: BLE001  # A thread's outermost frame: it must not end.
                self._trouble(error)
            self._stopping.wait(RETRY_S)

    def _tell(self, outbox: Outbox) -> None:
        is_more = True
        while not self._stopping.is_set():
            self._mark(outbox)
            if outbox.has_moved() or is_more:
                is_more = self._claim(outbox)
            self._begin(outbox)
            self._say_unheard()
            self._take(0 if is_more else LOOK_S)

    def _finish(self, outbox: Outbox) -> None:
        """What the last calls have caused is told before the server ends, if that is quick."""
        deadline_s = time.monotonic() + self._patience_s
        self._mark(outbox)
        self._claim(outbox)
        self._begin(outbox)
        while self._under_way and (left_s := deadline_s - time.monotonic()) > 0:
            self._take(left_s)
            self._mark(outbox)
        self._unheard_said_s = float("-inf")
        self._say_unheard()

    def _claim(self, outbox: Outbox) -> bool:
        """Pick up new alerts; whether there may be more."""
        claimed = outbox.claim(self._resolve)
        self._unheard += claimed.unheard
        return claimed.count == CLAIMED_MAX

    def _begin(self, outbox: Outbox) -> None:
        """Send what is due, one message on each channel that is free."""
        next_us, now_us = outbox.next_us(), self._now_us()
        if next_us is None or now_us < next_us <= now_us + WAIT_US_MAX:
            return
        for _ in range(ELSEWHERE_MAX):
            if not (gone := outbox.begin_elsewhere(self._channels)):
                break
            for due in gone:
                outbox.not_delivered(due, _NOT_CONFIGURED, is_final=False)
                self._say_failing(NotDelivered(due.channel, _NOT_CONFIGURED))
        for due in outbox.begin(self._channels.keys() - self._under_way):
            self._under_way.add(due.channel)
            thread = threading.Thread(
                target=self._send, args=(due,), name=f"ferry-to-{due.channel}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                self._done.put((due, NotDelivered(due.channel, "no thread could be started")))

    def _send(self, due: Due) -> None:
        """In a thread of its own: one try, and what came of it."""
        failure: NotDelivered | None = None
        try:
            channel = self._channels[due.channel]
            written = written_of(due.alert)
            deliver(self._settings, channel, written, due.recipient, self._now_us())
        except NotDelivered as error:
            failure = error
        except Exception as error:  # noqa: BLE001  # A thread's outermost frame.
            failure = NotDelivered(due.channel, f"it failed ({type(error).__name__})")
        self._done.put((due, failure))

    def _take(self, wait_s: float) -> None:
        """Wait for the end of a try, and take along what else has ended."""
        try:
            ended = self._done.get(timeout=wait_s) if wait_s > 0 else self._done.get_nowait()
            while True:
                if ended is not None:
                    self._unmarked.append(ended)
                ended = self._done.get_nowait()
        except Empty:
            return

    def _mark(self, outbox: Outbox) -> None:
        """Write down what came of tries. A channel is free again only then."""
        while self._unmarked:
            due, failure = self._unmarked[0]
            if failure is None:
                outbox.delivered(due)
                self._failing.discard(due.channel)
            else:
                is_given_up = outbox.not_delivered(
                    due, failure.why, is_final=failure.is_final, wait_s=failure.wait_s
                )
                self._say_failing(NotDelivered(due.channel, failure.why, is_given_up))
            self._unmarked.pop(0)
            self._under_way.discard(due.channel)

    def _say_failing(self, failure: NotDelivered) -> None:
        """Once for each channel until it works again; and whenever a notice is given up."""
        if failure.channel not in self._failing or failure.is_final:
            self._failing.add(failure.channel)
            self._trouble(failure)

    def _say_unheard(self) -> None:
        now_s = time.monotonic()
        if self._unheard and now_s - self._unheard_said_s >= UNHEARD_S:
            first, more = self._unheard[0], len(self._unheard) - 1
            self._trouble(NobodyTold(written_of(first).title, more))
            self._unheard.clear()
            self._unheard_said_s = now_s


def written_of(alert: Alerted) -> Message:
    """The message of an alert, its times in the zone of its budget."""
    try:
        zone: tzinfo = ZoneInfo(alert.zone)
    except (KeyError, ValueError, OSError):
        zone = UTC
    return message(alert, zone)


def deliver(
    settings: Settings, channel: Channel, written: Message, address: str, now_us: int
) -> None:
    """One try to deliver. Raises `NotDelivered`, also where a secret is missing."""
    try:
        found = secrets_of(channel, settings.environment)
    except ChannelUnusable as error:
        raise NotDelivered(channel.name, f"{error.origin}: {error.why}") from None
    send(channel, found, written, address, now_us=now_us)


def _chance() -> float:
    return secrets.randbits(16) / (1 << 16)
