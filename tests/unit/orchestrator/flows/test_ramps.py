"""Ramps: incidents of one dependency share gate, canary, window and budget; evidence, not time, opens the gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from eventbus.wire import TASK_OUTCOMES, Event
from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.dependencies import Health, Policies, Policy
from orchestrator.domain.errors import DependencyUnreachable, Unroutable
from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.moment import Moment
from orchestrator.domain.pacing import Phase
from orchestrator.domain.plan import Gate, Pace
from orchestrator.domain.probes import ProbeResult
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.health import note_probe
from orchestrator.flows.recovery import accept_plan
from tests.recovery import NOON, RETRY, SOURCE, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.domain.dependencies import Dependency
    from orchestrator.domain.pacing import Ramp

WIDE = Policy(first_window=10_000, max_in_flight=10_000, budget_burst=10_000)
PROBED = replace(WIDE, probed=True)


def scene_of(tasks: int = 1, each: int = 5, policy: Policy = WIDE, **gate: float) -> Scene:
    """Give a scene in which tasks of several names have failed for one dependency, each with a plan to retry."""
    scene = Scene(policies=Policies(default=policy))
    for task in range(tasks):
        numbers = range(task * 100, task * 100 + each)
        scene.take_in(*(failed_event(number, task=f"app.task_{task}") for number in numbers))
    plan_all(scene, **gate)
    assert scene.release() == []
    return scene


def plan_all(scene: Scene, **gate: float) -> None:
    """Give every incident its plan."""
    with scene.ledger.transaction() as tx:
        for incident in tx.incidents([], 100, None):
            accept_plan(tx, incident.id, replace(RETRY, gate=Gate(**gate)), incident.revision, scene.now)


def model(scene: Scene) -> Dependency:
    """Give what is known of the dependency."""
    with scene.ledger.transaction() as tx:
        found = tx.dependency("model")
        assert found is not None
        return found


def ramp(scene: Scene, name: str = "model") -> Ramp:
    """Give the ramp of that name."""
    with scene.ledger.transaction() as tx:
        found = tx.ramp(name)
        assert found is not None
        return found


def probe(scene: Scene, *, passed: bool, times: int = 1) -> None:
    """Let probes tell how it is."""
    moment = Moment(scene.now, 0.0, scene.policies)
    for _ in range(times):
        with scene.ledger.transaction() as tx:
            note_probe(tx, "model", ProbeResult(passed, "so", 0.1), scene.now, moment)


def outcomes(scene: Scene, succeeded: int, failed: int = 0, **more: Any) -> Event:
    """Make the event of a worker's counts over a second."""
    counts = [{"task": "app.task_0", "dependency": "model", "succeeded": succeeded, "failed": failed}]
    return Event(str(uuid4()), SOURCE, TASK_OUTCOMES, scene.now, {"window_seconds": 1.0, "counts": counts, **more})


def failed_again(scene: Scene, attempt: UUID, **changes: Any) -> None:
    """Report that the run of a redrive has failed, by the failure event alone."""
    scene.take_in(failed_event(attempt_id=attempt, **{"occurred_at": scene.now.isoformat(), **changes}))


def test_two_incidents_and_a_person_share_one_canary_and_one_ramp() -> None:
    """In the outage one canary goes for all; when it comes back all follow in one window; the command waits as well."""
    scene = scene_of(2)
    with scene.ledger.transaction() as tx:
        command = command_retry(tx, RetryRequest("ann", "now", task_id="t3"), uuid4(), scene.now)
    for _ in range(3):
        scene.later(1000)
        (canary,) = scene.release()
        assert scene.release() == []
        scene.answer([canary], "failed")
    scene.later(1000)
    scene.answer(scene.release())
    out = scene.release()
    assert len(out) == 9
    with scene.ledger.transaction() as tx:
        assert {tx.release(each.release_id).ramp for each in map(tx.attempt, out)} == {"model"}  # type: ignore[union-attr]
        mine = [each for each in map(tx.attempt, out) if each and each.release_id == command.release_id]
        assert [each.task_id for each in mine] == ["t3"]
    scene.answer(out)
    assert {each.state for each in scene.incidents} == {IncidentState.RECOVERED}


