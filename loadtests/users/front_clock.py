"""How far the front's monotonic clock is ahead of ours, so that intended starts mean the same on both sides."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
TIMES: Final = 5
TIMEOUT_SECONDS: Final = 5.0
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def ahead_of(front: str) -> float:
    """Ask the front's GET /clock; 0 for a front of this machine, which has our clock, or one without a clock."""
    try:
        return ahead(lambda: _ask(front), BOOT.read_text().strip() if BOOT.exists() else "", monotonic)
    except (OSError, ValueError, KeyError) as error:
        log.warning("expected the front's clock at %s/clock, got %r; its clock is taken for ours", front, error)
        return 0.0


def ahead(ask: Callable[[], dict[str, Any]], boot: str, clock: Callable[[], float]) -> float:
    """Give by how many seconds the other clock is ahead, by the shortest of a few round trips, half of it off at most.

    Two processes of one boot of one machine have one clock. Raises what `ask` raises, and KeyError for no clock.
    """
    found = []
    for _ in range(TIMES):
        before = clock()
        told = ask()
        if boot and told["boot"] == boot:
            return 0.0
        took = clock() - before
        found.append((took, told["monotonic"] - before - took / 2))
    return float(min(found)[1])


def _ask(front: str) -> dict[str, Any]:
    with urlopen(f"{front}/clock", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the URL that --host names
        told: dict[str, Any] = json.load(answer)
    return told
