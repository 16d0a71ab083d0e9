"""The report of a demo, and the screen it ends with."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from orchestrator.dev.demo_compare import ArmFigures, Comparison
from orchestrator.dev.demo_faults import FaultCounts
from orchestrator.dev.demo_plan import DemoPlan, Wish
from orchestrator.dev.demo_record import INDEXES, SCHEMA, Record
from orchestrator.dev.demo_report import write_report
from orchestrator.dev.demo_result import DemoResult

if TYPE_CHECKING:
    from pathlib import Path

ARM = ArmFigures(997, 3, 400, 380, 420, 390, 12.5)
COUNTS = {"accepted": 9, "filtered": 1, "sampled_out": 0, "routed": 8, "delivered": 8, "pending": 0, "dead": 0}
WINDOW = {"kind": "outage", "at": 0.5, "seconds": 2.0}
PLAN = DemoPlan(Wish(), 1_000, 60.0, 7, {"outage": 0}, [WINDOW])
RESULT = DemoResult(
    calls=1_000, succeeded=997, failed=400, incidents=1, recovered=397, waiting=3,
    cost_usd=Decimal("4.5"), seconds=60.0,
    sinks={"warehouse": COUNTS, "rudderstack": COUNTS}, costs={"gpt-4o": Decimal("4.5")},
    completeness={"received": 997, "recorded": 997, "missing": 0, "unknown": 0, "unheard": 1, "unheard_ids":
                  [{"id": "late", "call": 4, "fault": "timeout"}]},
    faults=[FaultCounts("outage", 390, 390, 390, 0, 0)],
    near_duplicates={"prompts": 997, "repeats": 49, "found": 48, "missed": 1, "mistaken": 0, "threshold": 0.9},
    wrong=[],
    first_retry={"first_attempts": 397, "first_successes": 390, "duplicates": 0},
    settled={"executions": 1, "first_attempts": 397, "first_successes": 390},
    story={"size": 390, "kind": "transient", "why": "<b>503</b>", "rules": ["redrive.retry"], "plan": "retry",
           "first_attempts": 390, "first_successes": 390, "state": "recovered"},
    told_incidents=[{"opened_at": "2026-01-01T00:00:10Z", "closed_at": None, "kind": "transient", "size": 390,
                     "plan": "retry", "state": "planned", "why": "<script>alert(1)</script>", "zero": 1767225600.0}],
    dataplane={"distinct": 8, "messages": 9}, assumed={"seed": 7, "note": "0.2 ms a token"},
    checks={"a promise": True}, comparison=Comparison(ARM, ARM, ["Celery", "Redrive"], 4),
)  # fmt: skip


class Balanced(HTMLParser):
    """Checks that each element that has an end is ended, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        """Remember it."""
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, _tag: str, _attributes: object) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        """It ends what was opened last."""
        assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path: Path) -> str:
    """The page, as written."""
    record = Record(sqlite3.connect(":memory:"))
    record.connection.executescript(SCHEMA + INDEXES)
    record.connection.execute("INSERT INTO requests VALUES (100, 0, 200, '-', 'a')")
    record.connection.execute("INSERT INTO runs VALUES (101, 0, '-', 'succeeded', 'a')")
    path = tmp_path / "report.html"
    write_report(path, RESULT, record, PLAN, {("00:00", "gpt-4o"): (997, Decimal("4.5"))})
    record.close()
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    return path.read_text()


def test_the_page_is_whole_and_asks_for_nothing_beyond_itself(page: str) -> None:
    """Every element ends; no address, no script, no import."""
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"https?://|src=|url\(|@import|<script", page)


def test_what_comes_from_outside_is_escaped(page: str) -> None:
    """An exception's text cannot become markup."""
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_tells_each_part(page: str) -> None:
    """Outages shaded, incidents, cost by model and minute, the comparison, sinks, duplicates, unheard answers."""
    parts = (
        'class="outage"',
        "10.0 s",
        "4.500000",
        "00:00",
        "drawn with seed 4",
        "rudderstack",
        "mistaken",
        "late (call",
    )
    assert [part for part in parts if part not in page] == []


def test_the_screen_fits_60_columns() -> None:
    """Also where a promise is broken, which is named."""
    text = replace(RESULT, checks={"a promise": True, "another": False}).as_text()
    assert max(map(len, text.splitlines())) <= 60
    assert "NO   another" in text
    assert not replace(RESULT, checks={"another": False}).passed
