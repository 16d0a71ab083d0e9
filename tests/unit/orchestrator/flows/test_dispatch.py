"""Dispatch: a trigger is emitted once, what came of it is noted, and the incident says why nobody has decided."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.errors import NotFound, RedriveError, StaleEpoch
from orchestrator.domain.incidents import IncidentState, Trigger
from orchestrator.domain.plan import PlanName
from orchestrator.flows.dispatch import Dispatcher
from orchestrator.flows.triggers import queue_trigger
from orchestrator.stackstorm.memory import MemoryRule, MemoryWorkflows
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from orchestrator.domain.dispatches import Dispatch
    from orchestrator.domain.workflows import Execution, Firing
    from orchestrator.ledger.sql import SqlTransaction

OPENED = "redrive.incident_opened"
RULE = MemoryRule("redrive.retry", OPENED, "redrive.retry")
OFF = replace(RULE, enabled=False)
RULE_GRACE = 10.0


@dataclass
class Stage:
    """A scene with one new incident, a StackStorm, and the dispatcher between them."""

    rules: list[MemoryRule] = field(default_factory=lambda: [RULE])
    scene: Scene = field(default_factory=Scene)

    def __post_init__(self) -> None:
        """Let a task fail."""
        self.workflows: Any = MemoryWorkflows(self.rules)
        self.scene.take_in(failed_event())

    def run(self, seconds: float = 0) -> int:
        """Let time pass, and the dispatcher run once."""
        self.scene.later(seconds)
        return Dispatcher(self.scene.ledger, self.workflows, self.scene.clock, RULE_GRACE).run_once()

    @property
    def dispatch(self) -> Dispatch:
        """The trigger of the incident that was opened."""
        return self.scene.dispatches[0]


def test_a_trigger_is_sent_once_with_the_incident_as_its_trace() -> None:
    """What is emitted is the trigger and payload that were queued, under the incident's id."""
    stage = Stage()
    payload = stage.dispatch.payload
    assert stage.run() == 1
    assert stage.workflows.dispatched == [(OPENED, payload, str(stage.scene.incident.id))]
    assert (stage.dispatch.state, stage.dispatch.sent_at) == (DispatchState.SENT, stage.scene.now)
    assert stage.run() == 0
    stage.run(1)
    assert len(stage.workflows.dispatched) == 1


def test_each_send_is_announced_and_each_question_asks_for_leave() -> None:
    """What is asked can give way to what is sent: the dispatcher tells of both before it turns to StackStorm."""
    stage, told = Stage(), list[str]()
    dispatcher = Dispatcher(
        stage.scene.ledger,
        stage.workflows,
        stage.scene.clock,
        RULE_GRACE,
        sending=lambda: told.append(f"send {len(stage.workflows.dispatched)}"),
        asking=lambda: told.append("ask"),
    )
    dispatcher.run_once()
    assert told == ["send 0"]
    for _ in range(2):
        stage.scene.later(1)
        dispatcher.run_once()
    assert told == ["send 0", "ask", "ask"]


def test_the_rules_and_executions_that_answered_are_noted() -> None:
    """A trigger that fired names its instance, its rules and its executions, and is done when these have ended."""
    stage = Stage()
    stage.run()
    stage.run(0.25)
    dispatch = stage.dispatch
    assert dispatch.state is DispatchState.FIRED
    assert (dispatch.trigger_instance_id, dispatch.rules) == ("instance-1", ("redrive.retry",))
    assert dispatch.execution_ids == ("execution-1",)
    stage.run(0.25)
    assert stage.dispatch.state is DispatchState.ENDED
    assert stage.run(1000) == 0


def test_an_incident_with_a_plan_says_nothing_of_its_execution() -> None:
    """Where the workflow has instructed, its end changes nothing on the incident."""
    stage = Stage([replace(RULE, status="failed")])
    planned = stage.scene.plan()
    for _ in range(3):
        stage.run(1)
    assert stage.dispatch.state is DispatchState.ENDED
    assert stage.scene.incident == planned


@pytest.mark.parametrize("status", ["failed", "succeeded", "timeout"])
def test_an_execution_that_gave_no_plan_is_told(status: str) -> None:
    """However it ended: when no plan came the incident waits, and names the execution to look at."""
    stage = Stage([replace(RULE, status=status)])
    for _ in range(3):
        stage.run(1)
    incident = stage.scene.incident
    assert incident.state is IncidentState.WAITING
    assert incident.note == (
        f"execution execution-1 of redrive.retry {status} without a plan; "
        "look at it in StackStorm, or release by hand (POST /recovery/retry)"
    )


