"""Many signatures of one dependency in a short time: few triggers, an answer for each incident."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.errors import DependencyUnreachable, Refused
from orchestrator.domain.turns import MINUTE, turn
from orchestrator.flows.dispatch import Dispatcher
from orchestrator.flows.recovery import accept_plan
from orchestrator.flows.standing_in import RuleWatcher
from orchestrator.stackstorm.memory import MemoryRule, MemoryWorkflows
from tests.recovery import NOON, RETRY, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any
    from uuid import UUID


PER_MINUTE = 20
SIGNATURES = 1_000
RULE = MemoryRule("redrive.retry", "redrive.incident_opened", "redrive.retry")


class Deciding(MemoryWorkflows):
    """A StackStorm whose workflow decides before its trigger is stored, as one on the same machine may."""

    scene: Scene
    fails: Callable[[str], Exception | None] = staticmethod(lambda _tag: None)
    tried: list[tuple[datetime, str]]

    def dispatch(self, trigger: str, payload: Mapping[str, Any], trace_tag: str) -> None:
        """Decide for the incident that was told of; `fails` gives the error for a trace tag that is not taken."""
        self.tried.append((self.scene.now, trace_tag))
        if error := self.fails(trace_tag):
            raise error
        super().dispatch(trigger, payload, trace_tag)
        (execution_id,) = self.firings(trace_tag)[-1].execution_ids or ("",)
        if execution_id:
            incident_id = next(each.id for each in self.scene.all_incidents() if str(each.id) == trace_tag)
            with self.scene.ledger.transaction() as tx:
                plan = replace(RETRY, execution_id=execution_id)
                accept_plan(tx, incident_id, plan, payload["revision"], self.scene.now)


class Stage:
    """A scene with a StackStorm that decides, and its dispatcher."""

    def __init__(self, *rules: MemoryRule) -> None:
        """Begin with nothing."""
        self.scene = Scene()
        self.workflows = Deciding(rules)
        self.workflows.scene, self.workflows.tried = self.scene, []

    def fail(self, count: int, task: str = "app.call", first: int = 0) -> None:
        """Let tasks fail, each with a message that no other has."""
        for number in range(first, first + count):
            word = "".join(chr(ord("a") + int(digit)) for digit in f"{number:05}")
            told = {"type": "requests.HTTPError", "message": f"no {word}", "traceback": "", "status": 503}
            self.scene.take_in(failed_event(number, task=task, exception=told))

    def run(self, seconds: float, every: float = 0.25) -> None:
        """Let the dispatcher run for so long."""
        for _ in range(int(seconds / every)):
            self.scene.later(every)
            Dispatcher(self.scene.ledger, self.workflows, self.scene.clock, 10.0, PER_MINUTE).run_once()

    def states(self) -> Counter[str]:
        """Count the incidents by their state."""
        return Counter(str(each.state) for each in self.scene.all_incidents())

    def led(self, incident_id: UUID) -> bool:
        """Tell whether another incident's trigger stood for this one's."""
        with self.scene.ledger.reading() as tx:
            return any(each.led_by for each in tx.dispatches_of(incident_id))


def test_a_thousand_signatures_cost_few_executions_and_each_incident_is_decided() -> None:
    """Half the cap goes at once, the last one stands for the rest; each incident names the execution that decided."""
    stage = Stage(RULE)
    stage.fail(SIGNATURES)
    stage.run(10)
    assert stage.states() == {"planned": SIGNATURES}
    assert len(stage.workflows.dispatched) == PER_MINUTE // 2
    assert [payload["stands_for"] for _, payload, _ in stage.workflows.dispatched[:-1]] == [1] * (PER_MINUTE // 2 - 1)
    assert stage.workflows.dispatched[-1][1]["stands_for"] == SIGNATURES - PER_MINUTE // 2 + 1
    executions = Counter(each.plan.execution_id for each in stage.scene.all_incidents())
    assert sorted(executions.values()) == [1] * 9 + [SIGNATURES - 9]
    told = next(each for each in stage.scene.all_incidents() if stage.led(each.id))
    with stage.scene.ledger.reading() as tx:
        (dispatch,) = tx.dispatches_of(told.id)
        leader = tx.incident(dispatch.led_by)
    assert "whose trigger stood for this one's" in told.plan.reason
    assert dispatch.execution_ids == (told.plan.execution_id,) == (leader.plan.execution_id,)
    assert dispatch.trigger_instance_id
    assert (dispatch.state, dispatch.rules) == (DispatchState.ENDED, ("redrive.retry",))


def test_those_that_come_later_wait_for_one_more() -> None:
    """Beyond the burst one goes every few seconds for all that wait; never more than the cap in any minute."""
    stage = Stage(RULE)
    for second in range(120):
        stage.fail(5, first=5 * second)
        stage.run(1)
    stage.run(10)
    assert stage.states() == {"planned": 600}
    sent = sorted(each.sent_at for each in all_dispatches(stage) if each.sent_at)
    assert all(len([one for one in sent if at <= one < at + MINUTE]) <= PER_MINUTE for at in sent)
    assert len(sent) <= 3 * PER_MINUTE


def test_incidents_that_recover_at_once_have_no_turn_to_wait_for() -> None:
    """Lone failures that come one after the other and recover are no storm: each is asked about at once."""
    stage = Stage(RULE)
    for number in range(3 * PER_MINUTE):
        stage.fail(1, first=number)
        stage.run(0.75)
        stage.scene.release()
        stage.scene.later(1)
        stage.scene.answer(stage.scene.release())
    assert stage.states() == {"recovered": 3 * PER_MINUTE}
    opened = [payload for trigger, payload, _ in stage.workflows.dispatched if trigger == "redrive.incident_opened"]
    assert [payload["stands_for"] for payload in opened] == [1] * (3 * PER_MINUTE)


def test_other_tasks_and_other_dependencies_are_decided_on_their_own() -> None:
    """An answer for one task is none for another; a dependency has its own turns."""
    stage = Stage(RULE)
    stage.fail(30)
    stage.fail(30, task="app.other", first=100)
    stage.run(30)
    assert stage.states() == {"planned": 60}
    with stage.scene.ledger.reading() as tx:
        for each in stage.scene.all_incidents():
            for dispatch in tx.dispatches_of(each.id):
                assert dispatch.led_by is None or tx.incident(dispatch.led_by).task == each.task


def test_where_the_rule_is_off_each_incident_says_so_and_is_asked_once_it_is_on() -> None:
    """That no rule answered the one that was asked is told on those it stood for; the rule, once on, decides all."""
    stage = Stage(replace(RULE, enabled=False))
    stage.fail(50)
    stage.run(20)
    assert stage.states() == {"waiting": 50}
    assert all("rule redrive.retry is off" in each.note for each in stage.scene.all_incidents())
    stage.workflows.known = [RULE]
    watcher = RuleWatcher(stage.scene.ledger, stage.workflows, stage.scene.clock, None)
    assert watcher.run_once() == 50
    stage.run(60)
    assert stage.states() == {"planned": 50}
    assert len(stage.workflows.dispatched) <= 2 * PER_MINUTE


def test_where_the_leader_brought_no_plan_each_asks_for_itself() -> None:
    """A leader that is closed without an answer leaves the others to be asked about, in their turn."""
    stage = Stage(replace(RULE, status="failed"))
    stage.workflows.dispatch = MemoryWorkflows.dispatch.__get__(stage.workflows)
    stage.fail(12)
    stage.run(2)
    led = {str(each.id) for each in stage.scene.all_incidents() if stage.led(each.id)}
    assert len(led) == 12 - PER_MINUTE // 2
    stage.run(58)
    assert led & {tag for _, _, tag in stage.workflows.dispatched}
    assert stage.states() == {"waiting": 12}
    stage.workflows.known = [RULE]
    del stage.workflows.dispatch
    stage.run(120)
    assert stage.states() == {"planned": 12}


def test_while_stackstorm_is_away_no_more_than_a_turn_is_on_its_way() -> None:
    """Triggers that wait for StackStorm keep their turn: its return meets few of them, not all at once."""
    stage = Stage(RULE)
    stage.workflows.down = True
    stage.fail(60)
    stage.run(120, every=1)
    stage.workflows.down = False
    stage.run(90, every=1)
    assert stage.states() == {"planned": 60}
    assert len(stage.workflows.dispatched) <= PER_MINUTE


REFUSES = Refused("StackStorm", "POST answered 413")
FAILS = DependencyUnreachable("StackStorm", "POST answered 500")


def failing_for(stage: Stage, error: Exception, which: Callable[[int], bool]) -> set[str]:
    """Have StackStorm fail for the incidents whose place among those that were told of is such; gives their tags."""
    order: list[str] = []
    failing: set[str] = set()

    def fails(tag: str) -> Exception | None:
        if tag not in order:
            order.append(tag)
            failing.update([tag] if which(len(order)) else [])
        return error if tag in failing else None

    stage.workflows.fails = fails
    return failing


@pytest.mark.parametrize("refused", [1, 5])
def test_where_a_leader_is_refused_for_good_another_leads(refused: int) -> None:
    """Triggers that StackStorm refuses strand nobody: the next one leads, its answer is the refused ones' too, and
    each incident shows meanwhile why it waits.
    """
    stage = Stage(RULE)
    failing = failing_for(stage, REFUSES, lambda place: 0 <= place - PER_MINUTE // 2 < refused)
    stage.fail(100)
    stage.run(0.5, every=0.5)
    assert stage.states() == {"planned": 9, "waiting": 91}
    assert all("answered 413" in each.note for each in stage.scene.all_incidents() if each.plan is None)
    stage.run(90, every=0.5)
    assert len(failing) == refused
    assert stage.states() == {"planned": 100}
    assert all(each.state is DispatchState.ENDED for each in all_dispatches(stage))
    assert max(Counter(tag for _, tag in stage.workflows.tried).values()) == 1


def test_where_all_are_refused_each_says_so_and_the_cap_holds() -> None:
    """While StackStorm takes none, every incident shows why, no more than the cap are tried for the first time in a
    minute, none is tried more often than its distance allows, and a change of mind meets few.
    """
    stage = Stage(RULE)
    failing_for(stage, REFUSES, lambda _place: True)
    stage.fail(60)
    stage.run(180, every=0.5)
    assert stage.states() == {"waiting": 60}
    assert all("answered 413" in each.note for each in stage.scene.all_incidents())
    first = list({tag: at for at, tag in reversed(stage.workflows.tried)}.values())
    assert all(len([one for one in first if at <= one < at + MINUTE]) <= PER_MINUTE for at in first)
    assert max(Counter(tag for _, tag in stage.workflows.tried).values()) <= 12
    stage.workflows.fails = lambda _tag: None
    stage.run(60, every=0.5)
    assert stage.states() == {"planned": 60}
    assert len(stage.workflows.dispatched) <= PER_MINUTE


def test_where_a_leader_keeps_failing_another_leads() -> None:
    """An error that only its trigger meets is borne for a while; then those it stood for ask without it."""
    stage = Stage(RULE)
    failing = failing_for(stage, FAILS, lambda place: place == PER_MINUTE // 2)
    stage.fail(100)
    stage.run(5)
    assert stage.states() == {"planned": 9, "waiting": 91}
    assert all("answered 500" in each.note for each in stage.scene.all_incidents() if each.plan is None)
    stage.run(120, every=1)
    assert stage.states() == {"planned": 99, "waiting": 1}
    (left,) = [each for each in stage.scene.all_incidents() if each.plan is None]
    assert {str(left.id)} == failing
    stage.workflows.fails = lambda _tag: None
    stage.run(60)
    assert stage.states() == {"planned": 100}


def test_what_a_leader_in_trouble_stands_for_says_so() -> None:
    """While StackStorm is away, incidents that wait for another's trigger show why, as that one does."""
    stage = Stage(RULE)
    stage.workflows.down = True
    stage.fail(250)
    stage.run(2)
    assert stage.states() == {"waiting": 250}
    assert all("it was told to be down" in each.note for each in stage.scene.all_incidents())


def all_dispatches(stage: Stage) -> list[Any]:
    """Give every trigger of every incident."""
    with stage.scene.ledger.reading() as tx:
        return [each for one in stage.scene.all_incidents() for each in tx.dispatches_of(one.id)]


@pytest.mark.parametrize(
    ("ago", "wait", "leads"),
    [
        ([], 0, False),
        ([1] * 8, 0, False),
        ([1] * 9, 0, True),
        ([1] * 10, 5, True),
        ([6] * 10, 0, True),
        ([50] * 20, 10, True),
    ],
)
def test_a_turn(ago: list[float], wait: float, leads: bool) -> None:
    """Half at once, then one every six seconds, never more than twenty in a minute."""
    given = turn([NOON - timedelta(seconds=each) for each in ago], NOON, PER_MINUTE)
    assert (given.wait.total_seconds(), given.leads) == (wait, leads)
