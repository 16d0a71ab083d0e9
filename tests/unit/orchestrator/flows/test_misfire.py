"""An orchestrator that was down at times of a schedule: what becomes of them stands in the plan, and none is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.plan import Gate, Pace, PlanName
from orchestrator.domain.release import ReleaseState
from orchestrator.domain.schedule import MOST_CAUGHT_UP, Misfire, Rung, Schedule
from orchestrator.flows.recovery import accept_plan
from orchestrator.ledger.schema import STORE
from orchestrator.ledger.sql import SqlLedger
from tests.recovery import NOON, RETRY, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

QUARTERS = Schedule("*/15 * * * *")


def at(text: str) -> timedelta:
    """Give a time of the day, from noon on."""
    hour, minute = map(int, text.split(":"))
    return timedelta(hours=hour - 12, minutes=minute)


def waiting(schedule: Schedule, failures: int = 1, scene: Scene | None = None, **changes: object) -> Scene:
    """Make a scene at noon whose incident is to be tried at the times of a schedule."""
    scene = scene or Scene()
    scene.take_in(*(failed_event(number) for number in range(failures)))
    plan = replace(RETRY, name=PlanName.CRON_BACKOFF, gate=Gate(max_tries=96, schedule=schedule), **changes)
    scene.plan(plan)
    assert scene.release() == []
    return scene


def step_at(scene: Scene, text: str) -> list[UUID]:
    """Move the releaser at a time of the day."""
    scene.now = NOON + at(text)
    return scene.release()


def tried_at(scene: Scene) -> list[str]:
    """Give the times of the day at which attempts were recorded."""
    scene_attempts = [scene.attempt(attempt_id) for _, attempt_id, _ in scene.redriver.published]
    return [f"{each.recorded_at:%H:%M}" for each in scene_attempts]


def fail_until_quiet(scene: Scene) -> int:
    """Let every canary fail that goes now; gives how many went."""
    count = 0
    while going := scene.release():
        scene.answer(going, "failed")
        count += 1
    return count


def test_tries_are_made_at_the_times_of_the_expression_alone() -> None:
    """A releaser that looks every minute for three hours tries at each quarter, and at no other minute."""
    scene = waiting(QUARTERS)
    for _ in range(3 * 60):
        scene.later(60)
        scene.answer(scene.release(), "failed")
    _, *quarters, _, _, _ = [f"{hour}:{minute:02}" for hour in (12, 13, 14, 15) for minute in (0, 15, 30, 45)]
    assert tried_at(scene) == quarters


def test_one_try_is_made_for_all_that_were_missed() -> None:
    """fire_once: back at seven past two, one canary goes at once; when it fails, the next goes at the next quarter."""
    scene = waiting(QUARTERS)
    (canary,) = step_at(scene, "14:07")
    scene.answer([canary], "failed")
    assert step_at(scene, "14:08") == []
    assert len(step_at(scene, "14:15")) == 1


def test_what_was_missed_is_skipped() -> None:
    """skip: back at seven past two nothing goes; the schedule stands, and the next quarter is used."""
    scene = waiting(replace(QUARTERS, misfire=Misfire.SKIP))
    assert step_at(scene, "14:07") == []
    assert scene.releases[0].gate_at == NOON + at("14:15")
    assert len(step_at(scene, "14:15")) == 1


def test_each_missed_time_is_made_up_for() -> None:
    """catch_up: eight quarters were missed, so eight canaries may fail at once; the ninth waits for the next."""
    scene = waiting(replace(QUARTERS, misfire=Misfire.CATCH_UP))
    scene.now = NOON + at("14:07")
    assert fail_until_quiet(scene) == 8
    assert scene.releases[0].gate_at == NOON + at("14:15")


def test_what_is_caught_up_on_has_an_end() -> None:
    """Of 40 missed times, the last ones are made up for; a restart in the middle begins nothing anew."""
    scene = waiting(replace(QUARTERS, misfire=Misfire.CATCH_UP))
    scene.now = NOON + at("22:07")
    scene.answer(scene.release(), "failed")
    restarted = replace(scene)
    assert 1 + fail_until_quiet(restarted) == MOST_CAUGHT_UP


def test_a_canary_that_comes_back_well_ends_the_catching_up() -> None:
    """The rest follows it, and nothing is left to make up for."""
    scene = waiting(replace(QUARTERS, misfire=Misfire.CATCH_UP), failures=3)
    scene.answer(step_at(scene, "14:07"))
    assert len(scene.release()) == 2
    assert scene.releases[0].state is ReleaseState.RAMPING


def test_a_ramp_that_fails_waits_for_the_next_time() -> None:
    """catch_up: what passed while the rest was on its way was not missed."""
    scene = waiting(replace(QUARTERS, misfire=Misfire.CATCH_UP), failures=3)
    scene.answer(step_at(scene, "12:15"))
    going = scene.release()
    scene.now = NOON + at("13:20")
    scene.answer(going, "failed")
    assert scene.releases[0].gate_at == NOON + at("13:30")


@pytest.mark.parametrize("misfire", Misfire)
def test_a_little_late_is_not_missed(misfire: Misfire) -> None:
    """Within the grace a time is used whatever the policy."""
    scene = waiting(replace(QUARTERS, misfire=misfire, grace=30))
    scene.now = NOON + at("12:15") + timedelta(seconds=30)
    assert len(scene.release()) == 1


@pytest.mark.parametrize("misfire", Misfire)
def test_nothing_is_made_up_for_while_it_is_closed(misfire: Misfire) -> None:
    """Back after the window has closed, nothing goes whatever the policy; the next time in a window is used."""
    scene = waiting(replace(QUARTERS, misfire=misfire, windows=("12:00-14:00",)))
    assert step_at(scene, "14:07") == []
    assert scene.releases[0].gate_at == NOON + timedelta(days=1)
    scene.now = NOON + timedelta(days=1)
    assert len(scene.release()) == 1


def test_a_ramp_stops_when_its_window_closes() -> None:
    """What has not gone by then waits; a canary goes first at the next time that is open."""
    scene = waiting(replace(QUARTERS, windows=("12:00-13:00",)), failures=4, pace=Pace(1))
    scene.answer(step_at(scene, "12:15"))
    going = step_at(scene, "12:59")
    assert len(going) == 1
    scene.now = NOON + at("13:00")
    scene.answer(going)
    assert scene.release() == []
    assert (scene.releases[0].state, scene.releases[0].gate_at) == (ReleaseState.HOLDING, NOON + timedelta(days=1))
    scene.now = NOON + timedelta(days=1)
    assert len(scene.release()) == 1
    assert scene.releases[0].state is ReleaseState.CANARY


@pytest.mark.parametrize("misfire", Misfire)
def test_a_restart_in_the_middle_changes_no_time(tmp_path: Path, misfire: Misfire) -> None:
    """An orchestrator that opens the ledger anew goes on with the same gate, tries and rung."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    STORE.migrate(url)
    scene = waiting(replace(QUARTERS, misfire=misfire), scene=Scene(SqlLedger.open(url)))
    scene.answer(step_at(scene, "12:15"), "failed")
    before = scene.releases
    scene.ledger.close()
    restarted = Scene(SqlLedger.open(url), now=NOON + at("12:20"))
    assert restarted.release() == []
    assert restarted.releases == before
    assert before[0].gate_at == NOON + at("12:30")
    assert len(step_at(restarted, "12:30")) == 1
    restarted.ledger.close()


