"""Several orchestrators on one database: whatever they do at once, each failure is moved once and none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from eventbus.wire import encode
from orchestrator.domain.errors import Conflict
from orchestrator.domain.plan import Pace
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.recovery import accept_plan
from orchestrator.ledger.schema import STORE
from orchestrator.ledger.sql import SqlLedger
from tests.recovery import NOON, RETRY, ended_event, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

KINDS = 5
FAILURES = 200


@pytest.fixture(params=["postgresql", "sqlite"])
def scenes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Scene]]:
    """Give four orchestrators that share a ledger and nothing else."""
    sqlite = f"sqlite:///{tmp_path}/ledger.sqlite"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    STORE.migrate(url)
    made = [Scene(SqlLedger.open(url)) for _ in range(4)]
    yield made
    for scene in made:
        scene.ledger.close()


def bodies() -> list[bytes]:
    """Make messages of ten failures each, of five kinds that take turns, so that incidents are met in any order."""
    events = [failed_event(number, task=f"app.call_{number * 7 % KINDS}") for number in range(FAILURES)]
    return [encode(events[start : start + 10]) for start in range(0, FAILURES, 10)]


def handle(job: tuple[Scene, list[bytes]]) -> None:
    """Take messages in, each as one batch."""
    scene, messages = job
    for body in messages:
        scene.intake.handle([body])


def test_the_same_messages_at_the_same_time_make_each_failure_once(scenes: list[Scene]) -> None:
    """Four intakes that get all messages, each in another order, record every failure once, in one incident a kind."""
    given = bodies()
    orders = [given, given[::-1], given[10:] + given[:10], given[::2] + given[1::2]]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(handle, zip(scenes, orders, strict=True)))
    found = scenes[0].incidents
    assert sorted(each.task for each in found) == [f"app.call_{kind}" for kind in range(KINDS)]
    assert sum(each.size for each in found) == FAILURES
    with scenes[0].ledger.transaction() as tx:
        assert tx.failure_counts() == {"held": FAILURES}
        assert sum(tx.open_failures(each.id) for each in found) == FAILURES


def test_releasers_without_a_lease_publish_each_failure_once(scenes: list[Scene]) -> None:
    """Four that release, and take in outcomes and new failures: every task runs once, every incident closes."""
    scenes[0].take_in(*(failed_event(number) for number in range(40)))
    scenes[0].plan(pace=Pace(7))
    published: list[UUID] = []
    # After every run reported here began, and before anybody's now, to which it is cut: else a slow one's report is of
    # a run that failed afterwards.
    ended_at = (NOON + timedelta(hours=1)).isoformat()
    begin = NOON + timedelta(hours=2)

    def work(scene: Scene) -> None:
        for number in range(30):
            scene.now = begin + timedelta(minutes=number)
            sent = scene.release()
            published.extend(sent)
            scene.take_in(*(ended_event(each, ended_at=ended_at) for each in sent), failed_event(100 + number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, scenes))
    for incident in scenes[0].incidents:  # one that closed in between left its newcomers to another
        if incident.plan is None:
            with scenes[0].ledger.transaction() as tx:
                accept_plan(tx, incident.id, RETRY, incident.revision, NOON)
    for _ in range(70):
        scenes[0].later(60)
        sent = scenes[0].release()
        published.extend(sent)
        scenes[0].answer(sent)
    assert len(published) == len(set(published)) == 70
    with scenes[0].ledger.transaction() as tx:
        assert tx.failure_counts() == {"recovered": 70}
        assert tx.first_retry().first_successes == 70
    assert {each.state for each in scenes[0].incidents} == {"recovered"}


def test_a_person_and_a_release_never_move_the_same_failure(scenes: list[Scene]) -> None:
    """A retry by hand while a release runs either gets the failure or is refused; it runs once."""
    scenes[0].take_in(*(failed_event(number) for number in range(30)))
    scenes[0].plan(pace=Pace(3))
    published: list[UUID] = []

    def ask(scene: Scene) -> int:
        taken = 0
        for number in range(30):
            try:
                with scene.ledger.transaction() as tx:
                    command_retry(tx, RetryRequest("ann", "now", task_id=f"t{number}"), uuid4(), NOON)
                taken += 1
            except Conflict:
                continue
        return taken

    def work(scene: Scene) -> None:
        for number in range(60):
            scene.now = scene.now.replace(minute=number)
            sent = scene.release()
            published.extend(sent)
            scene.answer(sent)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, scene) for scene in scenes[:2]]
        list(pool.map(work, scenes[2:]))
        assert sum(each.result() for each in asked) <= 30
    work(scenes[2])
    assert len(published) == len(set(published)) == 30
    with scenes[0].ledger.transaction() as tx:
        assert tx.failure_counts() == {"recovered": 30}
