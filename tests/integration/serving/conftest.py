"""A desk whose runs take a moment and end as their scenario's name says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests.serving.run import State
from tests.integration.serving.desks import desk_in, ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadtests.serving.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk that is open; whatever still goes at the end is stopped."""
    made = desk_in(tmp_path)
    made.open()
    yield made
    for run in made.runs():
        if run.state is State.RUNNING:
            made.stop(run.record.id)
            ended(made, run.record.id)
    made.close()
