"""A Celery broker that is away shows: in the log once, on the release, and in readiness."""

from __future__ import annotations

from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from orchestrator.bootstrap.broker import WatchedRedriver
from orchestrator.bus import connecting
from orchestrator.bus.memory import MemoryRedriver
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.flows.publishing import BROKER_AWAY
from tests.recovery import failed_event, message
from tests.scene import GRACE, Scene

AWAY = DependencyUnreachable("the Celery broker", "refused")


def test_an_outage_and_its_end_are_said_once() -> None:
    """However many redrives meet it, one line tells of the outage and one of its end."""
    inner = MemoryRedriver(failing_with=AWAY)
    watched = WatchedRedriver(inner)
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(DependencyUnreachable):
                watched.publish(message(), uuid4(), None)
        inner.failing_with = None
        for _ in range(3):
            watched.publish(message(), uuid4(), None)
    assert [each["event"] for each in lines] == ["broker.unreachable", "broker.reached"]
    assert len(inner.published) == 3


def test_a_release_says_that_it_waits_for_the_broker() -> None:
    """While the broker is away the release has a note; the redrive goes once it answers, and the note with it."""
    scene = Scene()
    scene.take_in(failed_event(0))
    scene.plan()
    scene.redriver.failing_with = AWAY
    scene.release()
    scene.later(600)
    assert scene.release() == []
    assert [each.note for each in scene.releases] == [BROKER_AWAY]
    scene.redriver.failing_with = None
    scene.later(GRACE + 1)
    scene.reconciler.run_once()
    assert len(scene.redriver.published) == 1
    assert [each.note for each in scene.releases] == [None]


def test_readiness_names_the_broker() -> None:
    """What does not answer is called what it is."""
    with pytest.raises(DependencyUnreachable, match="the Celery broker cannot be reached"):
        connecting.ready("amqp://guest:guest@127.0.0.1:1//", "the Celery broker")
