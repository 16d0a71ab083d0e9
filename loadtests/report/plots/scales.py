"""From values to places in a picture, and where its axes have marks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

STEPS_OF_TIME: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
MINUTE: Final = 60
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps low..high to start..end, with logarithms where `log`; what lies beyond is drawn at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Give the place of a value."""
        low, high, here = (self._of(each) for each in (self.low, self.high, value))
        share = 0.5 if high == low else (here - low) / (high - low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def _of(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self.log else value


def marks(low: float, high: float, most: int) -> list[float]:
    """Give at most so many round values from low to high, apart by 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    step = 10 ** math.floor(math.log10((high - low) / most))
    step *= next(times for times in (1, 2, 5, 10, 20) if (high - low) / (step * times) <= most - 1 or times == 20)  # noqa: PLR2004 - the last there is
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def log_marks(low: float, high: float) -> list[float]:
    """Give the powers of ten from low to high; with 2 and 5 times them where that is less than two decades."""
    times = (1,) if math.log10(high / low) > 2 else (1, 2, 5)  # noqa: PLR2004 - decades
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [value for power in powers for each in times if low <= (value := each * 10.0**power) <= high]


def time_marks(seconds: float, most: int) -> list[float]:
    """Give at most so many moments from 0, apart by what people count in."""
    step = next((each for each in STEPS_OF_TIME if seconds / each <= most), STEPS_OF_TIME[-1])
    return [float(moment) for moment in range(0, math.floor(seconds) + 1, step)]


def clock(seconds: float) -> str:
    """Say a moment as m:ss, or h:mm:ss from an hour on."""
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02}"
    return f"{whole // HOUR}:{whole % HOUR // MINUTE:02}:{whole % MINUTE:02}"


def short(value: float) -> str:
    """Say a mark's value."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"  # noqa: PLR2004 - where a comma helps
