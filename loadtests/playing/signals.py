"""Whoever asks a run to end: heard once, so that everything that was started is stopped, and not cut short."""

from __future__ import annotations

import signal
import sys
from typing import Final

ASKING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What was ignored when we were started (nohup, a shell's background) stays so.
HEARD: Final = tuple(each for each in ASKING if signal.getsignal(each) is not signal.SIG_IGN)


def listen() -> None:
    """Leave at the first signal by way of all that stops what was started: Ctrl-C raises KeyboardInterrupt, SIGTERM
    and a terminal that is closed raise SystemExit with 128 and the signal's number.
    """
    for each in HEARD:
        signal.signal(each, _leave)


def unheard() -> None:
    """Ignore them all: what stops now is not stopped by halves."""
    for each in HEARD:
        signal.signal(each, signal.SIG_IGN)


def _leave(number: int, _: object) -> None:
    unheard()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