def test_a_trigger_whose_execution_died_is_emitted_again_a_few_times() -> None:
    """Executions that end without a plan get successors, at a growing distance, and no more than three."""
    stage = Stage([replace(RULE, status="abandoned")])
    for _ in range(200):
        stage.run(10)
    assert [trigger for trigger, *_ in stage.workflows.dispatched] == [OPENED] * 4
    assert len({each.trigger_instance_id for each in stage.scene.dispatches}) == 4
    assert {each.state for each in stage.scene.dispatches} == {DispatchState.ENDED}


def test_a_settle_that_failed_is_not_emitted_again() -> None:
    """A failed execution of a trigger that asks for no plan is an answer; one that was cut off is not."""
    stage = Stage([MemoryRule("redrive.settle", "redrive.release_failed", "redrive.settle", status="failed")])
    with stage.scene.ledger.transaction() as tx:
        queue_trigger(tx, stage.scene.incident, Trigger.RELEASE_FAILED, {"release_id": "r"}, stage.scene.now)
    for _ in range(50):
        stage.run(10)
    assert [trigger for trigger, *_ in stage.workflows.dispatched].count("redrive.release_failed") == 1


def test_the_rule_that_is_off_is_named() -> None:
    """After the grace without an execution the incident waits and names the disabled rule that would have matched."""
    stage = Stage([OFF, replace(RULE, ref="redrive.other", trigger="redrive.release_failed", enabled=False)])
    stage.run()
    stage.run(RULE_GRACE - 0.1)
    assert (stage.dispatch.state, stage.scene.incident.note) == (DispatchState.SENT, None)
    stage.run(0.5)
    assert (stage.dispatch.state, stage.dispatch.note) == (DispatchState.NO_RULE, "rule redrive.retry is off")
    incident = stage.scene.incident
    assert incident.state is IncidentState.WAITING
    assert incident.note == (
        "rule redrive.retry is off: nothing happens by itself; enable it, or release by hand (POST /recovery/retry)"
    )
    assert stage.run(1000) == 0


def test_a_trigger_that_no_rule_is_for_is_told_as_well() -> None:
    """Where no rule matches, on or off, the incident says so."""
    stage = Stage([])
    stage.run()
    stage.run(RULE_GRACE)
    assert stage.scene.incident.note.startswith("no rule matches redrive.incident_opened: ")


def test_growth_does_not_overwrite_why_nobody_has_decided() -> None:
    """An incident that waits because a rule is off still names it after it has grown, though no rule is for that."""
    stage = Stage([OFF])
    stage.run()
    stage.run(RULE_GRACE)
    note = stage.scene.incident.note
    stage.scene.take_in(*(failed_event(number) for number in range(1, 12)))
    assert stage.scene.triggers() == ["incident_opened", "incident_grew"]
    stage.run()
    stage.run(RULE_GRACE)
    assert stage.scene.dispatches[1].state is DispatchState.NO_RULE
    assert stage.scene.incident.note == note


def test_a_decision_is_not_overwritten() -> None:
    """An incident that was escalated says that, whatever becomes of triggers afterwards."""
    stage = Stage([OFF])
    stage.run()
    escalated = stage.scene.plan(name=PlanName.ESCALATE)
    stage.run(RULE_GRACE)
    assert stage.dispatch.state is DispatchState.NO_RULE
    assert stage.scene.incident == escalated


def test_stackstorm_away_is_told_and_asked_again_at_a_growing_distance() -> None:
    """While StackStorm cannot be reached the incident says so; the distance grows to half a minute; then it is sent."""
    stage = Stage()
    stage.workflows.down = True
    waits = []
    for _ in range(10):
        assert stage.run() == 1
        waits.append((stage.dispatch.next_at - stage.scene.now).total_seconds())
        stage.scene.now = stage.dispatch.next_at - timedelta(microseconds=1)
        assert stage.run() == 0
        stage.scene.now = stage.dispatch.next_at
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    incident = stage.scene.incident
    assert incident.state is IncidentState.WAITING
    assert "StackStorm cannot be reached" in incident.note
    assert incident.note.endswith("release by hand (POST /recovery/retry) works meanwhile")
    assert stage.dispatch.note in incident.note
    stage.workflows.down = False
    stage.run()
    stage.run(1)
    assert (stage.dispatch.state, stage.dispatch.note) == (DispatchState.FIRED, None)
    assert stage.scene.plan().note is None


