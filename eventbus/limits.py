"""How much may wait for the bus on disk, and how long: settings of a worker, checked where it is set up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

BYTES_VARIABLE: Final = "REDRIVE_SPOOL_BYTES"
AGE_VARIABLE: Final = "REDRIVE_SPOOL_AGE"
FEWEST_BYTES: Final = 1 << 20
SHORTEST_AGE: Final = 60
MOST: Final = 1 << 50


class LimitError(ValueError):
    """A setting of the spool can't be used; its text names the variable, what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many bytes in the spool's folder, and no event older than so many seconds."""

    max_bytes: int = 256 << 20
    max_age: float = 7 * 86_400.0


def limits_of(environ: Mapping[str, str] = os.environ) -> Limits:
    """Read REDRIVE_SPOOL_BYTES (bytes, at least 1 MiB) and REDRIVE_SPOOL_AGE (seconds, at least 60).

    Raises LimitError.
    """
    default = Limits()
    return Limits(
        _whole(environ, BYTES_VARIABLE, "bytes", FEWEST_BYTES, default.max_bytes),
        _whole(environ, AGE_VARIABLE, "seconds", SHORTEST_AGE, int(default.max_age)),
    )


def _whole(environ: Mapping[str, str], name: str, unit: str, fewest: int, default: int) -> int:
    given = environ.get(name, "").strip()
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or not fewest <= int(given) <= MOST:
        raise LimitError(f"expected {name} as a whole number of {unit}, {fewest} or more, got {given!r}: mend it")
    return int(given)
