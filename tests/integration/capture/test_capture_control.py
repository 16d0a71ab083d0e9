"""The control: without the plugin, Celery reports some of the 14 ways, and of fewer what a redrive takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.integration.capture.cases import CASES, ONLY_RABBITMQ, ROWS, Group, Row
from tests.integration.capture.control import Control, Reported
from tests.integration.capture.theatre import BUSES, NEWEST, OLDER, Cell, Theatre, bus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.capture.table import Table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
CELLS = [Cell(bus, version) for version in (NEWEST, OLDER) for bus in BUSES]


@pytest.mark.parametrize("bare", CELLS, ids=lambda cell: f"{cell.bus}-{cell.version}")
def test_capture_without_the_plugin(
    theatre: Theatre, bare: Cell, tmp_path: Path, control_table: Table, record_property: Callable[[str, object], None]
) -> None:
    """Celery alone misses some of the ways on every bus, and what it reports of the others is not always enough."""
    rows = [row for row in ROWS if bare.bus == "rabbitmq" or row.number not in ONLY_RABBITMQ]
    python = theatre.python(bare)
    with ThreadPoolExecutor(2) as pool:
        played = pool.map(lambda group: _play(bare, group, tmp_path, python), Group)
        seen = {name: each for group in played for name, each in group.items()}
    for row in rows:
        control_table.note(row, f"{bare.bus} {bare.version}", _told_of(row, seen))
    told, whole = _count(rows, seen, "signals"), _count(rows, seen, "whole")
    record_property("reported", f"{told} of {len(rows)}")
    record_property("reported with the whole message", f"{whole} of {len(rows)}")
    assert whole <= told < len(rows)
    assert whole > 0


def _play(cell: Cell, group: Group, folder: Path, python: str) -> dict[str, Reported]:
    own = folder / group.name.lower()
    own.mkdir()
    cases = [
        case for case in CASES if case.group is group and (cell.bus == "rabbitmq" or case.name != "delivery_limit")
    ]
    with bus(cell.bus, own) as url:
        return Control(own, url, python, group, cases).play_bare()


def _bad_ends(row: Row, seen: dict[str, Reported]) -> list[Reported]:
    return [seen[name] for name in row.cases if seen[name].case.way]


def _count(rows: list[Row], seen: dict[str, Reported], what: str) -> int:
    """Count the ways of which every case has it."""
    return sum(all(getattr(each, what) for each in _bad_ends(row, seen)) for row in rows)


def _told_of(row: Row, seen: dict[str, Reported]) -> str:
    ends = []
    for each in _bad_ends(row, seen):
        names = ", ".join(f"{name} ({each.signals.count(name)})" for name in sorted(set(each.signals)))
        ends.append(f"{names or 'nothing'}{', whole' if each.whole else ''}")
    return "; ".join(ends)
