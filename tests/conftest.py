"""What every test starts from."""

from __future__ import annotations

import signal

# A job in the background has these ignored, and so would the commands that tests interrupt.
for _signal, _usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_signal) == signal.SIG_IGN:
        signal.signal(_signal, _usual)
