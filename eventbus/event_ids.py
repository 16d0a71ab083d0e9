"""The id of a new event: of the clock and of chance, which the contract itself knows nothing of."""

from __future__ import annotations

import os
import time
from typing import Final

from eventbus.identity import time_ordered

RANDOM_BYTES: Final = 10


def event_id() -> str:
    """Name a new event."""
    return str(time_ordered(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(RANDOM_BYTES))))
