"""Ends an action's process as an interpreter ends, without taking apart what only this process had a copy of."""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import threading
import traceback

_handlers = []  # type: list[int]


def keep_handlers() -> None:
    """Let the log handlers that there are be left as they are at the end: they have written each line at once."""
    logging = sys.modules["logging"]
    atexit.unregister(logging.shutdown)
    _handlers.append(len(logging._handlerList))


def end(code: int) -> None:
    """Wait for threads, call what asked for it, write out what was logged and printed; end with this exit code."""
    try:
        if _thread._count():
            threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        if _handlers and len(sys.modules["logging"]._handlerList) != _handlers[0]:
            sys.modules["logging"].shutdown()
    except BaseException:  # noqa: BLE001 as at an interpreter's end
        traceback.print_exc()
    flush(sys.stdout)
    flush(sys.stderr)
    os._exit(code)


def flush(stream: object) -> None:
    """Write out what a stream holds, where it can."""
    try:  # noqa: SIM105 the class `suppress` lies on pages that nothing else here needs
        stream.flush()  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        pass
