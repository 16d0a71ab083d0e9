"""Lines that several processes add to one file: each is one write at its end, so that none is torn."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def append(path: Path | str, lines: str) -> None:
    """Add lines, which bring their ends along; raises OSError where the file cannot be opened."""
    os.write(_file(path, os.getpid()), lines.encode())


@cache
def _file(path: Path | str, _pid: int) -> int:
    """Open a file once in each process: a pool child that is forked later has its own."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
