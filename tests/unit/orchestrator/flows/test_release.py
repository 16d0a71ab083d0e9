"""Releases: a canary at a growing distance, then a ramp; recorded before published; a person where it does not help."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import DependencyUnreachable, NotRedrivable, Unroutable
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.plan import Gate, Pace, PlanName, Route
from orchestrator.domain.redrives import published_singly
from orchestrator.domain.release import LARGEST_BATCH, ReleaseState
from orchestrator.domain.schedule import Schedule
from orchestrator.flows.reading import failure_data
from orchestrator.ledger.sql import SqlLedger
from tests.recovery import NOON, RETRY, failed_event, move
from tests.scene import GRACE, TIMEOUT, Scene

if TYPE_CHECKING:
    from uuid import UUID

    from eventbus.wire import Event
    from orchestrator.domain.attempts import Attempt

AWAY = DependencyUnreachable("the broker", "so")


def planned(failures: int = 1, *, pace: int = 20, **gate: float) -> Scene:
    """Give a scene with an incident of some failures and a release that waits behind its gate."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(failures)))
    scene.plan(pace=Pace(pace), gate=Gate(**gate))
    assert scene.release() == []
    return scene


def canary(scene: Scene) -> UUID:
    """Let the gate open and send the canary."""
    scene.later(1000)
    (attempt,) = scene.release()
    return attempt


def states(scene: Scene) -> list[str]:
    """Tell the states of the failures, oldest first."""
    return [str(each.state) for each in scene.failures]


def test_a_step_with_nothing_to_move_or_mend_keeps_no_writer_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither release nor reconciler opens a transaction that writes before there is something to write."""
    scene = Scene()
    scene.take_in(failed_event())
    with monkeypatch.context() as patched:
        patched.setattr(SqlLedger, "transaction", None)
        assert (scene.releaser.run_once(), scene.reconciler.run_once()) == (0, 0)
    scene.plan()
    assert scene.release() == []
    scene.later(1000)
    assert len(scene.release()) == 1


def test_nothing_goes_before_the_gate_opens() -> None:
    """The canary waits for the gate's first distance, and no longer."""
    scene = planned(3, first_after=10)
    scene.later(9.9)
    assert scene.release() == []
    scene.later(0.1)
    assert len(scene.release()) == 1
    assert states(scene) == ["released", "held", "held"]


def test_an_attempt_is_recorded_before_it_is_published() -> None:
    """When a message goes out, its attempt is in the ledger already, committed."""
    scene, seen = planned(), []

    class Redriver:
        """Looks the attempt up while it publishes."""

        def publish(self, _message: object, attempt_id: UUID, _route: object, *_: object) -> None:
            seen.append(scene.attempt(attempt_id).state)

        publish_all = published_singly

    scene.redriver = Redriver()
    scene.later(1)
    scene.releaser.run_once()
    assert seen == [AttemptState.RECORDED]
    assert [each.state for each in (scene.attempt(a.id) for a in attempts(scene))] == [AttemptState.PUBLISHED]


def attempts(scene: Scene) -> list[Attempt]:
    """List every attempt of the newest incident."""
    with scene.ledger.transaction() as tx:
        return [each for failure in scene.failures for each in tx.attempts_of(failure.failure.id)]


def test_the_task_goes_out_as_it_came_in() -> None:
    """The message that is published is the one that failed, with the plan's route."""
    scene = planned()
    scene.plan(name=PlanName.REROUTE, route=Route("large"), execution_id="e-2")
    scene.release()
    canary(scene)
    (message, _, route), stored = scene.redriver.published[0], scene.failures[0]
    assert message == stored.failure.message
    assert route == Route("large")


def test_a_failing_canary_goes_again_at_a_growing_distance() -> None:
    """The same failure is tried again after 2, 4, 8, ... s and never more than the gate's longest; the rest waits."""
    scene = planned(3, first_after=1, max_distance=10, max_tries=7)
    scene.later(1)
    waits = []
    for _ in range(5):
        (attempt,) = scene.release()
        scene.answer([attempt], "failed")
        since = scene.now
        while not scene.now >= scene.releases[0].gate_at:
            assert scene.release() == []
            scene.later(0.5)
        waits.append((scene.now - since).total_seconds())
    assert waits == [2, 4, 8, 10, 10]
    assert [each.attempts for each in scene.failures] == [5, 0, 0]


