"""Who decides when StackStorm is away, when a rule is off, and when it is switched on again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.classify import Verdict
from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.errors import Refused
from orchestrator.domain.failures import Kind
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.plan import PlanName
from orchestrator.flows.dispatch import Dispatcher
from orchestrator.flows.joining import reclassify
from orchestrator.flows.standing_in import LOOK, RuleWatcher
from orchestrator.stackstorm.memory import MemoryRule, MemoryWorkflows
from tests.recovery import RETRY, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.domain.incidents import Incident

AFTER = 60.0
GRACE = 10.0
RULE = MemoryRule("redrive.retry", "redrive.incident_opened", "redrive.retry")
UNREAD = {"trigger.kind": {"type": "equals", "pattern": "{{ st2kv.system.kind }}"}}


class Stage:
    """A scene beside a StackStorm that was seen once with its rules; `look` lets the watcher and the dispatcher run."""

    def __init__(self, *rules: MemoryRule, seen: bool = True, after: float | None = AFTER, **told: object) -> None:
        """Let the rules be seen, then StackStorm be away, then a task fail."""
        self.scene, self.after, self.told = Scene(), after, told
        self.workflows = MemoryWorkflows(rules)
        if seen:
            self.look()
        self.workflows.down = True

    def look(self, seconds: float = 0) -> Incident | None:
        """Let time pass, and both look once; gives the newest incident."""
        self.scene.later(seconds)
        ledger, clock = self.scene.ledger, self.scene.clock
        RuleWatcher(ledger, self.workflows, clock, self.after).run_once()
        Dispatcher(ledger, self.workflows, clock, GRACE).run_once()
        return self.scene.incident if self.scene.incidents else None

    def fail(self, number: int = 0) -> None:
        """Let a task fail."""
        self.scene.take_in(failed_event(number, **self.told))

    def look_on(self, seconds: float) -> Incident:
        """Look every few seconds, for so long."""
        for _ in range(int(seconds // 5)):
            self.look(5)
        return self.scene.incident


def test_the_built_in_plan_acts_after_the_grace_and_is_told_as_such() -> None:
    """Out of reach for the grace, and not before, an incident that an enabled rule would retry gets the plan itself."""
    stage = Stage(RULE)
    stage.fail()
    before = stage.look_on(AFTER)
    assert (before.plan, before.state) == (None, IncidentState.WAITING)
    incident = stage.look(5)
    assert incident.state is IncidentState.PLANNED
    assert (incident.plan.name, incident.plan.built_in, incident.plan.execution_id) == (PlanName.RETRY, True, None)
    assert incident.note == incident.plan.reason
    assert "StackStorm cannot be reached since 2025-11-20 12:00:05 UTC: the built-in plan" in incident.note
    (event,) = [each for each in stage.scene.events() if each["type"] == "redrive.incident.planned.v1"]
    assert (event["data"]["built_in"], event["data"]["execution_id"]) == (True, None)
    stage.scene.release()
    stage.scene.later(1)
    (attempt,) = stage.scene.release()
    assert stage.scene.attempt(attempt).execution_id is None


def test_the_rules_take_over_when_stackstorm_is_back() -> None:
    """The trigger that waited is emitted, and the plan that it brings takes the place of the built-in one."""
    stage = Stage(RULE)
    stage.fail()
    stage.look_on(AFTER + 10)
    revision = stage.scene.dispatches[0].payload["revision"]
    assert stage.scene.incident.revision == revision
    stage.workflows.down = False
    stage.look(30)
    assert [trigger for trigger, *_ in stage.workflows.dispatched] == ["redrive.incident_opened"]
    incident = stage.scene.plan(RETRY)
    assert (incident.plan, incident.revision, incident.note) == (RETRY, revision + 1, None)
    assert stage.look_on(AFTER).plan == RETRY


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], "no rule matches redrive.incident_opened, as last seen"),
        ([replace(RULE, enabled=False)], "rule redrive.retry is off, as last seen"),
        ([replace(RULE, criteria=UNREAD)], "no rule matches"),
        ([replace(RULE, action="redrive.escalate")], "rule redrive.retry starts another workflow than redrive.retry"),
        ([RULE, replace(RULE, ref="own.rule", action="own.ask", criteria=UNREAD)], "rule own.rule starts another"),
    ],
    ids=["none", "off", "not to be read", "another workflow", "perhaps another"],
)
def test_the_built_in_plan_does_nothing_that_rules_would_not(rules: list[MemoryRule], said: str) -> None:
    """Where no enabled rule is known to start the workflow retry, nothing happens, and the incident says why."""
    stage = Stage(*rules)
    stage.fail()
    incident = stage.look_on(2 * AFTER)
    assert incident.plan is None
    assert f"no built-in plan: {said}" in incident.note


def test_a_rule_that_is_off_does_not_keep_another_from_acting() -> None:
    """The pack's cron_backoff is off as it comes: the enabled rule beside it is the one that counts."""
    stage = Stage(RULE, replace(RULE, ref="redrive.cron_backoff", action="redrive.cron_backoff", enabled=False))
    stage.fail()
    assert stage.look_on(AFTER + 5).plan.built_in


def test_rules_that_were_never_seen_are_not_stood_in_for() -> None:
    """An orchestrator that never reached StackStorm knows of no rule, and acts on none."""
    stage = Stage(RULE, seen=False)
    stage.fail()
    incident = stage.look_on(2 * AFTER)
    assert incident.plan is None
    assert "no built-in plan: its rules were never seen" in incident.note