def test_a_forced_retry_goes_whatever_speaks_against_it() -> None:
    """A person who forces one is not held by gate, hold or canary of the others; it costs the same budget."""
    scene = scene_of(1, policy=PROBED)
    before = model(scene)
    with scene.ledger.transaction() as tx:
        tx.save_dependency(replace(before, held_by="bob", held_reason="deploy"))
        command_retry(tx, RetryRequest("ann", "I know", task_id="t3", force=True), uuid4(), scene.now)
    scene.later(1000)
    (attempt,) = scene.release()
    assert scene.attempt(attempt).task_id == "t3"
    assert model(scene).tokens == PROBED.budget_burst - 1
    assert ramp(scene).why == "held by bob: deploy"


def test_a_probed_dependency_gets_no_canary_before_enough_probes_passed() -> None:
    """However much time goes by, passes in a row let the canary go; one that fails starts anew, and wants one more."""
    scene = scene_of(policy=PROBED)
    assert model(scene).health is Health.DOWN
    scene.later(3000)
    assert scene.release() == []
    probe(scene, passed=True, times=2)
    probe(scene, passed=False)
    probe(scene, passed=True, times=2)
    assert scene.release() == []
    assert "2 of 4 passes in a row" in (ramp(scene).why or "")
    probe(scene, passed=True, times=2)
    assert model(scene).health is Health.RECOVERING
    assert len(scene.release()) == 1


def test_after_a_partial_outage_more_passes_are_wanted() -> None:
    """One that fails one run in five passes three in a row by luck half of the time: 21 show that it is back."""
    scene = scene_of(policy=replace(PROBED, half_life=1e9))
    for _ in range(200):
        probe(scene, passed=True, times=4)
        probe(scene, passed=False)
    probe(scene, passed=True, times=20)
    scene.later(3000)
    assert scene.release() == []
    probe(scene, passed=True)
    assert len(scene.release()) == 1


def test_ordinary_runs_that_go_well_open_the_gate() -> None:
    """While workers tell of ordinary runs no canary goes before those go well."""
    scene = scene_of()
    scene.later(100)
    scene.take_in(outcomes(scene, 1), failed_event(50, occurred_at=scene.now.isoformat()))
    assert scene.release() == []
    scene.take_in(outcomes(scene, 9))  # in the same second: nobody knows in which order
    assert scene.release() == []
    scene.later(2)
    scene.take_in(outcomes(scene, 10))
    assert len(scene.release()) == 1


def test_silence_leaves_the_canary_to_the_clock() -> None:
    """Without a probe, and where no ordinary run is heard of, the canary goes at its distance."""
    scene = scene_of()
    scene.take_in(outcomes(scene, 1))
    scene.later(5)
    assert scene.release() == []
    scene.later(6)
    assert len(scene.release()) == 1


def test_patience_has_an_end() -> None:
    """Where the evidence stays bad for hours a canary goes all the same: held is not forgotten."""
    scene = scene_of(policy=replace(PROBED, patience=3600))
    scene.later(3599)
    assert scene.release() == []
    scene.later(1)
    assert len(scene.release()) == 1


def test_a_retry_after_is_kept_to_the_second_and_has_no_ceiling() -> None:
    """Nothing goes before it is over, in the ramp either, though it be hours."""
    scene = Scene()
    limited = {"exception": failed_event().data["exception"] | {"status": 429, "retry_after": 7200.0}}
    scene.take_in(*(failed_event(number, **limited, occurred_at=NOON.isoformat()) for number in range(3)))
    plan_all(scene)
    scene.release()
    assert scene.incident.kind is Kind.RATE_LIMITED
    scene.later(7199)
    assert scene.release() == []
    assert "asked to be left alone until 2025-11-20 14:00:00Z" in (ramp(scene).why or "")
    scene.later(1)
    scene.answer(scene.release())
    first, _ = scene.release()
    failed_again(scene, first, **limited)
    assert model(scene).not_before == scene.now + timedelta(seconds=7200)