def test_the_rest_follows_a_canary_that_came_back_in_a_window() -> None:
    """After the canary at most `in_flight` are out at any moment; each outcome lets another one go; all recover."""
    scene = planned(10, pace=3)
    scene.answer([canary(scene)])
    out = scene.release()
    assert len(out) == 3
    assert scene.release() == []
    scene.answer(out[:2])
    more = scene.release()
    assert len(more) == 2
    out = out[2:] + more
    while out:
        assert len(out) <= 3
        scene.answer(out[:1])
        out = out[1:] + scene.release()
    assert set(states(scene)) == {"recovered"}
    assert scene.incident.state is IncidentState.RECOVERED
    assert scene.releases[0].state is ReleaseState.SUCCEEDED


def test_one_step_publishes_no_more_than_a_batch() -> None:
    """However wide the window, a step stops after a batch, so that `paused` is heard in between."""
    scene = planned(LARGEST_BATCH + 20, pace=5000)
    scene.answer([canary(scene)])
    assert len(scene.release()) == LARGEST_BATCH
    scene.mode = Mode.PAUSED
    assert scene.release() == []
    scene.mode = Mode.ACT
    assert len(scene.release()) == 19


def test_the_first_failure_in_the_ramp_halves_it_and_the_second_closes_the_gate() -> None:
    """One redrive that fails narrows the window to half of what was out; the next one lets nothing but a canary go."""
    scene = planned(20, pace=8)
    scene.answer([canary(scene)])
    first, second, *others = scene.release()
    scene.answer([first], "failed")
    assert scene.releases[0].state is ReleaseState.RAMPING
    assert scene.release() == []
    scene.answer(others[:4])
    assert len(scene.release()) == 1
    scene.answer([second], "failed")
    assert scene.releases[0].state is ReleaseState.HOLDING
    assert scene.release() == []
    scene.later(1000)
    (again,) = scene.release()
    assert scene.attempt(again).number == 2
    scene.answer(others[4:])
    assert scene.release() == []


def test_tries_are_counted_in_a_row() -> None:
    """A dependency that flickers uses up no tries: each canary that comes back starts the count anew."""
    scene = planned(12, pace=1, max_tries=2)
    for _ in range(5):
        attempt = canary(scene)
        scene.answer([attempt], "failed")
        scene.answer([canary(scene)])
        scene.answer(scene.release(), "failed")
        scene.answer(scene.release(), "failed")
    assert "dead" not in states(scene)
    assert scene.releases[0].state is ReleaseState.HOLDING


def test_one_bad_failure_makes_no_other_dead() -> None:
    """Where one failure can never be mended, all others recover and that one alone is listed as dead."""
    scene = planned(30, pace=5, max_tries=3)
    bad = scene.failures[0].failure.id
    for _ in range(400):
        scene.later(1000)
        out = scene.release()
        if not out and scene.releases[0].ended:
            break
        fates = {each: scene.attempt(each).failure_id == bad for each in out}
        scene.answer([each for each, is_bad in fates.items() if not is_bad])
        scene.answer([each for each, is_bad in fates.items() if is_bad], "failed")
    assert states(scene).count("recovered") == 29
    assert scene.failures[0].state is FailureState.DEAD
    assert scene.incident.state is IncidentState.WAITING


def test_exhausted_tries_are_told_to_a_person() -> None:
    """When the last canary failed: everything left is dead, the incident waits and says why, the rules are told."""
    scene = planned(3, max_tries=2)
    revision = scene.incident.revision
    for _ in range(2):
        scene.answer([canary(scene)], "failed")
    scene.later(1000)
    assert scene.release() == []
    assert states(scene) == ["dead", "dead", "dead"]
    incident, (release,) = scene.incident, scene.releases
    assert (incident.state, incident.revision) == (IncidentState.WAITING, revision + 1)
    assert incident.note == (
        "attempts exhausted: 2 canaries failed in a row; 3 failures are listed as dead and wait for a person"
    )
    assert (release.state, release.ended_at, release.note) == (
        ReleaseState.FAILED,
        scene.now,
        "2 canaries failed in a row",
    )
    assert set(scene.triggers()) == {"incident_opened", "release_failed", "attempts_exhausted"}
    (exhausted,) = [each for each in scene.dispatches if each.trigger.endswith("exhausted")]
    assert exhausted.payload["failure"] == failure_data(scene.failures[0].failure)
    assert (exhausted.payload["tries"], exhausted.payload["revision"]) == (2, incident.revision)
    assert scene.outbox()[-2:] == ["redrive.release.ended.v1", "redrive.audit.recorded.v1"]


