"""The head of the page and its gates: what is read in the first ten seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.report import wording
from loadtests.report.labels import label
from loadtests.report.markup import Markup, joined, tag
from loadtests.report.plots.whiskers import Beside, domain, whisker
from loadtests.report.sections.tables import section
from loadtests.verdict.gate import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

# The mission's two, ours, and what nobody forgives.
KEY_FIGURES: Final = ("overhead_p95_ms", "first_retry_success", "worker_overhead_p95_ms", "events_lost")
WORDS: Final = {True: "met", False: "missed", None: "unknown"}
BIG_MARKS: Final = {"passed": "✓", "missed": "✗", "not_measured": "?"}


def head(document: Mapping[str, Any]) -> Markup:
    """Say how it ended, of which run, and the figures that everybody asks for."""
    outcome = document["verdict"]["outcome"]
    sabotage = wording.sabotage(document)
    banner = tag(
        "div",
        tag("span", BIG_MARKS[outcome], class_="big-mark", aria_hidden="true"),
        tag("div", tag("h1", wording.outcome(document).capitalize()), tag("p", *_headline(document))),
        class_=f"banner {outcome}",
    )
    problems = [tag("p", f"Problem: {each}", class_="problem") for each in document["problems"]]
    return tag(
        "header",
        banner,
        tag("p", wording.run_line(document), class_="run"),
        tag("p", sabotage, class_="problem") if sabotage else None,
        *problems,
        _key_figures(document),
    )


def _headline(document: Mapping[str, Any]) -> list[str]:
    """Say the sentence with the names of figures as people call them."""
    gates = document["verdict"]["gates"]
    missed, unknown = ([label(r["figure"]) for r in gates if r["met"] is each] for each in (False, None))
    said = []
    if missed:
        said += [tag("b", f"{len(missed)} of {len(gates)} gates missed: "), "; ".join(missed), ". "]
    if unknown:
        said += [tag("b", f"{len(unknown)} of {len(gates)} not measured: "), "; ".join(unknown), ". "]
    return said or [f"{wording.headline(document).capitalize()}."]


def _key_figures(document: Mapping[str, Any]) -> Markup:
    by_name = {row["figure"]: row for row in document["verdict"]["gates"]}
    tiles = [_tile(by_name[name]) for name in KEY_FIGURES if name in by_name]
    return tag("div", *tiles, class_="tiles") if tiles else Markup("")


def _tile(row: Mapping[str, Any]) -> Markup:
    value = wording.number(row["value"], row["unit"]) if row["value"] is not None else "not measured"
    mark = tag("span", wording.MARKS[row["met"]], class_=f"mark {WORDS[row['met']]}")
    return tag(
        "div",
        tag("div", label(row["figure"]), class_="tile-name"),
        tag("div", mark, " ", value, class_="tile-value"),
        tag("div", f"95 %: {wording.interval(row)}" if wording.interval(row) else None, class_="tile-beside"),
        tag("div", f"limit {wording.limit(row)}", class_="tile-beside"),
        class_=f"tile {WORDS[row['met']]}",
    )


def gates(document: Mapping[str, Any]) -> Markup:
    """List every gate, the missed ones first, each with its value, its interval beside the limit, and its limit."""
    rows = [_gate(row) for row in wording.gates_in_order(document)]
    heads = tag("tr", *(tag("th", name, scope="col") for name in ("", "gate", "measured", "beside its limit", "limit")))
    told = tag("table", tag("thead", heads), tag("tbody", *rows), class_="gates") if rows else None
    return section("Gates", told, name="gates")


def _gate(row: Mapping[str, Any]) -> Markup:
    word = WORDS[row["met"]]
    name = [tag("b", label(row["figure"])), tag("code", row["figure"])]
    why = wording.why(row)
    return tag(
        "tr",
        tag("td", tag("span", wording.MARKS[row["met"]], class_=f"mark {word}", title=word), class_="cell-mark"),
        tag("td", *name, tag("div", why, class_="why") if why else None, class_="cell-name"),
        tag("td", _measured(row), class_="cell-value"),
        tag("td", _picture(row), class_="cell-picture"),
        tag("td", wording.limit(row), class_="cell-limit", title=row["reason"]),
        class_=word,
    )


def _measured(row: Mapping[str, Any]) -> Markup:
    if row["value"] is None:
        return joined("not measured")
    value = wording.number(row["value"], row["unit"])
    beside = wording.measured(row).removeprefix(value).strip().removeprefix("(").removesuffix(")")
    return joined(tag("b", value), " ", tag("span", beside, class_="beside"))


def _picture(row: Mapping[str, Any]) -> Markup | None:
    """Draw the value beside its limit; a count that has to be exact says all by itself."""
    if row["rule"] in {Rule.EQUALS, Rule.ALL} or row["value"] is None or row["limit"] is None:
        return None
    low, high = domain([row["value"], row["low"], row["high"], row["limit"], None if row["unit"] == "share" else 0.0])
    room = (high - low) * 0.1
    ends = (row["low"], row["high"])
    said = f"{label(row['figure'])}: {wording.measured(row)}, limit {wording.limit(row)}"
    return whisker(row["value"], ends, Beside(low - room, high + room, row["limit"]), said)
