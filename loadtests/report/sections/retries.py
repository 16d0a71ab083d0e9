"""First retries: by what the first run met, and whether three accounts agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.report import wording
from loadtests.report.markup import Markup, joined, tag
from loadtests.report.plots.whiskers import Beside, whisker
from loadtests.report.sections.tables import folded, section, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEAD: Final = (
    "first run met", "first retry succeeded", "0 to 100 %", "released", "failed", "never released", "wait p50, p95",
)  # fmt: skip


def retries(document: Mapping[str, Any]) -> Markup:
    """Show the table by kind with its sum, and the three counts."""
    told = document["first_retry"]
    rows = [_row(each) for each in (*told.get("kinds", []), *([told["total"]] if told.get("total") else []))]
    beside = _differences(told), _left_out(told)
    return section("First retries", _accounts(document), table(HEAD, rows, "numbers"), *beside, name="retries")


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    share, ends = each["share"], (each["low"], each["high"])
    value = wording.number(share, "share")
    said = f"{each['kind']}: {value} of first retries succeeded"
    picture = Markup("") if share is None else whisker(share, ends, Beside(0, 1), said)
    interval = wording.interval({"low": each["low"], "high": each["high"], "unit": "share"})
    shown = joined(tag("b", value), " ", tag("span", f"{each['first_succeeded']:,}; {interval}", class_="beside"))
    waits = ", ".join(wording.number(each[name], "s") for name in ("wait_p50", "wait_p95"))
    return (
        each["kind"].replace("_", " "),
        shown if share is not None else joined("none released"),
        picture,
        f"{each['released']:,}",
        f"{each['failed']:,}",
        f"{each['never_released']:,}",
        waits if each["wait_p50"] is not None else "-",
    )


def _accounts(document: Mapping[str, Any]) -> Markup:
    """Say the three counts side by side, and whether they are one."""
    found = wording.accounts(document)
    if not found:
        return Markup("")
    agree = bool(document["first_retry"].get("agree"))
    mark = tag("span", wording.MARKS[agree], class_=f"mark {'met' if agree else 'missed'}")
    verdict = " Three accounts agree: " if agree else " The accounts disagree: "
    return tag("p", mark, tag("b", verdict), "; ".join(f"{name} {count}" for name, count in found), ".")


def _differences(told: Mapping[str, Any]) -> Markup:
    return _listed("Where they differ", told.get("disagreements", []), told.get("disagreements_more", 0))


def _left_out(told: Mapping[str, Any]) -> Markup:
    return _listed("Left out of the comparison", told.get("left_out", []), told.get("left_out_more", 0))


def _listed(head: str, found: Sequence[str], more: int) -> Markup:
    items = [tag("li", each) for each in found]
    rest = tag("p", f"and {more:,} more") if more else None
    return folded(f"{head} ({len(items) + more:,})", tag("ul", *items), rest) if items else Markup("")