def test_an_outage_of_days_is_survived() -> None:
    """After any number of tries the distance is what it was, and no number has overflowed."""
    stage = Stage()
    stage.workflows.down = True
    with stage.scene.ledger.transaction() as tx:
        tx.save_dispatch(replace(stage.dispatch, tries=100_000))
    stage.run()
    assert stage.dispatch.tries == 100_001
    assert stage.dispatch.next_at == stage.scene.now + timedelta(seconds=30)


def test_a_trigger_that_may_have_been_sent_is_asked_about_first() -> None:
    """Killed between sending and noting it: StackStorm knows the trigger, so it is not sent again."""
    stage = Stage()
    dispatch = replace(stage.dispatch, state=DispatchState.SENDING)
    with stage.scene.ledger.transaction() as tx:
        tx.save_dispatch(dispatch)
    stage.workflows.dispatch(OPENED, dispatch.payload, str(dispatch.incident_id))
    stage.run()
    assert stage.dispatch.state is DispatchState.SENT
    assert len(stage.workflows.dispatched) == 1


def test_a_trigger_that_was_not_sent_before_a_crash_is_sent() -> None:
    """Killed before sending: StackStorm knows nothing of it, so it is sent now."""
    stage = Stage()
    with stage.scene.ledger.transaction() as tx:
        tx.save_dispatch(replace(stage.dispatch, state=DispatchState.SENDING))
    stage.run()
    assert len(stage.workflows.dispatched) == 1


def test_a_send_that_broke_in_the_middle_is_asked_about_first() -> None:
    """A time-out says nothing of what arrived: the next try asks before it sends."""
    stage = Stage()
    plain = stage.workflows

    class Breaks(MemoryWorkflows):
        """Takes the trigger and does not answer."""

        def dispatch(self, *args: Any) -> None:
            """Take it, and break."""
            plain.dispatch(*args)
            plain.down = True
            plain.firings("")

    stage.workflows = Breaks()
    stage.run()
    assert stage.dispatch.state is DispatchState.SENDING
    plain.down = False
    stage.workflows = plain
    stage.run(1)
    assert stage.dispatch.state is DispatchState.SENT
    assert len(plain.dispatched) == 1


def test_a_dead_process_leaves_its_trigger_to_be_asked_about() -> None:
    """What is sent is noted as being sent before it is, so that a death in between leaves a trace."""
    stage = Stage()
    seen = []

    class Looks(MemoryWorkflows):
        """Looks at the ledger while a trigger is emitted."""

        def dispatch(self, *_: Any) -> None:
            """Look."""
            seen.append(stage.dispatch.state)

    stage.workflows = Looks()
    stage.run()
    assert seen == [DispatchState.SENDING]


def test_two_triggers_of_one_kind_find_an_instance_each() -> None:
    """The same trigger twice for one incident is two instances: neither answers for the other."""
    stage = Stage()
    with stage.scene.ledger.transaction() as tx:
        queue_trigger(tx, stage.scene.incident, OPENED, {"release_id": "another"}, stage.scene.now)
    for _ in range(4):
        stage.run(1)
    instances = {each.trigger_instance_id for each in stage.scene.dispatches}
    executions = {each.execution_ids for each in stage.scene.dispatches}
    assert instances == {"instance-1", "instance-2"}
    assert executions == {("execution-1",), ("execution-2",)}


def test_an_instance_that_fired_no_rule_answers_for_no_later_trigger() -> None:
    """A trigger that found no rule keeps its instance: a later one of the same kind waits for its own."""
    stage = Stage([OFF])
    stage.run()
    stage.run(RULE_GRACE)
    assert stage.dispatch.trigger_instance_id == "instance-1"
    stage.workflows.known = [RULE]
    with stage.scene.ledger.transaction() as tx:
        queue_trigger(tx, stage.scene.incident, OPENED, {"release_id": "another"}, stage.scene.now)
    stage.run()
    stage.run(1)
    assert {each.trigger_instance_id for each in stage.scene.dispatches} == {"instance-1", "instance-2"}
    assert DispatchState.FIRED in {each.state for each in stage.scene.dispatches}


class Slow(MemoryWorkflows):
    """A StackStorm that has matched a rule and not started its execution yet."""

    def firings(self, trace_tag: str) -> list[Firing]:
        """Name the rule alone."""
        return [replace(each, execution_ids=()) for each in super().firings(trace_tag)]


