"""The report on a terminal: the verdict first, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.report import wording
from loadtests.report.sections.knee import said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUANTILES: Final = ("p50", "p95", "p99")


def text(document: Mapping[str, Any]) -> str:
    """Tell the whole report; its first line is the outcome."""
    parts = [
        _verdict(document),
        _gates(document),
        _comparisons(document),
        [f"knee of {each['of']}: {said(each)}" for each in document.get("knees") or []],
        _first_retries(document),
        _requests(document),
        [f"problem: {each}" for each in document["problems"]],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _verdict(document: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{wording.outcome(document)}: {wording.headline(document)}",
        wording.run_line(document),
        wording.sabotage(document),
        document["machine"].get("kind", ""),
    ]
    return [each for each in lines if each]


def _gates(document: Mapping[str, Any]) -> list[str]:
    rows = [
        (wording.MARKS[row["met"]], row["figure"], wording.measured(row), wording.limit(row), wording.why(row))
        for row in wording.gates_in_order(document)
    ]
    return aligned(rows)


def _comparisons(document: Mapping[str, Any]) -> list[str]:
    rows = [
        (wording.comparison(each), at, *_difference(each[at], each))
        for each in document["comparisons"]
        for at in QUANTILES
        if at in each
    ]
    return aligned([("the plugin's cost", "", "on", "off", "difference (95 %)", "calls"), *rows]) if rows else []


def _difference(found: Mapping[str, Any], comparison: Mapping[str, Any]) -> tuple[str, str, str, str]:
    if found["difference"] is None:
        return "-", "-", str(found.get("why_not") or "not measured"), ""
    told = {"value": found["difference"], "low": found["low"], "high": found["high"], "unit": "ms"}
    samples = f"{comparison['samples_on']:,} / {comparison['samples_off']:,}"
    return wording.number(found["on"], "ms"), wording.number(found["off"], "ms"), wording.measured(told), samples


def _first_retries(document: Mapping[str, Any]) -> list[str]:
    told = document["first_retry"]
    if not told.get("kinds") and not told.get("accounts"):
        return []
    head = ("first retries by what the first run met", "failed", "released", "succeeded", "never", "wait p95")
    rows = [kind_row(each) for each in told.get("kinds", [])]
    verdict = "they agree" if told.get("agree") else "THEY DISAGREE"
    counts = ", ".join(f"{name} {count}" for name, count in wording.accounts(document))
    left_out = wording.left_out(document)
    counted = f"counted by {counts}: {verdict}" if counts else ""
    return [*aligned([head, *rows]), counted, *([left_out] if left_out else [])]


def kind_row(each: Mapping[str, Any]) -> tuple[str, ...]:
    """Give one kind's row of the table of first retries as texts."""
    counts = (each[name] for name in ("failed", "released", "first_succeeded", "never_released"))
    return (each["kind"], *(f"{count:,}" for count in counts), wording.number(each["wait_p95"], "s"))


def _requests(document: Mapping[str, Any]) -> list[str]:
    head = ("requests, as Locust saw them", "count", "failed", "p95")
    rows = [
        (each["name"], f"{each['requests']:,}", f"{each['failures']:,}", wording.number(each["p95_ms"], "ms"))
        for each in document["requests"]
    ]
    return aligned([head, *rows]) if rows else []


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set rows of the same length in columns."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
