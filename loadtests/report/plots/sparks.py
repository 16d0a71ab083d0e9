"""Small lines: a figure over the nights, a process over a run."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from loadtests.report.markup import Markup, svg, tag
from loadtests.report.plots.panels import Line, Panel, path
from loadtests.report.plots.scales import Scale, short

if TYPE_CHECKING:
    from collections.abc import Sequence

NIGHTS_WIDTH: Final = 320
NIGHTS_HEIGHT: Final = 110
SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 24


def nights(points: Sequence[tuple[str, str, float | None]], label: str) -> Markup:
    """Draw a figure over runs (id, when, value), the last one filled, the median of the others a line."""
    values = [value for _, _, value in points if value is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = (high - low) * 0.15 or abs(high) * 0.1 or 1.0
    x = Scale(0, max(1, len(points) - 1), 52, NIGHTS_WIDTH - 12)
    y = Scale(low - room, high + room, NIGHTS_HEIGHT - 24, 10)
    drawn = [
        tag("text", short(float(f"{each:.3g}")), x=46, y=y.at(each) + 4, class_="mark-y")
        for each in ({low, high} if values else set())
    ]
    if values[:-1]:
        usual = y.at(median(values[:-1]))
        drawn.append(tag("path", d=f"M52 {usual:.1f} H{NIGHTS_WIDTH - 12}", class_="usual"))
    panel = Panel(x, y)
    line = Line("", range(len(points)), [value for _, _, value in points])
    drawn.append(tag("path", d=path(panel, line), class_="line-3"))
    for place, (run_id, when, value) in enumerate(points):
        if value is not None:
            last = place == len(points) - 1
            title = tag("title", f"{run_id}, {when[:16]}: {value:.4g}")
            where = {"cx": x.at(place), "cy": y.at(value), "r": 5 if last else 3}
            drawn.append(tag("circle", title, class_="dot" if last else "ring", **where))
    drawn += [_day(points, place, x) for place in {0, len(points) - 1} if points]
    return svg(NIGHTS_WIDTH, NIGHTS_HEIGHT, label, *drawn, class_="nights")


def _day(points: Sequence[tuple[str, str, float | None]], place: int, x: Scale) -> Markup:
    end = "start" if place == 0 else "end"
    return tag("text", points[place][1][5:10], x=x.at(place), y=NIGHTS_HEIGHT - 6, class_="small", text_anchor=end)


def spark(values: Sequence[float | None], label: str) -> Markup:
    """Draw values from 0 to their greatest in a cell."""
    most = max((each for each in values if each is not None), default=1) or 1
    x, y = Scale(0, max(1, len(values) - 1), 2, SPARK_WIDTH - 2), Scale(0, most, SPARK_HEIGHT - 2, 2)
    line = tag("path", d=path(Panel(x, y), Line("", range(len(values)), values)), class_="line-2")
    return svg(SPARK_WIDTH, SPARK_HEIGHT, label, line, class_="spark")
