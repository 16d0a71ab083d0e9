"""Steering a recovery: what goes after a word of its person, on ramps that it shares, and what a kill leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from orchestrator.domain.commands import CommandKind, Mode
from orchestrator.domain.errors import Conflict, InvalidPlan, NotFound, Outdated
from orchestrator.domain.failures import FailureState
from orchestrator.domain.plan import Gate
from orchestrator.domain.recoveries import OVER, TRANSITIONS, Progress, RecoveryState, RecoveryStep
from orchestrator.domain.release import LARGEST_BATCH, ReleaseState
from orchestrator.domain.selection import Selection
from orchestrator.flows.bulk import commanding
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.bulk.steering import Steering, steer
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.plan import Pace
    from orchestrator.domain.recoveries import Recovery


def scene_of(failures: int) -> Scene:
    """Let so many tasks fail for one dependency."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(failures)))
    return scene


def ask(scene: Scene, pace: Pace | None = None, gate: Gate | None = None) -> UUID:
    """Ask for all of them."""
    request = RetryRequest("ann", "now", selection=Selection(task="*"), pace=pace, gate=gate)
    with scene.ledger.transaction() as tx:
        return command_retry(tx, request, uuid4(), scene.now).id


def say(scene: Scene, recovery_id: UUID, kind: CommandKind) -> Recovery:
    """Say a word."""
    with scene.ledger.transaction() as tx:
        return steer(tx, recovery_id, Steering(uuid4(), kind, "ann", "because", scene.now))


def progress(scene: Scene, recovery_id: UUID) -> Progress:
    """Give the progress."""
    with scene.ledger.reading() as tx:
        return tx.progress(recovery_id)


def test_the_table_of_steps_leads_out_of_every_state_but_the_ends() -> None:
    """Nothing leads out of what is over, and each other state can be aborted."""
    assert not {state for state, _ in TRANSITIONS} & OVER
    for state in set(RecoveryState) - OVER:
        assert TRANSITIONS[state, RecoveryStep.ABORT] is RecoveryState.ABORTED


def test_an_abort_stops_within_one_batch() -> None:
    """Of a recovery in full flight nothing goes after the word: what is out stays out, and the rest is given back."""
    scene = scene_of(3 * LARGEST_BATCH)
    recovery = ask(scene)
    scene.answer(scene.release())
    out = scene.release()
    say(scene, recovery, CommandKind.ABORT)
    found = progress(scene, recovery)
    assert (found.in_flight, found.given_back) == (len(out), 3 * LARGEST_BATCH - 1 - len(out))
    assert scene.release() == []
    scene.answer(out)
    assert scene.release() == []
    assert progress(scene, recovery).recovered == 1 + len(out)
    assert scene.releases[0].state is ReleaseState.ABORTED


@pytest.mark.parametrize("mode", [Mode.PAUSED, Mode.OBSERVE])
def test_what_an_aborted_recovery_had_out_can_be_asked_for_in_every_mode(mode: Mode) -> None:
    """Its canary fails while nothing moves: the failure is nobody's, and the next person gets it."""
    scene = scene_of(3)
    recovery = ask(scene)
    canary = scene.release()
    scene.mode = mode
    say(scene, recovery, CommandKind.ABORT)
    scene.answer(canary, "failed")
    scene.release()
    again = ask(scene)
    assert progress(scene, again).asked == 3
    assert progress(scene, recovery).asked == 3


@pytest.mark.parametrize("kind", [CommandKind.PAUSE, CommandKind.ABORT])
def test_steering_changes_what_others_decide_on(kind: CommandKind) -> None:
    """Whoever has read the incident before is told that its recovery was steered meanwhile."""
    scene = scene_of(2)
    recovery = ask(scene)
    seen = scene.incident.revision
    say(scene, recovery, kind)
    assert scene.incident.revision == seen + 1
    request = RetryRequest("bob", "now", incident_id=scene.incident.id, revision=seen)
    with scene.ledger.transaction() as tx, pytest.raises(Outdated):
        command_retry(tx, request, uuid4(), scene.now)


def statements_of(scene: Scene, step: Callable[[], object]) -> int:
    """Count the statements that a step sends to the ledger's database."""
    sent: list[str] = []
    engine = scene.ledger._engine
    event.listen(engine, "before_cursor_execute", note := lambda *told: sent.append(told[2]))
    step()
    event.remove(engine, "before_cursor_execute", note)
    return len(sent)