def test_newcomers_join_a_release_that_runs() -> None:
    """Failures that come in while the release runs are moved by it, under its plan, without a new trigger."""
    scene = planned(2)
    scene.answer([canary(scene)])
    scene.take_in(failed_event(5), failed_event(6))
    out = scene.release()
    assert len(out) == 3
    scene.answer(out)
    assert set(states(scene)) == {"recovered"}
    scene.release()
    assert len(scene.releases) == 1
    assert sorted(scene.triggers()) == ["incident_opened", "incident_recovered", "release_succeeded"]


def test_a_failure_that_comes_between_two_releases_gets_another_one() -> None:
    """When a release has ended and its incident is open still, a newcomer is moved by a release of its own."""
    scene = planned(1, max_tries=1)
    by_plan = canary(scene)
    scene.take_in(failed_event(1))
    scene.answer([by_plan], "failed")
    scene.later(1000)
    scene.release()
    assert states(scene) == ["dead", "dead"]
    scene.plan(execution_id="e-2")
    scene.take_in(failed_event(2))
    scene.release()
    scene.answer([canary(scene)])
    assert states(scene) == ["dead", "dead", "recovered"]
    assert scene.incident.state is IncidentState.PLANNED
    assert scene.incident.note == "2 failures are listed as dead and wait for a person (POST /recovery/retry)"


def test_the_end_of_a_release_is_told_with_its_counts() -> None:
    """A release that ended tells numerator and denominator of its first attempts, to the rules and to the world."""
    scene = planned(3, pace=5)
    scene.answer([canary(scene)], "failed")
    scene.answer([canary(scene)])
    scene.answer(scene.release())
    scene.release()
    (told,) = [each.payload for each in scene.dispatches if each.trigger == "redrive.release_succeeded"]
    counts = {name: told[name] for name in ("first_attempts", "first_successes", "attempts", "successes")}
    assert counts == {"first_attempts": 3, "first_successes": 2, "attempts": 4, "successes": 3}
    assert told["release_id"] == str(scene.releases[0].id)


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.PAUSED])
def test_nothing_is_published_unless_told_to_act(mode: Mode) -> None:
    """In `observe` and `paused` nothing goes out, whatever is due; switched to `act` it goes on where it was."""
    scene = planned(3)
    scene.answer([canary(scene)])
    scene.mode = mode
    scene.later(1000)
    assert scene.release() == []
    assert scene.reconciler.run_once() == 0
    with scene.ledger.transaction() as tx:
        tx.set_mode(Mode.ACT, "ann", scene.now)
    assert len(scene.release()) == 2


def test_the_mode_that_was_set_outlives_the_settings() -> None:
    """What a person set by command holds over what the settings say."""
    scene = planned()
    with scene.ledger.transaction() as tx:
        tx.set_mode(Mode.PAUSED, "ann", scene.now)
    scene.later(1000)
    assert scene.release() == []


def test_a_bus_that_is_away_leaves_attempts_recorded() -> None:
    """What could not be published stays recorded; the reconciler publishes it under its own id."""
    scene = planned(6, pace=5)
    scene.answer([canary(scene)])
    scene.redriver.failing_with = AWAY
    assert scene.release() == []
    recorded = [each for each in attempts(scene) if each.state is AttemptState.RECORDED]
    assert len(recorded) == 5
    assert scene.release() == []
    scene.redriver.failing_with = None
    scene.later(GRACE)
    assert scene.reconciler.run_once() == 0
    scene.later(1)
    assert scene.reconciler.run_once() == 5
    assert {attempt for _, attempt, _ in scene.redriver.published[1:]} == {each.id for each in recorded}
    assert {scene.attempt(each.id).state for each in recorded} == {AttemptState.PUBLISHED}
    assert scene.reconciler.run_once() == 0


def test_a_message_that_no_queue_takes_is_a_failed_attempt() -> None:
    """An unroutable redrive fails its attempt with the reason; the failure is held and the gate is closed."""
    scene = planned()
    scene.redriver.failing_with = Unroutable("expected a queue")
    scene.later(1)
    assert scene.release() == []
    (attempt,) = attempts(scene)
    assert (attempt.state, attempt.reason) == (AttemptState.FAILED, "expected a queue")
    assert states(scene) == ["held"]
    assert scene.releases[0].state is ReleaseState.HOLDING


class Killed(BaseException):
    """The process dies here."""


