"""What happened over time: latency, failed calls and what waited, one above the other, the faults shaded in all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.report.markup import Markup, joined, svg, tag
from loadtests.report.plots.panels import CHARACTER, ROW, STROKES, Line, Panel, grid, head, rows, strokes
from loadtests.report.plots.scales import Scale, clock, log_marks, marks, time_marks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEFT: Final = 46
RIGHT: Final = 12
# For the phases and the faults' numbers; for the time axis; between panels, for a title.
TOP: Final = 56
BOTTOM: Final = 34
GAP: Final = 30
LATENCY_HEIGHT: Final = 190
FAILED_HEIGHT: Final = 56
BACKLOG_HEIGHT: Final = 110
PIXELS_PER_MARK: Final = 70
LEAST_FAULT: Final = 3
LABEL: Final = "Latency of calls and API, failed calls and backlog over the run, with its faults shaded"


def timeline(document: Mapping[str, Any], width: int) -> Markup:
    """Draw the run for a place of so many pixels."""
    series, seconds = document["series"], _seconds(document)
    x = Scale(0, seconds, LEFT, width - RIGHT)
    latency, backlog = latency_lines(series["latency"]), backlog_lines(series["backlog"])
    first = TOP + GAP + ROW * rows(latency, x)
    second = first + LATENCY_HEIGHT + GAP
    third = second + FAILED_HEIGHT + GAP + ROW * rows(backlog, x)
    bottom = third + BACKLOG_HEIGHT
    return svg(
        width,
        bottom + BOTTOM,
        LABEL,
        _hatching(width),
        _phases(document["phases"], x, bottom),
        _faults(document["faults"], x, bottom, width),
        _latency(latency, x, first),
        _failed(series["latency"]["calls"], x, second, series["bucket_seconds"]),
        _backlog(backlog, x, third),
        _time_axis(x, seconds, bottom, width),
    )


def latency_lines(latency: Mapping[str, Any]) -> list[Line]:
    """Give the lines of the first panel, in milliseconds."""
    calls, api = latency["calls"], latency["api"]
    return [
        Line("calls p50", calls["at"], calls["p50_ms"]),
        Line("calls p95", calls["at"], calls["p95_ms"]),
        Line("API p95", api["at"], api["p95_ms"]),
    ]


def backlog_lines(backlog: Mapping[str, Any]) -> list[Line]:
    """Give the lines of the last panel, as many as can be told apart."""
    return [Line(name, backlog["at"], values) for name, values in backlog["lines"].items()][: len(STROKES)]


def _seconds(document: Mapping[str, Any]) -> float:
    series = document["series"]
    moments = [*series["latency"]["calls"]["at"], *series["backlog"]["at"]]
    moments += [each["ended"] for each in (*document["phases"], *document["faults"])]
    return float(max(moments, default=1)) + float(series["bucket_seconds"])


def _hatching(width: int) -> Markup:
    line = tag("path", d="M0 7 L7 0", class_="hatch")
    pattern = tag("pattern", line, id=f"hatch-{width}", width=7, height=7, patternUnits="userSpaceOnUse")
    return tag("defs", pattern)


def _phases(phases: Sequence[Mapping[str, Any]], x: Scale, bottom: float) -> Markup:
    """Draw a strip of the phases with their names, where there is room for them."""
    drawn = []
    for number, phase in enumerate(phases):
        left, right = x.at(phase["began"]), x.at(phase["ended"])
        room = int((right - left - 8) / CHARACTER)
        name = phase["name"] if len(phase["name"]) <= room else f"{phase['name'][: max(room - 1, 0)]}…"
        shade = "phase" if number % 2 else "phase phase-odd"
        box = tag("rect", tag("title", phase["name"]), class_=shade, x=left, y=0, width=right - left, height=18)
        text = tag("text", name, x=left + 4, y=13, class_="small") if room > 1 else None
        drawn.append(joined(box, text, tag("path", d=f"M{left:.1f} 0 V{bottom:.1f}", class_="phase-edge")))
    return joined(*drawn)


def _faults(faults: Sequence[Mapping[str, Any]], x: Scale, bottom: float, width: int) -> Markup:
    """Shade each fault through all panels, with its number in the list below the picture."""
    drawn, taken = [], [-100.0, -100.0]
    for number, fault in enumerate(faults, 1):
        left = x.at(fault["began"])
        wide = max(LEAST_FAULT, x.at(fault["ended"]) - left)
        title = tag("title", f"{number}: {fault['kind']} {clock(fault['began'])} to {clock(fault['ended'])}")
        place = {"x": left, "y": 22, "width": wide, "height": bottom - 22}
        shade = tag("rect", title, class_="fault", fill=f"url(#hatch-{width})", **place)
        middle = left + wide / 2
        row = 0 if middle - taken[0] > 3 * CHARACTER else 1
        taken[row] = middle
        drawn.append(joined(shade, tag("text", str(number), x=middle, y=34 + 13 * row, class_="fault-number")))
    return joined(*drawn)


def _latency(lines: Sequence[Line], x: Scale, top: float) -> Markup:
    values = [each for line in lines for each in line.values if each]
    low, high = min(values, default=1.0), max(values, default=10.0)
    panel = Panel(x, Scale(low * 0.8, max(high, low * 4) * 1.2, top + LATENCY_HEIGHT, top, log=True))
    title = head(panel, "milliseconds (log scale)", lines)
    return joined(grid(panel, log_marks(panel.y.low, panel.y.high)), title, strokes(panel, lines))


def _failed(calls: Mapping[str, Any], x: Scale, top: float, bucket: float) -> Markup:
    most = max(calls["failed"], default=0)
    panel = Panel(x, Scale(0, max(most, 1), top + FAILED_HEIGHT, top))
    bars = []
    for at, failed in zip(calls["at"], calls["failed"], strict=True):
        left, right, y = x.at(at), x.at(at + bucket), panel.y.at(failed)
        if failed:
            box = {"x": left, "y": y, "width": max(1.0, right - left - 0.5), "height": panel.bottom - y}
            bars.append(tag("rect", tag("title", f"{failed} failed at {clock(at)}"), class_="bar", **box))
    every = "s" if bucket == 1 else f"{bucket:g} s"
    return joined(grid(panel, [0, max(most, 1)]), head(panel, f"calls that failed at first, each {every}"), *bars)


def _backlog(lines: Sequence[Line], x: Scale, top: float) -> Markup:
    most = max((each for line in lines for each in line.values if each), default=1)
    panel = Panel(x, Scale(0, most, top + BACKLOG_HEIGHT, top))
    return joined(grid(panel, marks(0, most, 4)), head(panel, "what waits", lines), strokes(panel, lines))


def _time_axis(x: Scale, seconds: float, bottom: float, width: int) -> Markup:
    moments = time_marks(seconds, max(2, (width - LEFT) // PIXELS_PER_MARK))
    drawn = [tag("path", d=f"M{x.start:.1f} {bottom:.1f} H{x.end:.1f}", class_="axis")]
    for moment in moments:
        drawn.append(tag("path", d=f"M{x.at(moment):.1f} {bottom:.1f} v5", class_="axis"))
        drawn.append(tag("text", clock(moment), x=x.at(moment), y=bottom + 18, class_="mark-x"))
    return joined(*drawn)
