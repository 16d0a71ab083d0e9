"""The arithmetic of a demo's accounts: record, kinds of fault, costs, comparison, near-duplicates, charts."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from orchestrator.dev.demo_charts import chart, timeline
from orchestrator.dev.demo_compare import Comparison, figures, outages
from orchestrator.dev.demo_faults import by_kind, costs, malformed_wait, wrong
from orchestrator.dev.demo_prompts import near_duplicates
from orchestrator.dev.demo_record import Record, call_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Call 0 goes well; 1 meets the outage and a limit, and is retried twice; 2 is malformed; 3 kills its worker; 4 is
# answered too late at first.
REQUESTS = """\
100.0 0 200 - a0
101.0 1 503 outage -
102.0 2 400 malformed -
106.5 1 429 rate_limited -
108.0 1 200 - a1
109.0 3 200 - a3
110.0 4 200 timeout late
112.0 4 200 - a4
"""
RUNS = """\
100.1 0 - succeeded a0
101.1 1 - failed -
102.1 2 - failed -
103.0 3 - killed -
106.6 1 x failed -
108.1 1 y succeeded a1
109.1 3 z succeeded a3
111.5 4 - failed -
112.1 4 w succeeded a4
"""
WINDOWS = [
    {"kind": "outage", "at": 0.5, "seconds": 5.5},
    {"kind": "rate_limited", "at": 6.0, "seconds": 1.0},
    {"kind": "outage", "at": 90, "seconds": 5},
]


def task(call: int) -> str:
    """Give the id of a call's task."""
    return str(UUID(int=7 << 32 | call))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of one arm."""
    (tmp_path / "provider.txt").write_text(REQUESTS)
    (tmp_path / "runs.txt").write_text(RUNS)
    (tmp_path / "feed.json").write_text(json.dumps({"first": task(0), "last": task(2**32 - 1)}))
    with closing(sqlite3.connect(tmp_path / "plan.sqlite")) as plan, plan:
        plan.execute("CREATE TABLE planned (call INTEGER PRIMARY KEY, kind TEXT)")
        plan.executemany("INSERT INTO planned VALUES (?, ?)", [(2, "malformed"), (3, "killed"), (4, "timeout")])
        plan.execute("CREATE TABLE repeats (call INTEGER PRIMARY KEY, original INTEGER)")
        plan.executemany("INSERT INTO repeats VALUES (?, ?)", [(3, 0), (4, 1)])
    with closing(sqlite3.connect(tmp_path / "results.sqlite")) as results, results:
        results.execute("CREATE TABLE celery_taskmeta (task_id TEXT, status TEXT)")
        states = [(task(call), "FAILURE" if call == 2 else "SUCCESS") for call in range(5)]
        # The outcome of an attempt, in the same table under an id of its own, is no task.
        results.executemany("INSERT INTO celery_taskmeta VALUES (?, ?)", [*states, (str(UUID(int=1)), "SUCCESS")])
    return tmp_path


@pytest.fixture
def record(folder: Path) -> Iterator[Record]:
    """The record of that arm."""
    made = Record.of(folder, folder, ["a0", "a1", "a3", "a4"], [task(2)])
    yield made
    made.close()


def test_a_task_tells_its_call() -> None:
    """The last four bytes of a task's id are the call's index."""
    assert [call_of(task(call)) for call in (0, 5, 2**32 - 1)] == [0, 5, 2**32 - 1]


def test_each_kind_is_counted_by_the_calls_it_met(record: Record) -> None:
    """A call that met two kinds is in both; what met none is counted as well."""
    told = {each.kind: each for each in by_kind(record, ["outage", "rate_limited", "timeout", "malformed", "killed"])}
    assert [(each.requests, each.calls, each.succeeded) for each in told.values()] == [
        (1, 1, 1),
        (1, 1, 1),
        (1, 1, 1),
        (1, 1, 0),
        (0, 1, 1),
        (0, 1, 1),
    ]
    assert (told["malformed"].failed, told["malformed"].waiting) == (1, 1)


def test_what_ended_other_than_planned_is_listed(record: Record) -> None:
    """Nothing at first; a plain call that failed and a malformed one that went well are named."""
    assert wrong(record) == []
    record.connection.execute("UPDATE results SET state = CASE call WHEN 0 THEN 'FAILURE' ELSE 'SUCCESS' END")
    assert wrong(record) == [{"call": 0, "state": "FAILURE"}, {"call": 2, "state": "SUCCESS"}]


def test_the_malformed_alone_wait(record: Record) -> None:
    """One more, or one less, is told."""
    assert malformed_wait(record)
    record.connection.execute("INSERT INTO waiting VALUES (0)")
    assert not malformed_wait(record)
    record.connection.execute("DELETE FROM waiting")
    assert not malformed_wait(record)


def test_costs_are_complete_when_both_sets_are_one(record: Record) -> None:
    """The answer that came too late is listed as unheard; a lost cost and a strange one are counted."""
    told = costs(record)
    assert (told["received"], told["recorded"], told["missing"], told["unknown"]) == (4, 4, 0, 0)
    assert told["unheard_ids"] == [{"id": "late", "call": 4, "fault": "timeout"}]
    record.connection.execute("UPDATE costs SET answer = 'strange' WHERE answer = 'a0'")
    told = costs(record)
    assert (told["missing"], told["unknown"]) == (1, 1)


def test_the_figures_of_an_arm(record: Record) -> None:
    """Retries are runs after the first of a call; the backlog is counted from the end of the outage that was met."""
    told = figures(record, WINDOWS)
    assert (told.ended_well, told.failure) == (4, 1)
    assert (told.first_retries, told.first_retries_succeeded, told.retries) == (3, 2, 4)
    assert told.while_down == 1
    assert outages(record, WINDOWS) == [(100.5, 106.0)]
    assert told.seconds_to_empty == pytest.approx(6.1)


def test_without_an_outage_there_is_no_way_back_to_time(record: Record) -> None:
    """None, shown as a dash."""
    told = figures(record, [])
    assert told.seconds_to_empty is None
    assert any("-" in ours for _, ours, _ in Comparison(told, told, ["Redrive", "Celery"], 1).rows())


def test_the_table_fits_60_columns(record: Record) -> None:
    """No line of the comparison is longer."""
    told = figures(record, WINDOWS)
    assert max(map(len, Comparison(told, told, ["Redrive", "Celery"], 2**32 - 1).as_text())) <= 60


def test_near_duplicates_are_found_from_either_side(record: Record) -> None:
    """A pair counts when the later one in time names the other; a find between strangers is a mistake."""
    rows = [(0, "h0", "h3"), (1, "h1", None), (3, "h3", None), (4, "h4", "h0")]
    record.add_prompts(iter(rows))
    told = near_duplicates(record)
    assert (told["prompts"], told["repeats"], told["found"], told["missed"], told["mistaken"]) == (4, 2, 1, 1, 1)


def test_the_chart_holds_every_run_and_shades_what_was_met(record: Record) -> None:
    """The bins add up to the runs; an outage after the end is not drawn."""
    line = timeline(record)
    assert {name: sum(counts) for name, counts in line.bins.items()} == {"first": 1, "failed": 5, "recovered": 3}
    drawn = chart(line, WINDOWS)
    assert (drawn.count('class="outage"'), drawn.count('class="limited"')) == (1, 1)
