"""How a sample process begins and ends: it says when it serves, and ends with the process that started it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOOK_SECONDS: Final = 0.5


def announce(ready_file: Path | None, content: Mapping[str, Any]) -> None:
    """Write a ready file, whole or not at all; nothing where none was asked for."""
    if ready_file:
        draft = ready_file.with_name(ready_file.name + ".draft")
        draft.write_text(json.dumps(content))
        draft.replace(ready_file)


def end_with(pid: int | None) -> None:
    """Send this process SIGTERM once the process `pid`, its parent, is gone; nothing for None."""
    if pid is not None:
        threading.Thread(target=_watch, args=(pid,), daemon=True).start()


def _watch(pid: int) -> None:
    while os.getppid() == pid:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
