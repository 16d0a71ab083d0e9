"""Tables as lines of text: as wide as what is in them, and no wider than the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from orchestrator.cli.lines import cells, fitting, width
from orchestrator.cli.safety import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Cell = str | int | float | None | tuple[str, ...]

GAPS: Final = ("  ", " ")
# Cells that are left to a column which should keep its text whole, where the row fits in no other way.
LEAST: Final = 3


@dataclass(frozen=True, slots=True)
class Column:
    """One column. It keeps its text whole unless it may shrink to `least` cells; a number stands `right`."""

    name: str
    least: int | None = None
    right: bool = False


def drawn(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], most: int | None = None) -> Iterator[str]:
    """Give a table as lines, its head first. A cell may have several forms, the longest first: the first that fits is
    taken, and the last is shortened in the middle. What came from elsewhere cannot steer the terminal.
    """
    most = width() if most is None else most
    forms = [[_forms(cell) for cell in row] for row in rows]
    whole = [max([cells(each.name), *(cells(row[place][0]) for row in forms)]) for place, each in enumerate(columns)]
    gap = next((each for each in GAPS if sum(whole) + len(each) * (len(columns) - 1) <= most), GAPS[-1])
    widths = _shrunk(columns, whole, most - len(gap) * (len(columns) - 1))
    head: list[tuple[str, ...]] = [(each.name,) for each in columns]
    for row in (head, *forms):
        placed = (_placed(*each) for each in zip(columns, row, widths, strict=True))
        yield gap.join(placed).rstrip()


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table on stdout."""
    for line in drawn(columns, rows):
        typer.echo(line)


def _forms(cell: Cell) -> tuple[str, ...]:
    if isinstance(cell, tuple):
        return tuple(map(safe, cell))
    return ("-",) if cell in {None, ""} else (f"{cell:,}" if isinstance(cell, int) else safe(cell),)


def _shrunk(columns: Sequence[Column], whole: list[int], most: int) -> list[int]:
    """Take cells one by one from the widest column that may shrink, until the row fits; from any, where none may."""
    widths = list(whole)
    for leasts in ([most if each.least is None else each.least for each in columns], [LEAST] * len(columns)):
        while sum(widths) > most:
            may = [place for place, least in enumerate(leasts) if widths[place] > least]
            if not may:
                break
            widths[max(may, key=lambda place: widths[place])] -= 1
    return widths


def _placed(column: Column, forms: tuple[str, ...], most: int) -> str:
    text = fitting(forms, most)
    space = " " * (most - cells(text))
    return space + text if column.right else text + space


def bar(share: float, most: int) -> str:
    """Draw a share of one as a bar of so many cells; only what is done to the last is a full bar."""
    full = int(min(max(share, 0.0), 1.0) * most)
    return "█" * full + "·" * (most - full)


def figure(value: float) -> str:
    """Give a number to three places, as people write it: `1,000`, `25`, `0.25`."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - from there on three places are whole


def counted(number: int, what: str, many: str | None = None) -> str:
    """Give a count with its noun: `1 task`, `40,000 tasks`."""
    return f"{number:,} {what if number == 1 else many or what + 's'}"
