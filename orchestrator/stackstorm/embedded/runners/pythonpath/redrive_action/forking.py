"""Puts off what threading and logging do in each forked child.

They mend what other threads of the parent have left: here there is none, and a fork is dear by the pages that the child
writes to. So a child of the warm process begins without it. Its own children may have threads to forget: for them all
is as it is after any import.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

_put_off = []  # type: list[dict[str, Any]]


def import_ahead(names: Any) -> None:
    """Import modules; what they ask for at a fork is kept for the children."""
    register = os.register_at_fork
    os.register_at_fork = lambda **hooks: _put_off.append(hooks)
    try:
        for name in names:
            importlib.import_module(name)
    finally:
        os.register_at_fork = register


def forked() -> None:
    """Let the child's own forks do what was put off, and its one thread know its new number."""
    for hooks in _put_off:
        os.register_at_fork(**hooks)
    sys.modules["threading"].main_thread()._set_native_id()