def test_the_budget_is_never_exceeded_and_says_so() -> None:
    """Canary and ramp draw on one bucket; what it refuses waits, and goes as it fills."""
    policy = replace(WIDE, budget_burst=4, budget_rate=0.5)
    scene = scene_of(each=12, policy=policy)
    scene.later(1)
    scene.answer(scene.release())
    assert len(scene.release()) == 3
    assert scene.release() == []
    assert "budget" in (ramp(scene).why or "")
    scene.later(4)
    assert len(scene.release()) == 2


def test_live_traffic_earns_budget() -> None:
    """A share of the ordinary runs that go well flows into the bucket."""
    scene = scene_of(each=3, policy=replace(WIDE, budget_burst=100, budget_rate=0, budget_share=0.5, half_life=10))
    with scene.ledger.transaction() as tx:
        known = tx.dependency("model")
        assert known is not None
        tx.save_dependency(replace(known, tokens=0.0, filled_at=scene.now, live=40 / 0.6931471805599453))
    scene.later(1)
    assert len(scene.release()) == 1


def test_a_window_opens_slowly() -> None:
    """After the canary two go, and each that comes back makes room for two (slow start)."""
    scene = scene_of(each=40, policy=Policy(budget_burst=1000))
    scene.later(1)
    scene.answer(scene.release())
    sizes = []
    for _ in range(4):
        out = scene.release()
        sizes.append(len(out))
        scene.answer(out)
    assert sizes == [2, 4, 8, 16]


def test_what_the_redrive_shows_to_be_permanent_leaves_for_its_own_incident() -> None:
    """Its canary says nothing of the dependency: another goes at once, and the bad one is asked about by itself."""
    scene = scene_of(each=3)
    scene.later(1)
    (canary,) = scene.release()
    bad = {"type": "builtins.ValueError", "message": "no such plan", "traceback": "", "chain": [], "status": None}
    failed_again(scene, canary, exception=bad | {"retry_after": None})
    kinds = {each.kind: each.size for each in scene.incidents}
    assert kinds == {Kind.TRANSIENT: 2, Kind.PERMANENT: 1}
    assert model(scene).health is not Health.DOWN
    assert len(scene.release()) == 1


def test_one_that_fails_again_and_again_while_others_go_well_is_given_to_a_person() -> None:
    """Its tries in the ramp are counted; the others recover."""
    scene = Scene(policies=Policies(default=WIDE))
    scene.take_in(*(failed_event(number) for number in range(30)))
    scene.plan(pace=Pace(5, tries_each=1))
    scene.release()
    scene.later(1)
    scene.answer(scene.release())
    first, *_ = scene.release()
    scene.answer([first], "failed")
    with scene.ledger.transaction() as tx:
        stored = tx.failure(scene.attempt(first).failure_id)
    assert stored is not None
    assert (stored.state, stored.reason) == (FailureState.DEAD, "its redrives failed 1 times while others went well")


def test_a_restart_forgets_nothing() -> None:
    """Gate, tries, window, evidence and budget are in the ledger: another releaser goes on where the first was."""
    scene = scene_of(each=12, policy=replace(WIDE, budget_burst=6, budget_rate=0))
    scene.later(1)
    scene.answer(scene.release(), "failed")
    again = Scene(scene.ledger, now=scene.now, policies=scene.policies)
    assert again.release() == []
    again.later(1.9)
    assert again.release() == []
    again.later(0.2)
    again.answer(again.release())
    assert len(Scene(scene.ledger, now=again.now, policies=scene.policies).release()) == 4


def test_a_ramp_is_gone_when_nothing_is_left_on_it() -> None:
    """The next failure of the dependency starts behind its own gate."""
    scene = scene_of(each=1)
    scene.later(1)
    scene.answer(scene.release())
    scene.release()
    scene.release()
    with scene.ledger.transaction() as tx:
        assert tx.ramps() == []


