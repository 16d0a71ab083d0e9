"""A value with its interval beside a limit or zero, small enough for a cell of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.report.markup import Markup, svg, tag
from loadtests.report.plots.scales import Scale

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH: Final = 180
HEIGHT: Final = 24
EDGE: Final = 8


def domain(values: Iterable[float | None]) -> tuple[float, float]:
    """Give the least and the greatest of the values, 0 to 1 of none."""
    numbers = [each for each in values if each is not None]
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a value is drawn beside: the scale from least to greatest, and on it a line, `limit` or `zero`."""

    low: float
    high: float
    line: float | None = None
    kind: str = "limit"


def whisker(value: float | None, ends: tuple[float | None, float | None], beside: Beside, label: str) -> Markup:
    """Draw a value with the ends of its interval on a scale."""
    x, middle = Scale(beside.low, beside.high, EDGE, WIDTH - EDGE), HEIGHT / 2
    drawn = [tag("path", d=f"M{EDGE} {middle} H{WIDTH - EDGE}", class_="grid")]
    if beside.line is not None:
        drawn.append(tag("path", d=f"M{x.at(beside.line):.1f} 2 V{HEIGHT - 2}", class_=beside.kind))
    low, high = ends
    if low is not None and high is not None:
        left, right = x.at(low), x.at(high)
        caps = f"M{left:.1f} {middle - 4} v8 M{right:.1f} {middle - 4} v8"
        drawn.append(tag("path", d=f"M{left:.1f} {middle} H{right:.1f} {caps}", class_="whisker"))
    if value is not None:
        drawn.append(tag("circle", cx=x.at(value), cy=middle, r=4, class_="dot"))
    return svg(WIDTH, HEIGHT, label, *drawn, class_="whiskers")
