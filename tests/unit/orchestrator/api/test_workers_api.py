"""What the API shows of workers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.events import Lane
from orchestrator.flows.workers import count_spooled, count_workers, note_reading
from tests.recovery import NOON, seen_event

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served


def read_bus(api: Served, *, for_seconds: int) -> None:
    """Let the bus be read without a break for a while."""
    for _ in range(0, for_seconds, 5):
        api.scene.later(5)
        with api.scene.ledger.transaction() as tx:
            note_reading(tx, api.scene.now)


def shown(api: Served, query: str = "") -> list[dict[str, Any]]:
    """Ask for the workers."""
    answer = api.ask("GET", f"/api/v1/workers{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["workers"])


def test_workers_are_shown_with_what_became_of_them(api: Served) -> None:
    """A worker that is heard runs, one that said so has stopped, one that fell silent is gone."""
    read_bus(api, for_seconds=5)
    api.scene.take_in(
        seen_event(api.scene.now, boot=2, worker="celery@b"), seen_event(api.scene.now, boot=3, worker="celery@c")
    )
    read_bus(api, for_seconds=60)
    stopped = seen_event(api.scene.now, boot=3, worker="celery@c", state="stopped")
    api.scene.take_in(seen_event(api.scene.now), stopped)
    found = shown(api)
    assert [(each["worker"], each["state"]) for each in found] == [
        ("celery@a", "running"),
        ("celery@b", "gone"),
        ("celery@c", "stopped"),
    ]
    assert (found[0]["children"], found[0]["in_flight"], found[0]["pid"]) == ([11, 12], 1, 10)
    assert [each["worker"] for each in shown(api, "?state=gone&state=stopped")] == ["celery@b", "celery@c"]
    with api.scene.ledger.transaction() as tx:
        counts = count_workers(tx, api.scene.now, 30)
    assert counts == {"running": 1, "unsure": 0, "stopped": 1, "replaced": 0, "gone": 1}


def test_what_waits_on_disks_is_added_up_by_host(api: Served) -> None:
    """Workers of a host tell the same folder: the largest of each host counts, and no ended one."""
    now = api.scene.now
    api.scene.take_in(
        seen_event(now, boot=1, host="a", spool_bytes=3 << 40),
        seen_event(now, boot=2, worker="celery@b", host="a", spool_bytes=2),
        seen_event(now, boot=3, worker="celery@c", host="c", spool_bytes=5),
        seen_event(now, boot=4, worker="celery@d", host="d"),
        seen_event(now, boot=5, worker="celery@e", host="e", state="stopped", spool_bytes=7),
    )
    with api.scene.ledger.transaction() as tx:
        assert count_spooled(tx, now, 30) == (3 << 40) + 5


def test_it_is_said_how_far_the_bus_was_read(api: Served) -> None:
    """Nothing at first, then since when and until when."""
    assert api.ask("GET", "/api/v1/workers").json() == {"workers": [], "bus_read": None}
    read_bus(api, for_seconds=10)
    reading = api.ask("GET", "/api/v1/workers").json()["bus_read"]
    assert reading["at"].startswith((NOON + timedelta(seconds=10)).isoformat()[:19])


@pytest.mark.parametrize(
    "changes",
    [
        {"worker": ""}, {"boot": "x"}, {"pid": 0}, {"pid": True}, {"state": "dying"}, {"children": [0]},
        {"children": None}, {"in_flight": -1}, {"every_seconds": 0}, {"every_seconds": 1e9}, {"seen_at": "now"},
        {"seen_at": "2025-11-20T12:00:00"}, {"worker": "a" * 256}, {"host": "\x00"}, {"pid": 2**31},
        {"spool_bytes": -1}, {"spool_bytes": 2**63}, {"spool_bytes": 1.5},
    ],
)  # fmt: skip
def test_a_malformed_heartbeat_is_kept_as_refused(api: Served, changes: dict[str, Any]) -> None:
    """A heartbeat with a wrong field is kept whole in the event log, and makes no worker."""
    api.scene.take_in(seen_event(NOON, **changes), seen_event(NOON, boot=2))
    assert [each["boot"][-1] for each in shown(api)] == ["2"]
    kept = [each.record.type for lane in Lane for each in api.scene.log.read(lane, 0, 10)]
    assert kept.count("redrive.message.refused.v1") == 1