def test_an_incident_more_costs_a_recovery_two_statements_at_most() -> None:
    """Nobody else writes meanwhile: a claim, a pause and an abort of many incidents send hardly more than of few."""
    counts, sizes = [], (3, 30)
    for incidents in sizes:
        scene = Scene()
        scene.take_in(*(failed_event(number, task=f"app.call{number}") for number in range(incidents)))
        asked: list[UUID] = []
        steps: list[Callable[[], object]] = [lambda scene=scene, asked=asked: asked.append(ask(scene))]
        steps += [
            lambda scene=scene, asked=asked, kind=kind: say(scene, asked[0], kind)
            for kind in (CommandKind.PAUSE, CommandKind.ABORT)
        ]
        counts.append([statements_of(scene, step) for step in steps])
    few, many = counts
    assert max(more - less for more, less in zip(many, few, strict=True)) <= 2 * (sizes[1] - sizes[0])


def test_more_incidents_than_one_recovery_takes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is claimed, and the refusal says how to name fewer; a limit that keeps to them is taken."""
    monkeypatch.setattr(commanding, "MOST_INCIDENTS", 2)
    scene = Scene()
    scene.take_in(*(failed_event(number, task=f"app.call{number}") for number in range(3)))
    with pytest.raises(InvalidPlan, match="at most 2 incidents, got 3; narrow it"):
        ask(scene)
    request = RetryRequest("ann", "now", selection=Selection(task="*"), limit=2)
    with scene.ledger.transaction() as tx:
        recovery = command_retry(tx, request, uuid4(), scene.now)
        assert tx.progress(recovery.id).asked == 2


def test_what_was_given_back_goes_by_the_plan_of_its_incident() -> None:
    """An incident whose plan stands moves what a person let go of again, and the recovery counts none of it."""
    scene = scene_of(4)
    recovery = ask(scene)
    say(scene, recovery, CommandKind.ABORT)
    scene.plan()
    scene.release()
    scene.later(10)
    scene.answer(scene.release())
    scene.answer(scene.release())
    assert {each.state for each in scene.failures} == {FailureState.RECOVERED}
    assert progress(scene, recovery) == Progress(asked=4, given_back=4)


def test_what_rests_keeps_nobody_else_back() -> None:
    """Another recovery over the same ramp goes on while one rests; the one that rests uses up no tries."""
    scene = scene_of(2)
    first = ask(scene, gate=Gate(first_after=1, max_tries=1))
    say(scene, first, CommandKind.PAUSE)
    scene.take_in(failed_event(7))
    second = ask(scene)
    scene.later(1_000)
    (canary,) = scene.release()
    assert scene.attempt(canary).task_id == "t7"
    scene.answer([canary])
    scene.release()
    assert (progress(scene, first).waiting, progress(scene, second).recovered) == (2, 1)
    assert say(scene, first, CommandKind.RESUME).state is RecoveryState.RUNNING
    scene.answer(scene.release())
    scene.answer(scene.release())
    scene.release()
    assert progress(scene, first).recovered == 2


def test_what_failed_after_the_pause_is_neither_dead_nor_sent() -> None:
    """A canary that fails while its recovery rests, with its tries used up, waits for the word of its person."""
    scene = scene_of(2)
    recovery = ask(scene, gate=Gate(first_after=1, max_tries=1))
    canary = scene.release()
    say(scene, recovery, CommandKind.PAUSE)
    scene.answer(canary, "failed")
    scene.later(10_000)
    assert scene.release() == []
    assert progress(scene, recovery) == Progress(asked=2, waiting=2)


@pytest.mark.parametrize("kind", [CommandKind.PAUSE, CommandKind.RESUME, CommandKind.ABORT])
def test_what_is_over_is_steered_no_more(kind: CommandKind) -> None:
    """A recovery that is done takes no word, and one that nobody knows is not found."""
    scene = scene_of(1)
    recovery = ask(scene)
    scene.answer(scene.release())
    scene.release()
    with pytest.raises(Conflict, match="done"):
        say(scene, recovery, kind)
    with pytest.raises(NotFound):
        say(scene, uuid4(), kind)


def test_a_word_that_is_not_committed_changes_nothing() -> None:
    """A process that dies in the middle of an abort leaves the recovery as it was, and it goes on."""
    scene = scene_of(3)
    recovery = ask(scene)

    class Killed(BaseException):
        pass

    with pytest.raises(Killed), scene.ledger.transaction() as tx:  # noqa: PT012 - it dies before it commits
        steer(tx, recovery, Steering(uuid4(), CommandKind.ABORT, "ann", "because", scene.now))
        raise Killed
    assert progress(scene, recovery) == Progress(asked=3, waiting=3)
    assert len(scene.release()) == 1
