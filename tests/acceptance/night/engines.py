"""What a night may run on: files, or the servers that a production has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.dev.stack import Engines

if TYPE_CHECKING:
    import pytest

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
SERVERS: Final = "postgresql and rabbitmq"


def engines_of(name: str, request: pytest.FixtureRequest) -> Engines:
    """Give the engines by name; a server that is not there skips the test, or fails it in CI."""
    if name == SQLITE:
        return Engines()
    url: str = request.getfixturevalue("postgres")
    bus: str = request.getfixturevalue("rabbitmq") if name == SERVERS else ""
    return Engines(bus, ledger=url, eventlog=url, warehouse=url)