def test_a_death_after_the_record_is_mended_under_the_same_attempt() -> None:
    """Killed before the publish: the task is published once, after the grace, under the attempt that was recorded."""
    scene = planned()
    scene.redriver.failing_with = Killed()
    scene.later(1)
    with pytest.raises(Killed):
        scene.release()
    scene.redriver.failing_with = None
    (attempt,) = attempts(scene)
    assert attempt.state is AttemptState.RECORDED
    scene.later(GRACE + 1)
    assert scene.release() == []
    assert scene.reconciler.run_once() == 1
    scene.answer([attempt.id])
    assert scene.incident.state is IncidentState.RECOVERED
    assert [each.number for each in attempts(scene)] == [1]


def test_a_death_after_the_publish_repeats_it_unless_the_outcome_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the publish was noted: an outcome settles it; without one it goes out again under the same id."""
    scene = planned(2, pace=5)
    with scene.ledger.transaction() as tx:
        rows = type(tx)

    def die(*_: object) -> None:
        raise Killed

    scene.answer([canary(scene)])
    with monkeypatch.context() as patched:
        patched.setattr(rows, "mark_published", die)
        with pytest.raises(Killed):
            scene.release()
    attempt = scene.redriver.published[-1][1]
    assert scene.attempt(attempt).state is AttemptState.RECORDED
    scene.later(GRACE + 1)
    assert scene.reconciler.run_once() == 1
    assert [each for _, each, _ in scene.redriver.published].count(attempt) == 2
    scene.answer([attempt])
    assert scene.reconciler.run_once() == 0
    assert scene.attempt(attempt).duplicates == 0
    scene.answer([attempt])
    assert scene.attempt(attempt).duplicates == 1


def test_an_outcome_may_be_faster_than_the_note_of_its_publish() -> None:
    """An outcome that comes before the publish is noted stands; the note changes nothing."""
    scene = planned(2)
    plain = scene.redriver

    class Fast:
        """A worker that ends the task before `publish` returns."""

        def publish(self, message: object, attempt_id: UUID, route: object, *_: object) -> None:
            plain.publish(message, attempt_id, route)
            scene.answer([attempt_id])

        publish_all = published_singly

    scene.later(1)
    scene.redriver = Fast()
    assert scene.releaser.run_once() == 1
    assert scene.releaser.run_once() == 1
    assert {each.state for each in attempts(scene)} == {AttemptState.SUCCEEDED}
    assert scene.incident.state is IncidentState.RECOVERED


def test_an_attempt_without_an_outcome_is_given_up_as_lost() -> None:
    """After the time-out the attempt is lost, its failure is held again and goes out as another attempt."""
    scene = planned()
    attempt = canary(scene)
    scene.later(TIMEOUT)
    assert scene.reconciler.run_once() == 0
    scene.later(1)
    assert scene.reconciler.run_once() == 1
    assert scene.attempt(attempt).state is AttemptState.LOST
    assert scene.attempt(attempt).reason == "no outcome within 600 s"
    assert states(scene) == ["held"]
    again = canary(scene)
    assert scene.attempt(again).number == 2


def test_a_plan_that_redrives_nothing_stops_a_release() -> None:
    """After `escalate` nothing more goes out; what is in flight comes back; the rest is held, not dead."""
    scene = planned(10, pace=3)
    scene.answer([canary(scene)])
    out = scene.release()
    scene.plan(name=PlanName.ESCALATE, reason="look at it", execution_id="e-2")
    scene.answer(out[:2])
    scene.later(1000)
    assert scene.release() == []
    assert not scene.releases[0].ended
    scene.answer(out[2:])
    assert scene.release() == []
    (release,) = scene.releases
    assert (release.state, release.note) == (
        ReleaseState.FAILED,
        "the plan escalate took the place of the one that redrove",
    )
    assert states(scene).count("held") == 6
    assert scene.incident.state is IncidentState.WAITING
    assert "attempts_exhausted" not in scene.triggers()


def test_a_newer_plan_takes_a_release_over() -> None:
    """A reroute that is accepted while a retry runs holds from the next step on: its gate, its tries, its route."""
    scene = planned(4, pace=2)
    scene.answer([canary(scene)], "failed")
    scene.plan(name=PlanName.REROUTE, route=Route("large"), gate=Gate(first_after=50), execution_id="e-2")
    scene.later(10)
    assert scene.release() == []
    scene.later(50)
    (attempt,) = scene.release()
    assert scene.redriver.published[-1][2] == Route("large")
    assert scene.attempt(attempt).execution_id == "e-2"
    assert scene.attempt(attempt).plan == "reroute"
    assert len(scene.releases) == 1


def test_a_release_at_a_time_waits_for_it() -> None:
    """A gate with a time opens then."""
    scene = Scene()
    scene.take_in(failed_event())
    scene.plan(gate=Gate(at=NOON + timedelta(hours=2)))
    scene.release()
    scene.later(7199)
    assert scene.release() == []
    scene.later(1)
    assert len(scene.release()) == 1


def test_a_release_by_cron_tries_at_its_times_only() -> None:
    """A gate with a cron expression opens at its times: the first try, and each one after a failure."""
    scene = Scene()
    scene.take_in(failed_event())
    scene.plan(RETRY, name=PlanName.CRON_BACKOFF, gate=Gate(schedule=Schedule("*/10 * * * *")))
    scene.release()
    scene.later(599)
    assert scene.release() == []
    scene.later(1)
    scene.answer(scene.release(), "failed")
    assert scene.releases[0].gate_at == NOON + timedelta(minutes=20)


def test_releases_to_two_dependencies_keep_out_of_each_others_way() -> None:
    """The canary to one dependency that fails holds nobody up who leans on another."""
    scene = Scene()
    scene.take_in(failed_event(0))
    scene.plan()
    scene.take_in(failed_event(1, task="app.other", declaration={"dependency": "other", "idempotent": True}))
    with scene.ledger.transaction() as tx:
        ours = next(each for each in tx.incidents([], 9, None) if each.task == "app.other")
        tx.save_incident(replace(ours, state=IncidentState.PLANNED, plan=RETRY))
    scene.release()
    scene.later(1)
    first, second = scene.release()
    scene.answer([first], "failed")
    scene.answer([second])
    assert sorted(str(each.state) for each in scene.incidents) == ["planned", "recovered"]


def of_message(number: int, **changes: Any) -> Event:
    """Make the event of a failure with a message that is not whole."""
    event = failed_event(number)
    return replace(event, data={**event.data, "message": {**event.data["message"], **changes}})


def held_then(scene: Scene, **changes: Any) -> None:
    """Change the messages of all failures in the ledger, as an orchestrator that lost its keys would find them."""
    with scene.ledger.transaction() as tx:
        for stored in scene.failures:
            told = replace(stored.failure, message=replace(stored.failure.message, **changes))
            tx.save_failure(replace(stored, failure=told))


def test_what_cannot_be_published_again_is_dead_and_never_tried() -> None:
    """A release buries such failures with the reason, tries none of them, and has failed where nothing else is left."""
    scene = planned(3)
    held_then(scene, sealed="gAAAA")
    scene.later(1000)
    assert scene.release() == []
    scene.release()
    assert states(scene) == ["dead", "dead", "dead"]
    assert all("REDRIVE_MESSAGE_KEYS" in (each.reason or "") for each in scene.failures)
    assert [each.attempts for each in scene.failures] == [0, 0, 0]
    with scene.ledger.transaction() as tx:
        (ended,) = tx.releases_of(scene.incident.id)
    assert (str(ended.state), ended.tries) == ("failed", 0)
    assert "can be published again" in (ended.note or "")


def test_one_bad_message_keeps_nobody_back() -> None:
    """The others of its incident recover; it is listed as dead, and the incident waits for a person."""
    scene = Scene()
    scene.take_in(of_message(0, missing=True), failed_event(1), failed_event(2))
    scene.plan()
    for _ in range(4):
        scene.later(1000)
        scene.answer(scene.release())
    assert states(scene) == ["dead", "recovered", "recovered"]
    assert scene.incident.closed_at is None


def test_what_turns_out_to_be_refused_at_the_broker_is_tried_once() -> None:
    """A message that no key opens: its attempt has failed, it is dead with the reason, and nothing tries it again."""
    scene = planned(1)
    scene.redriver.failing_with = NotRedrivable("expected the key that sealed it")
    scene.later(1000)
    scene.release()
    scene.redriver.failing_with = None
    for _ in range(3):
        scene.later(1000)
        assert scene.release() == []
    (stored,) = scene.failures
    assert (str(stored.state), stored.attempts, stored.reason) == ("dead", 1, "expected the key that sealed it")


def test_what_died_before_the_end_is_counted_for_the_person() -> None:
    """The note of exhausted tries counts all that is listed as dead, not only what the last step gave up."""
    scene = planned(3, max_tries=1)
    with scene.ledger.transaction() as tx:
        move(tx, [scene.failures[0].failure.id], FailureState.DEAD)
    scene.answer([canary(scene)], "failed")
    scene.release()
    assert states(scene) == ["dead", "dead", "dead"]
    assert "; 3 failures are listed as dead and wait for a person" in str(scene.incident.note)
