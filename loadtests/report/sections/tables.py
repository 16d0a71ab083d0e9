"""Tables and sections as the page has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.report.markup import Markup, joined, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def section(title: str, *children: str | None, name: str) -> Markup:
    """Give a section with its heading; nothing where it has nothing to tell."""
    held = joined(*children)
    return tag("section", tag("h2", title), held, id=name) if held else Markup("")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], class_: str = "") -> Markup:
    """Give a table that may be scrolled on a narrow screen; its first column names the row. Nothing without rows."""
    lines = [_row(head, row) for row in rows]
    if not lines:
        return Markup("")
    heads = tag("tr", *(tag("th", each, scope="col") for each in head))
    told = tag("table", tag("thead", heads), tag("tbody", *lines), class_=class_ or None)
    return tag("div", told, class_="scroll")


def _row(head: Sequence[str], row: Sequence[str]) -> Markup:
    cells = [
        tag("td", cell, data_head=name or None, class_=None if place else "first")
        for place, (name, cell) in enumerate(zip(head, row, strict=True))
    ]
    return tag("tr", *cells)


def folded(title: str, *children: str | None) -> Markup:
    """Give something that is read when it is asked for."""
    held = joined(*children)
    return tag("details", tag("summary", title), held) if held else Markup("")
