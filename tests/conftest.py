"""What every test starts from."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Of a job in the background: the commands that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
