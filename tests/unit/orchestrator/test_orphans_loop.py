"""The loop that looks for orphans: its pace, its grace, and how an outage of the result backend shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from orchestrator.bootstrap.orphans import orphans_loop, results_of
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.failures import FailureState
from orchestrator.settings import Settings
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.bootstrap.supervisor import Loop

NEEDED = {
    "bus_url": "redrive+sqlite:////tmp/bus", "ledger_url": "sqlite://", "eventlog_url": "sqlite://",
    "warehouse_url": "sqlite://", "stackstorm_url": "http://127.0.0.1:1",
}  # fmt: skip


def loop(scene: Scene | None = None, **given: object) -> Loop:
    """Make the loop around a ledger, an empty one if none is given; it needs no lead here."""
    scene = scene or Scene()
    return orphans_loop(Settings(**NEEDED | given), scene.ledger, None, scene.intake.handle, scene.clock)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 120),
        ({"broker_url": "amqp://guest:guest@h//"}, 120),
        ({"broker_url": "redis://h/0"}, 3900),
        ({"broker_url": "rediss://h/0", "redelivery_grace": 9000}, 9000),
        ({"broker_url": "redis://h/0", "orphan_grace": 5}, 5),
    ],
)
def test_the_grace_outlasts_the_brokers_own_redelivery(given: dict[str, object], seconds: float) -> None:
    """On Redis a message comes again after its visibility time-out; a task is not lost before, unless one says so."""
    assert Settings(**NEEDED | given).lost_after == seconds


def test_an_outage_of_the_backend_is_said_once_and_stops_nothing() -> None:
    """Round after round the backend is away: one line, and the loop goes on at its pace."""
    looking = loop(result_backend_url="redis://:hunter2@127.0.0.1:1/0", orphan_every=7)
    with capture_logs() as lines:
        assert [looking.step() for _ in range(3)] == [7, 7, 7]
    assert [each["event"] for each in lines] == ["results.unreachable"]
    assert "hunter2" not in str(lines)


def test_an_outage_of_the_backend_does_not_stop_the_settling_of_redeliveries() -> None:
    """The backend is away for good: the loop itself ends the wait for a redelivery that never came."""
    scene = Scene()
    scene.take_in(failed_event(0, captured="worker_killed", redelivery=True))
    looking = loop(scene, result_backend_url="redis://127.0.0.1:1/0", redelivery_grace=60)
    looking.step()
    assert scene.failures[0].state is FailureState.REDELIVERY_PENDING
    scene.later(121)
    looking.step()
    assert scene.failures[0].state is FailureState.DEAD


def test_without_a_backend_that_is_said_once() -> None:
    """No backend: a line at the start, and rounds that find nothing."""
    with capture_logs() as lines:
        looking = loop()
        assert [looking.step() for _ in range(2)] == [30, 30]
    assert [each["event"] for each in lines] == ["results.unseen"]


def test_a_backend_that_cannot_be_read_is_a_wrong_setting() -> None:
    """It is refused at the start, without its password."""
    with pytest.raises(SettingsInvalid, match="REDRIVE_RESULT_BACKEND_URL") as raised:
        results_of(Settings(**NEEDED | {"result_backend_url": "mongodb://u:hunter2@h/x"}))
    assert "hunter2" not in str(raised.value)