def two_plans(gate: Gate) -> Scene:
    """Make a scene at noon with two incidents of one dependency: one by the quarters, one with such a gate."""
    scene = Scene()
    scene.take_in(*(failed_event(number, task="app.scheduled") for number in range(2)))
    scene.take_in(*(failed_event(100 + number, task="app.plain") for number in range(2)))
    with scene.ledger.transaction() as tx:
        for incident in tx.incidents([], 10, None):
            own = Gate(max_tries=96, schedule=QUARTERS) if incident.task == "app.scheduled" else gate
            accept_plan(tx, incident.id, replace(RETRY, gate=own), incident.revision, scene.now)
    assert scene.release() == []
    return scene


def tasks_of(scene: Scene, attempts: list[UUID]) -> list[str]:
    """Name the tasks of some attempts."""
    with scene.ledger.transaction() as tx:
        stored = [tx.failure(scene.attempt(each).failure_id) for each in attempts]
        return [each.failure.task for each in stored if each]


def test_a_schedule_holds_no_other_release_of_its_dependency_back() -> None:
    """The canary of the one fails at its quarter; the other's goes at its own distance, not at the next quarter."""
    scene = two_plans(Gate(first_after=16 * 60, max_distance=60))
    canary = step_at(scene, "12:15")
    assert tasks_of(scene, canary) == ["app.scheduled"]
    scene.answer(canary, "failed")
    assert step_at(scene, "12:15") == []
    assert tasks_of(scene, step_at(scene, "12:16")) == ["app.plain"]


def test_a_release_on_a_schedule_waits_for_its_time_though_its_dependency_is_back() -> None:
    """Another release's canary opens the ramp; what keeps to the quarters joins it at the next one."""
    scene = two_plans(Gate(first_after=60))
    scene.answer(step_at(scene, "12:01"))
    going = step_at(scene, "12:02")
    assert tasks_of(scene, going) == ["app.plain"]
    assert step_at(scene, "12:14") == []
    assert tasks_of(scene, step_at(scene, "12:15")) == ["app.scheduled"] * 2


def test_a_canary_that_says_nothing_of_the_dependency_is_followed_at_the_next_time() -> None:
    """It fails by an error of its own; another goes, and not before the next quarter."""
    scene = waiting(QUARTERS, failures=3)
    (canary,) = step_at(scene, "12:15")
    bad_input = {"type": "builtins.ValueError", "message": "no", "traceback": "", "chain": [], "status": 400}
    scene.take_in(failed_event(attempt_id=canary, occurred_at=scene.now.isoformat(), exception=bad_input))
    assert step_at(scene, "12:29") == []
    assert len(step_at(scene, "12:30")) == 1


def test_a_ladder_is_climbed_over_restarts() -> None:
    """After two failed canaries the tries are hourly; another orchestrator goes on with that."""
    scene = waiting(replace(QUARTERS, ladder=(Rung(2, "0 * * * *"),)))
    tries = []
    for _ in range(3 * 60):
        scene = replace(scene, now=scene.now + timedelta(minutes=1))
        scene.answer(scene.release(), "failed")
        tries = tried_at(scene)
    assert tries == ["12:15", "12:30", "13:00", "14:00", "15:00"]
