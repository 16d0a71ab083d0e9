"""Whether the bus answers, as /readyz asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.bus.connecting import ready
from orchestrator.dev.stack import free_port
from orchestrator.domain.errors import DependencyUnreachable

if TYPE_CHECKING:
    from pathlib import Path


def test_a_bus_that_is_there_is_ready(tmp_path: Path, rabbitmq: str) -> None:
    """The SQLite bus and RabbitMQ answer."""
    ready(f"redrive+sqlite:///{tmp_path / 'bus.sqlite'}")
    ready(rabbitmq)


def test_a_bus_that_is_away_says_so_soon() -> None:
    """A port where nobody listens is an error of ours, and no endless wait."""
    with pytest.raises(DependencyUnreachable, match="the bus cannot be reached"):
        ready(f"amqp://guest:guest@127.0.0.1:{free_port()}//")
