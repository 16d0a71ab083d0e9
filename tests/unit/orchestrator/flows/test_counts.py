"""Counts: what workers count of ordinary runs is evidence once, and while it is new."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from eventbus.wire import TASK_OUTCOMES, Event
from orchestrator.flows.health import LATE, ON_ITS_WAY
from tests.recovery import SOURCE
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.domain.dependencies import Dependency

WINDOW = 2.0


def counts(scene: Scene, age: float = 0.0, source: str = SOURCE, event_id: str | None = None) -> Event:
    """Make the event of three ordinary runs that went well, told so many seconds ago."""
    data = {
        "window_seconds": WINDOW,
        "counts": [{"task": "app.call", "dependency": "model", "succeeded": 3, "failed": 0}],
    }
    return Event(event_id or str(uuid4()), source, TASK_OUTCOMES, scene.now - timedelta(seconds=age), data)


def known(scene: Scene) -> Dependency | None:
    """Give what is known of the dependency."""
    with scene.ledger.reading() as tx:
        return tx.dependency("model")


def test_counts_are_evidence_once() -> None:
    """An event that the bus delivers again, in the same message or after a restart, adds nothing."""
    scene = Scene()
    event = counts(scene, event_id="c1")
    scene.take_in(event, event)
    before = known(scene)
    assert before
    assert (before.successes, before.live) == (3, 3)
    Scene(ledger=scene.ledger, log=scene.log).take_in(event)
    assert known(scene) == before
    scene.take_in(counts(scene, source="urn:redrive:worker:other", event_id="c1"))
    after = known(scene)
    assert after
    assert after.live == 6


@pytest.mark.parametrize(("age", "live"), [(0, 3), (-3600, 3), (WINDOW + ON_ITS_WAY + LATE, 3), (3600, None)])
def test_counts_of_a_time_that_is_over_are_no_evidence(age: float, live: float | None) -> None:
    """What lay in a spool or in the queue is neither success nor live traffic; a clock that is ahead harms nothing."""
    scene = Scene()
    scene.take_in(counts(scene, age))
    found = known(scene)
    assert (found.live if found else None) == live


def test_counts_just_past_their_time_are_no_evidence() -> None:
    """The bound is that of the window, the way and a few seconds."""
    scene = Scene()
    scene.take_in(counts(scene, WINDOW + ON_ITS_WAY + LATE + 0.001))
    assert known(scene) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"counts": [{"dependency": "model", "succeeded": 3}]},
        {"counts": [{"task": "app.call", "dependency": "model", "succeeded": "many"}]},
        {"counts": [{"task": "app.call", "dependency": "m" * 201, "succeeded": 3}]},
        {"counts": [{"task": "app.call", "dependency": "model", "succeeded": -3}]},
        {"counts": ["app.call"]},
        {"counts": 7},
        {"window_seconds": "soon"},
        {"window_seconds": -1.0},
    ],
    ids=["no-task", "no-number", "long-name", "below-0", "no-mapping", "no-list", "no-time", "time-below-0"],
)
def test_counts_that_nobody_can_count_by_are_kept_whole_and_stop_nobody(wrong: dict[str, object]) -> None:
    """They are refused as an event of their own; what comes with them is evidence."""
    scene = Scene()
    good = counts(scene)
    scene.take_in(Event(str(uuid4()), SOURCE, TASK_OUTCOMES, scene.now, {**good.data, **wrong}), good)
    found = known(scene)
    assert found is not None
    assert found.successes == 3