@pytest.mark.parametrize(
    "told",
    [{"declaration": {"dependency": "model"}}, {"captured": "child_killed"}],
    ids=["may not run twice", "a kind that is not safe"],
)
def test_only_what_is_safe_is_retried(told: dict[str, object]) -> None:
    """Tasks that are not declared idempotent, and kinds that time does not mend, wait for the rules."""
    stage = Stage(RULE, **told)
    stage.fail()
    assert stage.look_on(2 * AFTER).plan is None


def test_it_can_be_switched_off() -> None:
    """Without the grace there is no built-in plan."""
    stage = Stage(RULE, after=None)
    stage.fail()
    assert stage.look_on(2 * AFTER).plan is None


def test_a_stackstorm_that_refuses_is_not_away() -> None:
    """A wrong key is no outage: the built-in plan does not act on it."""
    stage = Stage(RULE)
    stage.fail()

    class Refusing(MemoryWorkflows):
        """A StackStorm that lets nobody see its rules."""

        def rules(self) -> list[object]:
            """Refuse."""
            raise Refused("StackStorm", "so")

    stage.workflows = Refusing([RULE])
    stage.workflows.down = True
    assert stage.look_on(2 * AFTER).plan is None


def test_an_outage_that_nobody_watched_begins_anew() -> None:
    """After a night without an orchestrator the first failed look is no outage of a night."""
    stage = Stage(RULE)
    stage.look(1)
    stage.fail()
    assert stage.look(36_000).plan is None
    assert stage.look_on(AFTER).plan.built_in


def test_the_built_in_plan_goes_when_the_rules_do_not_decide_for_it() -> None:
    """StackStorm is back with the rule off: nothing happens by itself any more, and the incident says so."""
    stage = Stage(RULE)
    stage.fail()
    assert stage.look_on(AFTER + 5).plan.built_in
    stage.workflows.down = False
    stage.workflows.known = [replace(RULE, enabled=False)]
    incident = stage.look_on(60)
    assert (incident.plan, incident.state) == (None, IncidentState.WAITING)
    assert "rule redrive.retry is off" in incident.note


def test_a_rule_that_is_switched_on_decides_for_those_that_wait() -> None:
    """The incident that waited is asked about again once a rule is there for it; the note is true at each moment."""
    stage = Stage(replace(RULE, enabled=False))
    stage.workflows.down = False
    stage.fail()
    assert "rule redrive.retry is off" in stage.look_on(60).note
    assert len(stage.workflows.dispatched) == 1
    stage.workflows.known = []
    assert "no rule matches" in stage.look_on(2 * LOOK).note
    stage.workflows.known = [RULE]
    stage.scene.take_in(failed_event(1))
    stage.look(LOOK)
    assert stage.scene.incident.note == "rule redrive.retry is on now, and asked"
    assert [payload["size"] for _, payload, _ in stage.workflows.dispatched] == [1, 2]
    stage.scene.plan()
    stage.look_on(10)
    assert {each.state for each in stage.scene.dispatches} == {DispatchState.ENDED}


def test_a_rule_that_seems_to_match_and_does_not_is_asked_seldom() -> None:
    """A criterion that cannot be read here costs a trigger now and then, at a distance that grows to an hour."""
    stage = Stage(replace(RULE, criteria=UNREAD))
    stage.workflows.down = False
    stage.workflows._matching = lambda *_: []
    stage.fail()
    for _ in range(24 * 60):
        stage.look(60)
    assert 24 <= len(stage.workflows.dispatched) <= 24 + 15


def test_what_is_decided_is_not_asked_about_again() -> None:
    """An incident that a person or another rule has decided for is left alone when a rule is switched on."""
    stage = Stage(replace(RULE, enabled=False))
    stage.workflows.down = False
    stage.fail()
    stage.look_on(30)
    stage.scene.plan(name=PlanName.ESCALATE)
    stage.workflows.known = [RULE]
    stage.look_on(60)
    assert len(stage.workflows.dispatched) == 1


def turn_to(scene: Scene, kind: Kind, of: int) -> None:
    """Let so many of the incident's failures be of this kind by what is learnt, and its kind be looked at."""
    with scene.ledger.transaction() as tx:
        incident = tx.incident(scene.incident.id)
        for stored in tx.failures_of(incident.id, of):
            tx.save_failure(replace(stored, kind=kind))
        reclassify(tx, incident, Verdict(kind, "so"), scene.now)


def test_kinds_that_one_outage_shows_by_turns_are_asked_about_once_each() -> None:
    """However often an incident turns within an hour, its rules are asked once for each kind, and the plan stands."""
    scene = Scene()
    for number in range(10):
        scene.take_in(failed_event(number, declaration={"idempotent": True}))
    scene.plan()
    turn_to(scene, Kind.RATE_LIMITED, of=6)
    assert scene.incident.kind is Kind.TRANSIENT  # not twice as many
    turn_to(scene, Kind.RATE_LIMITED, of=10)
    asked = scene.plan()
    for kind in (Kind.TRANSIENT, Kind.RATE_LIMITED) * 4:
        turn_to(scene, kind, of=10)
        assert scene.incident.kind is kind
    assert (scene.incident.plan, scene.incident.revision) == (asked.plan, asked.revision)
    assert scene.triggers().count("incident_reclassified") == 1
    scene.later(3601)
    turn_to(scene, Kind.TRANSIENT, of=10)
    assert scene.incident.plan is None
    assert scene.triggers().count("incident_reclassified") == 2
