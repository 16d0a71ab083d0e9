"""The search for the knee: each step with its rate, whether it held, and what limits above the highest that did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.report import wording
from loadtests.report.markup import Markup, joined, tag
from loadtests.report.sections.tables import section, table

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES: Final = {"calls": "Calls that become tasks", "api": "Requests to the API"}
HEAD: Final = ("asked a second", "held", "calls a second", "API requests a second", "calls p95", "API p99", "why not")


def knee(document: Mapping[str, Any]) -> Markup:
    """Show each search of the run; nothing where it looked for none."""
    return section("The knee", *(_search(each) for each in document.get("knees") or []), name="knee")


def _search(each: Mapping[str, Any]) -> Markup:
    rows = [_step(step) for step in sorted(each["steps"], key=lambda step: step["asked"])]
    title = tag("h3", NAMES.get(each["of"], each["of"]))
    return joined(title, tag("p", tag("b", said(each))), table(HEAD, rows, "numbers"))


def said(each: Mapping[str, Any]) -> str:
    """Say in one sentence where the knee is, and what limits there."""
    bounds, limit = each["bounds"], each.get("limit")
    held, missed = bounds["held"], bounds["missed"]
    first = "No rate held" if held is None else f"{held:.4g} a second held {bounds['times']} times"
    second = "none was too high" if missed is None else f"{missed:.4g} did not"
    return f"{first}; {second}.{' Limits: ' + limit['sentence'] + '.' if limit else ''}"


def _step(step: Mapping[str, Any]) -> tuple[str, ...]:
    held = not step["why"]
    mark = tag("span", wording.MARKS[held], class_=f"mark {'met' if held else 'missed'}")
    figures = {figure["name"]: figure for figure in step["figures"]}
    slow = [wording.number(figures.get(name, {}).get("value"), "ms") for name in ("end_to_end_p95_ms", "api_p99_ms")]
    rates = [f"{step[name]:.4g}" for name in ("calls_per_second", "api_requests_per_second")]
    return f"{step['asked']:.4g}", mark, *rates, *slow, tag("span", "; ".join(step["why"]), class_="wrapped")
