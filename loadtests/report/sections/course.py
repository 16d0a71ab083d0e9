"""The course of the run: the picture over time, and the faults that are numbered in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadtests.report import wording
from loadtests.report.markup import Markup, joined, tag
from loadtests.report.plots.scales import clock
from loadtests.report.plots.sparks import spark
from loadtests.report.plots.timeline import timeline
from loadtests.report.sections.tables import section, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDE, NARROW = 1080, 358


def course(document: Mapping[str, Any]) -> Markup:
    """Draw latency, failures and backlog over time, for a wide screen and for a narrow one."""
    pictures = [
        tag("div", timeline(document, width), class_=name) for width, name in ((WIDE, "wide"), (NARROW, "narrow"))
    ]
    faults = [
        tag("li", tag("b", each["kind"].replace("_", " ")), f" {_moments(each)}", _beside(each))
        for each in document["faults"]
    ]
    listed = tag("ol", *faults, class_="faults") if faults else tag("p", "No faults were made.", class_="note")
    return section("Over time", *pictures, listed, name="course")


def _moments(fault: Mapping[str, Any]) -> str:
    began, ended = clock(fault["began"]), clock(fault["ended"])
    return f"at {began}" if began == ended else f"{began} to {ended}"


def _beside(fault: Mapping[str, Any]) -> str:
    told = [each for each in (fault.get("target"), fault.get("note")) if each]
    return f" ({', '.join(told)})" if told else ""


def resources(document: Mapping[str, Any]) -> Markup:
    """List what each process took: processors and memory over time, handles at the end."""
    rows = [_process(name, told) for name, told in document["series"]["resources"].items()]
    head = ("process", "processors", "mean, most", "memory", "first, last", "open handles")
    return section("Processes", table(head, rows, "numbers"), name="resources")


def _process(name: str, told: Mapping[str, Any]) -> tuple[str, ...]:
    used = [each for each in told["processors"] if each is not None]
    mean = f"{sum(used) / len(used):.2f}, {max(used):.2f}" if used else "-"
    memory, handles = told["rss_mb"], told["handles"]
    return (
        name,
        spark(told["processors"], f"processors of {name}"),
        mean,
        spark(memory, f"memory of {name}"),
        _ends(memory, " MB"),
        _ends(handles, ""),
    )


def _ends(values: Sequence[float], unit: str) -> str:
    return f"{values[0]:,.0f}, {values[-1]:,.0f}{unit}" if values else "-"


def requests(document: Mapping[str, Any]) -> Markup:
    """List the requests as Locust saw them."""
    rows = [
        (each["name"], f"{each['requests']:,}", f"{each['failures']:,}", wording.number(each["p95_ms"], "ms"))
        for each in document["requests"]
    ]
    told = table(("request", "count", "failed", "p95"), rows, "numbers")
    return joined(tag("h3", "Requests, as Locust saw them"), told) if told else told
