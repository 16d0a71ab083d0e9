"""One measured number with what belongs to it: unit, interval, sample size, or why it could not be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Figure:
    """A number by its name, `unit` beside it; `low` and `high` are its 95 % interval, `samples` what it rests on.

    A figure without a value says in `why_not` what kept it from being measured. A share has its two counts.
    """

    name: str
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None
    samples: int | None = None
    numerator: int | None = None
    denominator: int | None = None
    about: str = ""
    why_not: str | None = None

    @classmethod
    def unmeasured(cls, name: str, unit: str, why_not: str) -> Self:
        """Give a figure that could not be measured, and why."""
        return cls(name, unit, None, why_not=why_not)

    @property
    def measured(self) -> bool:
        """Tell whether there is a number, and nothing that speaks against it."""
        return self.value is not None and self.why_not is None
