"""The other pools: what has no child to lose is captured there as in a prefork worker."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.integration.capture.cases import BY_NAME, Case, End, Group
from tests.integration.capture.stage import Seen, Stage
from tests.integration.capture.test_capture import captured_once
from tests.integration.capture.theatre import NEWEST, Cell, Theatre, bus

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
POOLS = ("threads", "solo", "gevent")
ON_RECEIPT = ("exception", "wrong_arguments", "unknown_task", "refused_type", "no_headers", "undecodable", "expired")


# A solo pool runs a task before Celery's loop comes to acknowledge it: the broker still holds every message.
IN_SOLO = replace(BY_NAME["worker_killed"], task="capture.waits_always", end=End.REDELIVERED)


def play(folder: Path, theatre: Theatre, pool: str, group: Group, cases: list[Case]) -> dict[str, Seen]:
    """Play some cases on Redis, in a worker with this pool."""
    with bus("redis", folder) as url:
        return Stage(folder, url, theatre.python(Cell("redis", NEWEST)), group, cases, pool=pool).play()


@pytest.mark.parametrize("pool", POOLS)
def test_capture_in_other_pools(theatre: Theatre, pool: str, tmp_path: Path) -> None:
    """What raises, and every message that never becomes a run, is captured once in each pool."""
    seen = play(tmp_path, theatre, pool, Group.LIVING, [BY_NAME[name] for name in ON_RECEIPT])
    for name in ON_RECEIPT:
        captured_once(seen[name])


@pytest.mark.parametrize("pool", POOLS)
def test_capture_killed_worker_with_another_pool(theatre: Theatre, pool: str, tmp_path: Path) -> None:
    """The next worker of the name finds in the journal what ran in threads, in greenlets or in the main process."""
    case = IN_SOLO if pool == "solo" else BY_NAME["worker_killed"]
    seen = play(tmp_path, theatre, pool, Group.KILLED, [case])
    captured_once(seen["worker_killed"])