def test_a_rule_that_matched_is_waited_for() -> None:
    """An execution that is late is no missing rule: the trigger is asked about as long as it takes."""
    stage = Stage()
    stage.workflows = Slow([RULE])
    stage.run()
    stage.run(RULE_GRACE * 10)
    assert (stage.dispatch.state, stage.scene.incident.note) == (DispatchState.SENT, None)


class Forgetful(MemoryWorkflows):
    """A StackStorm that has purged its executions."""

    def execution(self, execution_id: str) -> Execution:
        """Know nothing."""
        raise NotFound("execution", execution_id)


def test_an_execution_that_stackstorm_forgot_stops_nobody() -> None:
    """An execution that is not there any more has ended; the next trigger is not held up."""
    stage = Stage()
    stage.workflows = Forgetful([RULE])
    for _ in range(3):
        stage.run(1)
    assert stage.dispatch.state is DispatchState.ENDED


class Refuses(MemoryWorkflows):
    """A StackStorm that answers with an error of another kind."""

    def dispatch(self, *_: Any) -> None:
        """Refuse."""
        raise RedriveError("expected something else")


def test_one_trigger_that_is_refused_does_not_hold_the_others_up() -> None:
    """Whatever one trigger meets, it is put off, and those behind it are handled in the same step."""
    stage = Stage()
    stage.scene.take_in(failed_event(1, task="app.other"))
    stage.workflows = Refuses()
    assert stage.run() == 2
    assert stage.run() == 0
    assert stage.dispatch.note == "expected something else"


def test_a_dispatcher_that_leads_no_more_stops() -> None:
    """A write that was refused for its epoch goes up: somebody else does the work now."""
    stage = Stage()

    class Fenced:
        """A ledger that may be read."""

        def __init__(self) -> None:
            self.left = 0

        def reading(self) -> AbstractContextManager[SqlTransaction]:
            """Read."""
            return stage.scene.ledger.reading()

        def transaction(self) -> AbstractContextManager[SqlTransaction]:
            """Open one."""
            self.left -= 1
            if self.left < 0:
                raise StaleEpoch("not the leader")
            return stage.scene.ledger.transaction()

    with pytest.raises(StaleEpoch):
        Dispatcher(Fenced(), stage.workflows, stage.scene.clock, RULE_GRACE).run_once()
    assert stage.workflows.dispatched == []


class Killed(BaseException):
    """The process dies here."""


class Dying:
    """A ledger in front of a stage's own: the process dies when its n-th transaction would begin."""

    def __init__(self, stage: Stage, survives: int) -> None:
        self.stage = stage
        self.left = survives

    def reading(self) -> AbstractContextManager[SqlTransaction]:
        """Read."""
        return self.stage.scene.ledger.reading()

    def transaction(self) -> AbstractContextManager[SqlTransaction]:
        """Open one, or die."""
        self.left -= 1
        if self.left < 0:
            raise Killed
        return self.stage.scene.ledger.transaction()


UNSETTLED = {DispatchState.PENDING, DispatchState.SENDING, DispatchState.SENT, DispatchState.FIRED}
STORIES = {
    "no plan came": [replace(RULE, status="succeeded")],
    "the execution died": [replace(RULE, status="abandoned")],
    "the rule is off": [OFF],
    "no rule": [],
}


def story(rules: list[MemoryRule], survives: int | None) -> tuple[object, ...]:
    """Run a dispatcher to the end, killed before its n-th write where that is told; give what is to be seen then."""
    stage = Stage(list(rules))
    if survives is not None:
        dispatcher = Dispatcher(Dying(stage, survives), stage.workflows, stage.scene.clock, RULE_GRACE)
        with suppress(Killed):
            for _ in range(5):
                stage.scene.later(RULE_GRACE)
                dispatcher.run_once()
    while any(each.state in UNSETTLED for each in stage.scene.dispatches):
        stage.run(RULE_GRACE)
    states = sorted(str(each.state) for each in stage.scene.dispatches)
    return stage.scene.incident.note, stage.scene.incident.state, states, len(stage.workflows.dispatched)


@pytest.mark.parametrize("rules", STORIES.values(), ids=STORIES)
def test_a_death_between_any_two_steps_changes_no_story(rules: list[MemoryRule]) -> None:
    """Killed before any of its writes and started again, the dispatcher ends where it would have ended, sent once."""
    expected = story(rules, None)
    assert [story(rules, survives) for survives in range(14)] == [expected] * 14
