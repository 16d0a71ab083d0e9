"""The desk of the load tests' service: runs are processes that outlive it, one at a time."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadtests.serving.desk import FolderInUse, Going, KeyReused, ScenarioUnknown
from loadtests.serving.run import Outcome, State
from tests.integration.serving.desks import desk_in, ended, going, played, until, wanted

if TYPE_CHECKING:
    from loadtests.serving.desk import Desk


@pytest.mark.parametrize(
    ("scenario", "outcome", "why"),
    [
        ("passes", Outcome.PASSED, ""),
        ("misses", Outcome.MISSED, "overhead_p95_ms is 171.0 ms, expected below 150.0"),
        ("measures-nothing", Outcome.NOT_MEASURED, "overhead_p95_ms was not measured: no calls"),
        ("lies", Outcome.NOT_MEASURED, "expected one verdict, got exit code 0 and a report of missed"),
        ("passes-nothing", Outcome.NOT_MEASURED, "expected a pass to have gates that are all met"),
        ("crashes", Outcome.NOT_MEASURED, "expected a report, got none; the run ended with exit code 3"),
    ],
)
def test_a_run_ends_with_what_its_exit_code_and_report_agree_on(
    desk: Desk, scenario: str, outcome: Outcome, why: str
) -> None:
    """One alone proves nothing: whatever contradicts itself was not measured."""
    run = played(desk, scenario)
    assert run.state is State.ENDED
    assert run.verdict is not None
    assert (run.verdict.outcome, run.verdict.why.startswith(why)) == (outcome, True), run.verdict


def test_a_second_run_is_not_started_beside_one_that_goes(desk: Desk) -> None:
    """It is told which one goes; the same key is the same run, and another request under it is refused."""
    run = going(desk, "sleeps")
    with pytest.raises(Going) as caught:
        desk.start(wanted("passes", "other"))
    assert caught.value.run_id == run.record.id
    again, new = desk.start(wanted("sleeps"))
    assert (again.record.id, again.state, new) == (run.record.id, State.RUNNING, False)
    with pytest.raises(KeyReused):
        desk.start(wanted("passes"))
    assert len(desk.runs()) == 1


def test_a_run_that_is_stopped_ends_at_once_and_frees_the_desk(desk: Desk) -> None:
    """Stopping is no verdict; the next run may begin."""
    run = going(desk, "sleeps")
    assert desk.stop(run.record.id) is not None
    found = ended(desk, run.record.id)
    assert found.verdict is not None
    assert (found.state, found.verdict.outcome) == (State.STOPPED, Outcome.NOT_MEASURED)
    assert desk.start(wanted("passes", "next"))[1]


def test_a_run_that_takes_too_long_is_ended_even_where_it_does_not_listen(desk: Desk) -> None:
    """Its command ignores SIGTERM; nothing of it goes on, and it was not measured."""
    found = ended(desk, going(desk, "hangs", timeout_seconds=3).record.id)
    assert found.verdict is not None
    assert (found.state, found.verdict.outcome) == (State.TIMED_OUT, Outcome.NOT_MEASURED)
    assert found.record.ending is not None
    assert found.record.ending.exit_code == -signal.SIGKILL


def test_a_run_outlives_the_service_and_the_next_one_tells_its_end(desk: Desk, tmp_path: Path) -> None:
    """A service that is started again knows what goes, starts nothing beside it, and can stop it."""
    run = going(desk, "sleeps")
    desk.close()
    second = desk_in(tmp_path)
    second.open()
    try:
        found = second.run(run.record.id)
        assert found is not None
        assert found.state is State.RUNNING
        with pytest.raises(Going):
            second.start(wanted("passes", "other"))
        second.stop(run.record.id)
        assert ended(second, run.record.id).state is State.STOPPED
    finally:
        second.close()
        desk.open()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the system for a signal at the keeper's end")
def test_a_run_whose_processes_are_killed_is_lost_and_the_desk_is_free(desk: Desk) -> None:
    """The keeper is killed: its command is told to end, the run is lost, and only then another one may begin."""
    run = going(desk, "sleeps")
    os.kill(_keeper(run.record.folder), signal.SIGKILL)
    until(lambda: (found := desk.run(run.record.id)) is not None and found.state is State.LOST)
    found = desk.run(run.record.id)
    assert found is not None
    assert found.verdict is not None
    assert (found.verdict.outcome, found.verdict.why) == (Outcome.NOT_MEASURED, "the run was lost")
    after, _ = desk.start(wanted("passes", "next"))
    assert ended(desk, after.record.id).state is State.ENDED
    still = desk.run(run.record.id)
    assert still is not None
    assert still.state is State.LOST


def _keeper(folder: Path) -> int:
    """Find the keeper of a run's folder among the processes."""
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        words = each.read_bytes().decode(errors="replace").split("\0")
        if "loadtests.serving.keeper" in words and str(folder) in words:
            return int(each.parent.name)
    raise AssertionError(f"expected a keeper of {folder}")


def test_a_folder_has_one_service(desk: Desk, tmp_path: Path) -> None:
    """Two would each start a run."""
    assert desk.runs() == []
    with pytest.raises(FolderInUse):
        desk_in(tmp_path).open()


def test_a_scenario_that_is_not_known_is_refused_and_nothing_is_noted(desk: Desk) -> None:
    """Those that ship and those of the folder are; the refusal names them."""
    with pytest.raises(ScenarioUnknown, match=r"nightly.*got elsewhere"):
        desk.start(wanted("elsewhere"))
    assert desk.runs() == []


def test_the_command_is_given_all_that_was_asked_for(desk: Desk) -> None:
    """Scenario, folder, engines and seed; of the scenarios that ship the name alone."""
    run = played(desk, "passes")
    told = json.loads((run.record.folder / "command.json").read_text())["command"]
    assert told[-3:] == [str(desk.scenarios / "passes.toml") if desk.scenarios else "", "--out", str(desk.out)]
