"""Comparison and trend in words, for a terminal."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMMIT: Final = 10
TO_THE_UNIT: Final = 1000
NOTHING: Final = "-"


def of_comparison(told: Mapping[str, Any]) -> str:
    """Say what two runs measured, what is not alike in them, and what the regression test says of the second."""
    heads = [_head(name, told[place]) for name, place in (("A", "first"), ("B", "second"))]
    odd = [f"not alike: {name}: {pair[0]} and {pair[1]}" for name, pair in told["unlike"].items()]
    rows = [["figure", "unit", "A", "B", "B to A", ""], *(_compared(each) for each in told["figures"])]
    rows += [
        [f"control {name}", "s" if name.endswith("_s") else "share", *_both(pair), ""]
        for name, pair in told["control"].items()
    ]
    return "\n".join([*heads, *odd, "", *table(rows), "", *of_tests(told["trend"])])


def of_trend(told: Mapping[str, Any], last: int) -> str:
    """Show the last runs that are alike, oldest first, and what the regression test says of the newest."""
    newest = told["newest"]
    head = f"{newest['scenario']} on {newest['engines']}, {newest['machine']}: {len(told['runs'])} runs that are alike"
    names = list(told["points"])
    rows = [["run", "commit", "outcome", *names]]
    rows += [[each["run_id"], *_brief(each), *_values(told["points"], names, each)] for each in told["runs"][-last:]]
    return "\n".join([head, "", *table(rows), "", *of_tests(told)])


def of_tests(told: Mapping[str, Any]) -> list[str]:
    """Say the regression test's findings: a line for each figure, then which are slower, or why nobody can tell."""
    if not told["tests"]:
        return [f"not tested: {told['why_not']}"]
    rows = [["figure", "value", "foretold", "ratio", "usual", "chance"]]
    rows += [_tested(each) for each in told["tests"]]
    slower = ", ".join(told["slower"])
    verdict = f"✗ SLOWER than {len(told['compared_with'])} runs before: {slower}" if slower else "✓ not slower"
    dull = [f"too blunt to be tested: {name} (±{share / 2:.0%} in one run)" for name, share in told["blunt"].items()]
    return [*table(rows), *dull, told["rule"], verdict]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set rows in columns: text to the left, what follows the first column's names to the right."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [_line(row, widths) for row in rows]


def number(value: float | None) -> str:
    """Write a number with four digits, one of a thousand and more to the unit."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= TO_THE_UNIT else f"{value:.4g}"


def _line(row: Iterable[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()


def _head(name: str, run: Mapping[str, Any]) -> str:
    changed = " with changes" if run["dirty"] else ""
    commit = (run["commit"] or "no commit")[:COMMIT]
    return f"{name}  {run['run_id']}  {run['scenario']} on {run['engines']}, {commit}{changed}, {run['outcome']}"


def _compared(each: Mapping[str, Any]) -> list[str]:
    apart = {True: "intervals apart", False: "", None: ""}[each["apart"]]
    return [each["figure"], each["unit"], _with_ends(each["first"]), _with_ends(each["second"]), _times(each), apart]


def _both(pair: Mapping[str, Any]) -> list[str]:
    return [number(pair["first"]), number(pair["second"]), _times(pair)]


def _times(pair: Mapping[str, Any]) -> str:
    return NOTHING if pair["ratio"] is None else f"{pair['ratio']:.3f}"


def _with_ends(value: Mapping[str, Any]) -> str:
    if value["value"] is None:
        return "not measured"
    if value["low"] is None or value["high"] is None:
        return number(value["value"])
    return f"{number(value['value'])} ({number(value['low'])} to {number(value['high'])})"


def _brief(run: Mapping[str, Any]) -> list[str]:
    return [(run["commit"] or NOTHING)[:COMMIT], run["outcome"] or NOTHING]


def _values(points: Mapping[str, Any], names: Sequence[str], run: Mapping[str, Any]) -> list[str]:
    found = {name: {run_id: value for run_id, _, value in points[name]} for name in names}
    return [number(found[name].get(run["run_id"])) for name in names]


def _tested(each: Mapping[str, Any]) -> list[str]:
    mark = "✗ " if each["slower"] else ""
    usual = f"{each['low']:.2f} to {each['high']:.2f}"
    numbers = [number(each["value"]), number(each["expected"]), f"{mark}{each['ratio']:.3f}"]
    return [each["figure"], *numbers, usual, f"{each['p']:.2g}"]