def test_evidence_fades() -> None:
    """What failed long ago says nothing of now: with nothing held a dependency is healthy again by itself."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(9)))
    assert model(scene).health is Health.DOWN
    scene.later(600)
    scene.release()
    assert model(scene).health is Health.HEALTHY


def test_a_failure_of_long_ago_says_nothing_of_now() -> None:
    """A spool that drains after an hour makes no dependency suspect."""
    scene = Scene(now=NOON + timedelta(hours=1))
    scene.take_in(*(failed_event(number) for number in range(9)))
    with scene.ledger.transaction() as tx:
        assert tx.dependency("model") is None


def test_what_fails_while_its_dependency_is_down_is_called_so() -> None:
    """A time-out is transient; while the dependency is known to be down it has that kind, and the reason says why."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(9)))
    scene.later(1)
    scene.take_in(failed_event(50, task="app.other", occurred_at=NOON.isoformat()))
    assert scene.incident.kind is Kind.DEPENDENCY_DOWN
    assert "model is down: 5 of 5 runs failed lately" in scene.incident.why


def test_an_incident_that_goes_down_with_its_dependency_keeps_its_plan_and_asks_once() -> None:
    """The rules are asked again, but what they have decided stands until they answer; it never flips back."""
    scene = scene_of(each=5)
    scene.take_in(*(failed_event(number, task="app.task_0") for number in range(20, 40)))
    assert (scene.incident.kind, scene.incident.state) == (Kind.DEPENDENCY_DOWN, IncidentState.PLANNED)
    assert scene.triggers() == ["incident_opened", "incident_reclassified"]
    scene.later(600)
    scene.release()
    scene.take_in(*(failed_event(number, task="app.task_0") for number in range(40, 90)))
    assert scene.triggers() == ["incident_opened", "incident_reclassified"]


def test_what_was_given_up_decides_for_no_newcomer() -> None:
    """When all of an incident is dead, the next failure of that look is asked about anew, and recovers."""
    scene = scene_of(each=1, max_tries=1)
    scene.later(1)
    scene.answer(scene.release(), "failed")
    scene.later(1000)
    scene.release()
    assert scene.incident.state is IncidentState.WAITING
    revision = scene.incident.revision
    scene.take_in(failed_event(1, task="app.task_0"))
    assert (scene.incident.state, scene.incident.plan) == (IncidentState.OPEN, None)
    assert scene.incident.revision > revision
    assert scene.triggers().count("incident_opened") == 2
    scene.take_in(failed_event(2, task="app.task_0"))
    assert scene.triggers().count("incident_opened") == 2
    scene.plan(execution_id="e-2")
    scene.release()
    for _ in range(3):
        scene.later(1000)
        scene.answer(scene.release())
    assert [str(each.state) for each in scene.failures] == ["dead", "recovered", "recovered"]


def test_a_canary_that_runs_out_of_time_leaves_for_its_own_incident() -> None:
    """What ran out of resources belongs to another queue: another failure is the canary, and no try is wasted on it."""
    scene = scene_of(each=3)
    scene.later(1)
    (canary,) = scene.release()
    late = {"type": "celery.exceptions.SoftTimeLimitExceeded", "message": "", "traceback": "", "chain": []}
    failed_again(scene, canary, exception=late | {"status": None, "retry_after": None})
    assert {each.kind: each.size for each in scene.incidents} == {Kind.TRANSIENT: 2, Kind.RESOURCE: 1}
    (another,) = scene.release()
    assert scene.attempt(another).failure_id != scene.attempt(canary).failure_id


def test_what_a_person_asked_for_and_fails_for_its_own_reason_is_no_hot_loop() -> None:
    """Its tries are counted, and it keeps nobody else from being the canary or from recovering."""
    scene = scene_of(each=2)
    with scene.ledger.transaction() as tx:
        command_retry(tx, RetryRequest("ann", "now", task_id="t1"), uuid4(), scene.now)
    bad = {"type": "builtins.ValueError", "message": "no", "traceback": "", "chain": [], "status": None}
    tried = 0
    for _ in range(100):
        scene.later(0.2)
        for attempt in scene.release():
            tried += scene.attempt(attempt).task_id == "t1"
            if scene.attempt(attempt).task_id == "t1":
                failed_again(scene, attempt, exception=bad | {"retry_after": None})
            else:
                scene.answer([attempt])
    assert 1 <= tried <= 10


