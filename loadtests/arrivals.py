"""Open arrivals: when the next ones come does not depend on how long those before them took. Decisions only.

They come as a Poisson process: the times between them are exponential, so a rate may change at any moment, and the
streams of several users together are one stream of their rates' sum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random


class LoadInvalid(ValueError):
    """What arrives, said wrongly: names the key, what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Load:
    """What arrives: `rate` calls and `telemetry_rate` batches a second; `malformed` is the share of calls that are."""

    rate: float
    telemetry_rate: float = 0.0
    malformed: float = 0.0

    def changed(self, text: str) -> Load:
        """Give the load that a file's JSON asks for, what it does not name as it was; raises LoadInvalid."""
        try:
            given = json.loads(text)
        except ValueError as error:
            raise LoadInvalid(f"expected JSON, got {text[:80]!r}") from error
        if not isinstance(given, dict):
            raise LoadInvalid(f"expected an object, got {text[:80]!r}")
        return replace(self, **{name: _number(name, value) for name, value in given.items()})


def _number(name: str, value: Any) -> float:  # noqa: ANN401 - whatever the file holds
    most = 1.0 if name == "malformed" else float("inf")
    if name not in {"rate", "telemetry_rate", "malformed"}:
        raise LoadInvalid(f"{name}: expected one of rate, telemetry_rate, malformed, got an unknown key")
    if isinstance(value, bool) or not isinstance(value, int | float) or not (isfinite(value) and 0 <= value <= most):
        raise LoadInvalid(f"{name}: expected a number from 0{' to 1' if most == 1 else ''}, got {value!r}")
    return float(value)


@dataclass(slots=True)
class Arrivals:
    """The intended starts of one stream; `at` is how far they are drawn, in seconds of the caller's clock."""

    at: float
    dice: Random

    def until(self, moment: float, rate: float) -> list[float]:
        """Draw those up to a moment, at so many a second; a caller who is late gets those too that he missed."""
        found, at = [], self.at
        while rate > 0 and (at := at + self.dice.expovariate(rate)) <= moment:
            found.append(at)
        self.at = max(self.at, moment)
        return found
