"""A panel of a picture: its place, its grid, its lines and which is which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.report.markup import Markup, joined, tag
from loadtests.report.plots.scales import Scale, short

if TYPE_CHECKING:
    from collections.abc import Sequence

# Lines are told apart by their strokes; the colours come on top.
STROKES: Final = ("line-1", "line-2", "line-3", "line-4", "line-5", "line-6")
CHARACTER: Final = 6.4
SAMPLE: Final = 24
ROW: Final = 16


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel; None is a gap."""

    name: str
    at: Sequence[float]
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel's place: from `top` down to `bottom`, and its scales."""

    x: Scale
    y: Scale

    @property
    def top(self) -> float:
        """Give its upper edge."""
        return self.y.end

    @property
    def bottom(self) -> float:
        """Give its lower edge."""
        return self.y.start


def places(lines: Sequence[Line], x: Scale) -> list[tuple[float, int]]:
    """Give each name of a legend its left edge and its row."""
    found, left, row = [], x.start, 0
    for line in lines:
        wide = SAMPLE + CHARACTER * len(line.name)
        if left > x.start and left + wide > x.end:
            left, row = x.start, row + 1
        found.append((left, row))
        left += wide + 12
    return found


def rows(lines: Sequence[Line], x: Scale) -> int:
    """Count the rows of a legend."""
    return max((row for _, row in places(lines, x)), default=-1) + 1


def head(panel: Panel, title: str, lines: Sequence[Line] = ()) -> Markup:
    """Give a panel's title and, below it, a stroke of each line beside its name."""
    count = rows(lines, panel.x)
    drawn = [tag("text", title, x=panel.x.start, y=panel.top - 8 - ROW * count, class_="panel-title")]
    for line, stroke, (left, row) in zip(lines, STROKES, places(lines, panel.x), strict=False):
        y = panel.top - 8 - ROW * (count - 1 - row)
        drawn.append(tag("path", d=f"M{left:.1f} {y - 4:.1f} h18", class_=stroke))
        drawn.append(tag("text", line.name, x=left + SAMPLE - 2, y=y, class_="small"))
    return joined(*drawn)


def grid(panel: Panel, values: Sequence[float]) -> Markup:
    """Give a line across at each value, with the value before it."""
    drawn = []
    for value in values:
        y = panel.y.at(value)
        drawn.append(tag("path", d=f"M{panel.x.start:.1f} {y:.1f} H{panel.x.end:.1f}", class_="grid"))
        drawn.append(tag("text", short(value), x=panel.x.start - 6, y=y + 4, class_="mark-y"))
    return joined(*drawn)


def strokes(panel: Panel, lines: Sequence[Line]) -> Markup:
    """Draw the lines."""
    pairs = zip(lines, STROKES, strict=False)
    return joined(*(tag("path", d=path(panel, line), class_=stroke) for line, stroke in pairs))


def path(panel: Panel, line: Line) -> str:
    """Give a line's path: a gap where there is no value."""
    steps, pen = [], "M"
    for at, value in zip(line.at, line.values, strict=True):
        if value is None:
            pen = "M"
            continue
        steps.append(f"{pen}{panel.x.at(at):.1f} {panel.y.at(value):.1f}")
        pen = "L"
    return " ".join(steps)
