"""The drawings of a demo's report: inline SVG, from the record. Times are seconds since the provider's clock began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.dev.demo_compare import clock_zero

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.dev.demo_record import Record

BINS: Final = 150
WIDTH: Final = 900
HEIGHT: Final = 240
LEFT: Final = 46
BOTTOM: Final = 26
TICKS: Final = 6
SERIES: Final = (("first", "ended well at the first run"), ("failed", "failed"), ("recovered", "recovered"))
SHADED: Final = {"outage": "outage", "rate_limited": "limited"}

_TIMELINE: Final = """
SELECT CAST((at - :zero) / :width AS INTEGER) AS bin, sum(outcome = 'succeeded' AND attempt = '-'),
  sum(outcome != 'succeeded'), sum(outcome = 'succeeded' AND attempt != '-')
FROM runs GROUP BY bin ORDER BY bin
"""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Runs over time: `bins` maps each series to its counts, one for each `width` seconds."""

    width: float
    bins: Mapping[str, Sequence[int]]

    @property
    def seconds(self) -> float:
        """Give the length."""
        return self.width * len(self.bins["first"])

    @property
    def most(self) -> int:
        """Give the largest count."""
        return max((max(counts, default=0) for counts in self.bins.values()), default=0)


def timeline(record: Record) -> Timeline:
    """Count how runs ended, in at most BINS steps of at least a second."""
    zero = clock_zero(record)
    span = record.number("SELECT max(at) FROM runs") - zero
    width = max(1.0, span / BINS)
    rows = record.connection.execute(_TIMELINE, {"zero": zero, "width": width}).fetchall()
    counts = {int(place): told for place, *told in rows}
    size = max(counts, default=0) + 1
    series = zip((name for name, _ in SERIES), range(len(SERIES)), strict=True)
    return Timeline(
        width, {name: [counts.get(place, (0, 0, 0))[column] for place in range(size)] for name, column in series}
    )


def chart(line: Timeline, windows: Iterable[Mapping[str, float | str]]) -> str:
    """Draw the timeline, with the windows in which the provider was away or limited shaded."""
    across, up = (WIDTH - LEFT) / max(line.seconds, 1), (HEIGHT - BOTTOM) / max(line.most, 1)
    shades = [_shade(each, across) for each in windows if each["kind"] in SHADED and float(each["at"]) < line.seconds]
    paths = [_path(name, line, across, up) for name, _ in SERIES]
    body = "".join((*shades, *_axes(line, across, up), *paths))
    label = "Runs of tasks over time: ended well at the first run, failed, recovered"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{body}</svg>'


def _shade(window: Mapping[str, float | str], across: float) -> str:
    left, width = LEFT + float(window["at"]) * across, float(window["seconds"]) * across
    width = min(width, WIDTH - left)
    what = SHADED[str(window["kind"])]
    return (
        f'<rect class="{what}" x="{left:.1f}" y="0" width="{width:.1f}" height="{HEIGHT - BOTTOM}"/>'
        f'<text class="shade" x="{left + 3:.1f}" y="12">{what}</text>'
    )


def _path(name: str, line: Timeline, across: float, up: float) -> str:
    points = " ".join(
        f"{LEFT + (place + 0.5) * line.width * across:.1f},{HEIGHT - BOTTOM - count * up:.1f}"
        for place, count in enumerate(line.bins[name])
    )
    return f'<polyline class="{name}" points="{points}"/>'


def _axes(line: Timeline, across: float, up: float) -> list[str]:
    below = [line.seconds * tick / TICKS for tick in range(TICKS)]
    beside = [line.most * tick / 4 for tick in range(5)]
    floor = HEIGHT - BOTTOM
    left = LEFT - 6
    return [
        f'<line class="axis" x1="{LEFT}" y1="{floor}" x2="{WIDTH}" y2="{floor}"/>',
        *(f'<text x="{LEFT + each * across:.1f}" y="{HEIGHT - 8}">{each:.0f} s</text>' for each in below),
        *(
            f'<text class="count" x="{left}" y="{max(10.0, floor - each * up):.1f}">{each / line.width:.0f}/s</text>'
            for each in beside
        ),
    ]
