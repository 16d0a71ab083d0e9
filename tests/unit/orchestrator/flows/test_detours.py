"""Detours: while the gate at home is shut failures go elsewhere, and home again once its canary has come back well."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.dependencies import Health, Policies, Policy
from orchestrator.domain.plan import Gate, Plan, PlanName, Route
from orchestrator.domain.release import ReleaseState
from orchestrator.domain.routes.constraints import Constraints
from orchestrator.domain.routes.reading import table_of
from orchestrator.domain.routes.targets import HOME
from tests.recovery import failed_event
from tests.scene import GRACE, Scene

if TYPE_CHECKING:
    from uuid import UUID

TABLE = table_of(
    [
        {
            "dependency": "model",
            "targets": [
                {"name": "eu", "queue": "eu", "dependency": "eu-model", "region": "eu"},
                {"name": "us", "queue": "us", "dependency": "us-model", "region": "us"},
                {"name": "same", "queue": "same"},
            ],
        }
    ]
)
BY_TABLE = Plan(PlanName.REROUTE, "so", Route(table=True), gate=Gate(first_after=1), execution_id="e-1")
WIDE: dict[str, Any] = {"first_window": 10_000, "max_in_flight": 10_000, "budget_burst": 10_000}


def scene_of(failures: int = 8, route: Route | None = None, *, probed: bool = True) -> Scene:
    """Give a scene whose dependency is down, with a plan by the table whose first gate is open."""
    scene = Scene(routes=TABLE, policies=Policies({"model": Policy(**WIDE, probed=probed)}, Policy(**WIDE)))
    scene.take_in(*(failed_event(number) for number in range(failures)))
    assert health(scene) is Health.DOWN
    scene.plan(replace(BY_TABLE, route=route or BY_TABLE.route))
    scene.release()
    scene.later(1)
    return scene


def health(scene: Scene, name: str = "model") -> Health:
    """Give the health of a dependency."""
    with scene.ledger.reading() as tx:
        return tx.dependency(name).health


def turned(scene: Scene, name: str, health_now: Health) -> None:
    """Let a dependency be found well or unwell by somebody else."""
    with scene.ledger.transaction() as tx:
        found = tx.dependency(name)
        passes = 9 if health_now is Health.RECOVERING else 0
        tx.save_dependency(replace(found, health=health_now, since=scene.now, passes=passes))


def went(scene: Scene, attempts: list[UUID]) -> Counter[str]:
    """Count where attempts went, by their decisions, which the letters must agree with."""
    told = [scene.attempt(each).decision for each in attempts]
    letters = scene.redriver.letters[len(scene.redriver.letters) - len(attempts) :]
    names = [each.chosen.name if each and each.chosen else "nowhere" for each in told]
    assert [each.routing_key for each in letters] == [name if name != HOME else "celery" for name in names]
    return Counter(names)


def test_a_canary_goes_elsewhere_first_and_the_others_follow() -> None:
    """One failure takes the detour alone; when it has come back well the rest goes the same way, and home gets none."""
    scene = scene_of()
    first = scene.release()
    assert went(scene, first) == {"eu": 1}
    assert scene.release() == []
    scene.answer(first)
    second = scene.release()
    assert went(scene, second) == {"eu": 7}
    scene.answer(second)
    scene.release()
    assert [str(each.state) for each in scene.failures] == ["recovered"] * 8
    assert scene.releases[-1].state is ReleaseState.SUCCEEDED
    assert health(scene) is Health.DOWN


def test_the_decision_is_stored_with_every_candidate() -> None:
    """Where it went, the rank of what was open, and why the others were refused."""
    (attempt,) = (scene := scene_of()).release()
    decision = scene.attempt(attempt).decision
    assert [(each.name, each.place, each.refused) for each in decision.candidates] == [
        (HOME, None, "model is down, and its gate is shut"),
        ("eu", 1, None),
        ("us", 2, None),
        ("same", None, "it leans on model as well"),
    ]


def test_home_again_once_its_canary_came_back_well() -> None:
    """When home lets through, one canary goes home, then the rest; the decision says home."""
    scene = scene_of()
    elsewhere = scene.release()
    turned(scene, "model", Health.RECOVERING)
    scene.later(1)
    canary = scene.release()
    assert went(scene, canary) == {HOME: 1}
    scene.answer(elsewhere)
    assert scene.release() == []
    scene.answer(canary)
    rest = scene.release()
    assert went(scene, rest) == {HOME: 6}
    decision = scene.attempt(rest[0]).decision
    assert [(each.name, each.place) for each in decision.candidates][:3] == [(HOME, 1), ("eu", 2), ("us", 3)]


def test_a_canary_at_home_fails_while_detours_go_on() -> None:
    """Without probes canaries go home at their distances; a failed one does not stop what goes well elsewhere."""
    scene = scene_of(probed=False)
    both = scene.release()
    assert went(scene, both) == {HOME: 1, "eu": 1}
    home, elsewhere = both
    scene.answer([elsewhere])
    scene.answer([home], "failed")
    assert health(scene) is Health.DOWN
    rest = scene.release()
    assert went(scene, rest)["eu"] == 7
    scene.answer(rest)
    assert scene.failures[0].attempts == 2
    assert {str(each.state) for each in scene.failures} == {"recovered"}


def test_a_detour_that_fails_closes_its_own_gate_and_not_home_s() -> None:
    """What failed there speaks of what it leaned on there; the failure goes to the next target, never back."""
    scene = scene_of(1 + 8)
    first = scene.release()
    scene.answer(first, "failed")
    with scene.ledger.reading() as tx:
        home, there = tx.dependency("model"), tx.dependency("eu-model")
    assert (home.failed, there.failed) == (9, 1)
    assert scene.release() == []
    with scene.ledger.transaction() as tx:
        tx.save_dependency(replace(there, health=Health.DOWN))
    scene.later(10)
    assert went(scene, scene.release()) == {"us": 1}


def test_a_failure_visits_each_target_once_and_is_then_held() -> None:
    """Two targets, both of which fail it: it was at both, goes to neither again, and the release says why."""
    scene = scene_of(5)
    scene.routes = replace(TABLE, rules=(replace(TABLE.rules[0], hop_limit=2),))
    seen: Counter[str] = Counter()
    for _ in range(40):
        sent = scene.release()
        seen += went(scene, sent)
        scene.answer(sent, "failed")
        turned(scene, "model", Health.DOWN)
        with scene.ledger.transaction() as tx:
            for name in ("eu-model", "us-model"):
                found = tx.dependency(name)
                if found:
                    tx.save_dependency(replace(found, health=Health.SUSPECT))
        scene.later(400)
    assert seen == {"eu": 5, "us": 5}
    assert {each.attempts for each in scene.failures} == {2}
    assert {str(each.state) for each in scene.failures} == {"held"}
    note = scene.releases[-1].note
    assert note.startswith("no route: home refused: model is down, and its gate is shut; eu refused: it failed there")


def test_where_no_route_is_open_it_is_held_and_says_why() -> None:
    """No attempt is counted; once a target is open again it goes, and the note is gone."""
    scene = scene_of(5, Route(table=True, constraints=Constraints(regions=("eu",))))
    with scene.ledger.transaction() as tx:
        tx.save_dependency(replace(tx.dependency("model"), name="eu-model"))
    assert scene.release() == []
    assert "eu refused: eu-model is down; us refused: region us is not allowed (eu)" in scene.releases[-1].note
    assert {(str(each.state), each.attempts) for each in scene.failures} == {("held", 0)}
    assert scene.incident.note is None
    turned(scene, "eu-model", Health.HEALTHY)
    assert scene.release() == []
    scene.later(1)
    assert went(scene, scene.release()) == {"eu": 1}
    assert scene.releases[-1].note is None


def test_what_does_not_pass_by_itself_is_told_to_a_person() -> None:
    """For what ran out of memory and has no larger class, the incident says what to change."""
    scene = Scene(routes=TABLE)
    scene.take_in(failed_event(0, captured="memory_error"))
    scene.plan(BY_TABLE)
    scene.release()
    scene.later(1)
    assert scene.release() == []
    assert scene.incident.note.startswith("no route: home refused: it ran out of memory or time there; eu refused")
    assert scene.incident.note.endswith("; change the routes or the plan")
    assert [each.attempts for each in scene.failures] == [0]


def test_a_detour_draws_on_the_budget_of_its_target() -> None:
    """A target whose budget is spent is closed, and home's budget pays for nothing that goes elsewhere."""
    scene = scene_of(6)
    scene.policies = Policies(
        {"model": Policy(**WIDE, probed=True), "eu-model": Policy(**WIDE | {"budget_burst": 3, "budget_rate": 0.001})},
        Policy(**WIDE),
    )
    scene.answer(scene.release())
    assert went(scene, scene.release())["eu"] >= 1
    with scene.ledger.reading() as tx:
        assert tx.dependency("model").tokens in (None, 10_000)
        assert tx.dependency("eu-model").tokens <= 2


def test_what_was_recorded_and_not_published_goes_where_its_decision_says() -> None:
    """A crash between recording and publishing: the attempt is published later, to the target that was decided on."""
    scene = scene_of()
    attempts = scene.release()
    with scene.ledger.transaction() as tx:
        tx.save_attempt(replace(tx.attempt(attempts[0]), state=AttemptState.RECORDED, published_at=None))
    scene.now += timedelta(seconds=GRACE + 1)
    scene.reconciler.run_once()
    assert scene.redriver.letters[-1].routing_key == "eu"


@pytest.mark.parametrize("kind", ["transient", "rate_limited"])
def test_one_that_asks_to_be_left_alone_is_not_waited_for(kind: str) -> None:
    """A Retry-After shuts the gate at home, healthy or not; the table has another way."""
    scene = Scene(routes=TABLE)
    facts = failed_event().data["exception"] | {"retry_after": 600}
    facts |= {"status": 429} if kind == "rate_limited" else {}
    scene.take_in(failed_event(exception=facts))
    assert str(scene.failures[0].kind) == kind
    scene.plan(BY_TABLE)
    scene.release()
    scene.later(1)
    assert went(scene, scene.release()) == {"eu": 1}
