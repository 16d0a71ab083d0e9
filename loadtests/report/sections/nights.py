"""The trend: the figures of the nights before, and what is slower by the stated test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadtests.report.labels import label
from loadtests.report.markup import Markup, tag
from loadtests.report.plots.sparks import nights as drawn
from loadtests.report.sections.tables import section

if TYPE_CHECKING:
    from collections.abc import Mapping


def nights(document: Mapping[str, Any]) -> Markup:
    """Draw each figure that is followed over the runs; what is slower comes first and says so."""
    trend = document.get("trend") or {}
    points = trend.get("points") or {}
    why_not = trend.get("why_not")
    if not points:
        said = f"No trend: {why_not or 'no history was given'}."
        return section("Trend", tag("p", said, class_="note"), name="trend")
    slower, tests = set(trend.get("slower", [])), {each["figure"]: each for each in trend.get("tests", [])}
    pictures = [
        _figure(figure, points[figure], tests.get(figure, {}), slower=figure in slower)
        for figure in sorted(points, key=lambda each: each not in slower)
    ]
    count = len(trend.get("compared_with", []))
    rule = tag("p", f"Against {count} runs on such a machine. {trend.get('rule', '')}", class_="note")
    verdict = tag("p", f"Not tested: {why_not}." if why_not else _verdict(slower), class_="problem" if slower else None)
    return section("Trend", verdict, tag("div", *pictures, class_="nights-grid"), rule, name="trend")


def _verdict(slower: set[str]) -> str:
    if not slower:
        return "Nothing is slower than in the runs before."
    return f"Slower than in the runs before: {'; '.join(sorted(label(each) for each in slower))}."


def _figure(
    figure: str, points: list[tuple[str, str, float | None]], test: Mapping[str, Any], *, slower: bool
) -> Markup:
    ratio, chance = test.get("ratio"), test.get("p")
    told = [
        f"{ratio:.3g} times what was expected" if ratio is not None else "",
        f"p = {chance:.2g}" if chance is not None else "",
    ]
    caption = tag(
        "figcaption",
        tag("span", "▲ slower", class_="mark missed") if slower else None,
        tag("b", label(figure)),
        tag("span", ", ".join(each for each in told if each), class_="beside"),
    )
    return tag("figure", caption, drawn(points, f"{label(figure)} over {len(points)} runs"))