def test_all_ramps_of_a_dependency_draw_on_one_budget_in_one_step() -> None:
    """Forced releases and the shared ramp together never spend more than there is, but for the one that is forced."""
    scene = scene_of(each=12, policy=replace(WIDE, budget_burst=3, budget_rate=0))
    unknown = {"type": "app.Odd", "message": "odd", "traceback": "", "chain": [], "status": None, "retry_after": None}
    scene.take_in(*(failed_event(number, task=f"app.odd_{number}", exception=unknown) for number in range(500, 508)))
    plan_all(scene)
    scene.release()
    scene.later(1)
    assert len(scene.release()) == 3


def test_a_canary_that_is_given_up_lets_another_one_go() -> None:
    """Its attempt was written off beside the outcomes: the ramp does not wait for it for ever."""
    scene = scene_of(each=3)
    scene.later(1)
    (canary,) = scene.release()
    with scene.ledger.transaction() as tx:
        attempt = tx.attempt(canary)
        assert attempt is not None
        tx.save_attempt(replace(attempt, state=AttemptState.LOST, ended_at=scene.now))
        stored = tx.failure(attempt.failure_id)
        assert stored is not None
        tx.save_failure(replace(stored, state=FailureState.HELD))
    scene.release()
    scene.later(1000)
    assert len(scene.release()) == 1


def test_a_message_that_no_queue_takes_says_nothing_of_its_dependency() -> None:
    """No worker has run it: the dependency stays what it was, and another release sends the next canary."""
    scene = scene_of(2, each=2, policy=replace(WIDE, minimum=100))
    scene.later(1)
    scene.redriver.failing_with = Unroutable("expected a queue")
    assert scene.release() == []
    scene.redriver.failing_with = None
    assert model(scene).health is Health.HEALTHY
    scene.later(1000)
    scene.answer(scene.release())
    scene.answer(scene.release())
    scene.answer(scene.release())
    assert {each.state for each in scene.incidents} == {IncidentState.RECOVERED}


def test_all_ramps_of_a_dependency_share_what_may_be_in_flight() -> None:
    """Incidents of their own ramps count too: never more than the settings allow."""
    scene = scene_of(each=1, policy=replace(WIDE, max_in_flight=2))
    odd = {"type": "app.Odd", "message": "odd", "traceback": "", "chain": [], "status": None, "retry_after": None}
    scene.take_in(*(failed_event(number, task=f"app.odd_{number}", exception=odd) for number in range(500, 508)))
    plan_all(scene)
    scene.release()
    scene.later(1)
    assert len(scene.release()) == 2
    assert scene.release() == []


def test_what_was_recorded_is_not_published_into_a_hold() -> None:
    """The broker was away, a person held the dependency, the broker is back: nothing goes before the hold is lifted."""
    scene = scene_of(each=3)
    scene.later(1)
    scene.redriver.failing_with = DependencyUnreachable("the broker", "so")
    assert scene.release() == []
    scene.redriver.failing_with = None
    with scene.ledger.transaction() as tx:
        known = tx.dependency("model")
        assert known is not None
        tx.save_dependency(replace(known, held_by="bob", held_reason="deploy"))
    scene.later(100)
    assert scene.reconciler.run_once() == 0
    with scene.ledger.transaction() as tx:
        tx.save_dependency(replace(known, held_by=None))
    assert scene.reconciler.run_once() == 1


def test_late_outcomes_of_the_window_before_count_against_no_newer_ramp() -> None:
    """What went out before the canary met what the canary did not: it narrows nothing."""
    scene = scene_of(each=12)
    scene.later(1)
    scene.answer(scene.release())
    first, second, *late = scene.release()
    scene.answer([first, second], "failed")
    scene.later(1000)
    (canary,) = scene.release()
    scene.answer([canary])
    scene.answer(late[:4], "failed")
    assert ramp(scene).phase is Phase.RAMPING
    assert ramp(scene).strikes == 0
