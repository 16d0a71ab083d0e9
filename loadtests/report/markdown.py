"""The report as Markdown, for a pull request, a chat or a page of documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadtests.report import wording
from loadtests.report.sections.knee import said
from loadtests.report.text import QUANTILES, kind_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SPECIAL = frozenset("|\\`*_<>[]")


def markdown(document: Mapping[str, Any]) -> str:
    """Tell the report; its heading is the outcome, its first table the gates."""
    parts = [
        [f"# {escaped(wording.outcome(document))}: {escaped(wording.headline(document))}"],
        _about(document),
        _gates(document),
        [f"- problem: {escaped(each)}" for each in document["problems"]],
        [f"- knee of {each['of']}: {escaped(said(each))}" for each in document.get("knees") or []],
        _comparisons(document),
        _first_retries(document),
        _figures(document),
        _provenance(document),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def escaped(text: object) -> str:
    """Give a text that Markdown shows as it is, in a table too."""
    return "".join(f"\\{each}" if each in SPECIAL else each for each in " ".join(str(text).split()))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Give a table; nothing without rows."""
    lines = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines] if lines else []


def _about(document: Mapping[str, Any]) -> list[str]:
    lines = [wording.run_line(document), wording.sabotage(document), document["machine"].get("kind", "")]
    return ["  \n".join(escaped(each) for each in lines if each)]


def _gates(document: Mapping[str, Any]) -> list[str]:
    rows = [
        (wording.MARKS[row["met"]], row["figure"], wording.measured(row), wording.limit(row), wording.why(row))
        for row in wording.gates_in_order(document)
    ]
    return table(("", "gate", "measured (95 %)", "limit", "why"), rows)


def _comparisons(document: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            wording.comparison(each),
            at,
            wording.number(each[at]["on"], "ms"),
            wording.number(each[at]["off"], "ms"),
            wording.measured({"value": each[at]["difference"], "unit": "ms"} | _ends(each[at])),
            each[at].get("why_not") or f"{each['samples_on']:,} / {each['samples_off']:,}, {each['blocks']} pairs",
        )
        for each in document["comparisons"]
        for at in QUANTILES
        if at in each
    ]
    return table(("the plugin's cost", "at", "on", "off", "difference (95 %)", "calls on / off"), rows)


def _ends(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"low": found["low"], "high": found["high"]}


def _first_retries(document: Mapping[str, Any]) -> list[str]:
    told = document["first_retry"]
    head = ("first run met", "failed", "released", "first retry succeeded", "never released", "added wait p95")
    rows = table(head, [kind_row(each) for each in told.get("kinds", [])])
    counts = ", ".join(f"{name} {count}" for name, count in wording.accounts(document))
    verdict = "they agree" if told.get("agree") else "**they disagree**"
    counted = ["", f"Counted by {escaped(counts)}: {verdict}."] if counts else []
    left_out = wording.left_out(document)
    return [*rows, *counted, *(["", escaped(left_out)] if left_out else [])]


def _figures(document: Mapping[str, Any]) -> list[str]:
    rows = [(each["name"], wording.measured(each), each["why_not"] or each["about"]) for each in document["figures"]]
    return table(("figure", "measured (95 %)", "about"), rows)


def _provenance(document: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    machine = f"{document['machine'].get('system', '')}, {document['machine'].get('cpu', '')}"
    control = ", ".join(f"{name} {value:.4g}" for name, value in document["control"].items() if _is_number(value))
    lines = [f"run {document['run_id']}", f"machine: {machine}", f"versions: {versions}", f"control: {control}"]
    return [f"- {escaped(each)}" for each in lines]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
