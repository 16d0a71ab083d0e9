"""What the plugin costs: the arms compared, each difference with its interval, all of one span on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.report import wording
from loadtests.report.markup import Markup, joined, tag
from loadtests.report.plots.whiskers import Beside, domain, whisker
from loadtests.report.sections.tables import section, table
from loadtests.report.text import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPANS: Final = {
    "end_to_end": "End to end, as the caller sees it",
    "worker": "In the worker",
    "worker_delayed": "In the worker, with its waits for a processor",
}
HEAD: Final = ("at", "difference (95 %)", "beside zero", "with, without")


def cost(document: Mapping[str, Any]) -> Markup:
    """Show each comparison: the same calls, in turns with the plugin and without."""
    spans = dict.fromkeys(each["span"] for each in document["comparisons"])
    parts = [_span(span, [each for each in document["comparisons"] if each["span"] == span]) for span in spans]
    note = tag(
        "p", "With the plugin minus without, in pairs of blocks under one load; the line is zero.", class_="note"
    )
    return section("What the plugin costs", note if parts else None, *parts, name="cost")


def _span(span: str, comparisons: Sequence[Mapping[str, Any]]) -> Markup:
    over = _scale(comparisons)
    tables = [
        joined(tag("h4", _name(each)), table(HEAD, [_row(each, at, over) for at in QUANTILES if at in each], "numbers"))
        for each in comparisons
    ]
    groups = [tag("div", each, class_="comparison") for each in tables]
    return joined(tag("h3", SPANS.get(span, span)), tag("div", *groups, class_="comparisons"))


def _scale(comparisons: Sequence[Mapping[str, Any]]) -> Beside:
    """Give the scale that all differences of a span have in common, with zero on it."""
    found = [each[at] for each in comparisons for at in QUANTILES if at in each]
    low, high = domain([0.0, *(one[end] for one in found for end in ("low", "difference", "high"))])
    room = (high - low) * 0.05
    return Beside(low - room, high + room, 0, "zero")


def _name(each: Mapping[str, Any]) -> str:
    said = wording.comparison(each).partition(", ")[2]
    return f"{said}: {each['samples_on']:,} and {each['samples_off']:,} calls, {each['blocks']} pairs"


def _row(each: Mapping[str, Any], at: str, over: Beside) -> tuple[str, ...]:
    found = each[at]
    if found["difference"] is None:
        return at, tag("span", f"not measured: {found.get('why_not') or ''}", class_="wrapped"), "", ""
    told = {"value": found["difference"], "low": found["low"], "high": found["high"], "unit": "ms"}
    said = f"{wording.comparison(each)}, {at}: {wording.measured(told)}"
    picture = whisker(found["difference"], (found["low"], found["high"]), over, said)
    interval = tag("span", wording.interval(told), class_="beside")
    value = joined(tag("b", wording.number(found["difference"], "ms")), " ", interval)
    with_it, without = (wording.number(found[arm], "ms") for arm in ("on", "off"))
    return at, value, picture, f"{with_it.removesuffix(' ms')}, {without}"
