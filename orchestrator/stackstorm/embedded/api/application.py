"""The application that the server serves: every route there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api.contents import ContentRoutes
from orchestrator.stackstorm.embedded.api.events import EventRoutes
from orchestrator.stackstorm.embedded.api.executions import ExecutionRoutes
from orchestrator.stackstorm.embedded.api.keys import KeyRoutes
from orchestrator.stackstorm.embedded.api.routes import Router

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.engine import Engine
    from orchestrator.stackstorm.embedded.runners.warm_processes import WarmProcesses
    from orchestrator.stackstorm.embedded.store import Store


def application(engine: Engine, library: Library, store: Store, processes: WarmProcesses, api_url: str) -> Router:
    """Make the application."""
    return Router(
        [
            *ContentRoutes(library, processes).routes(),
            *EventRoutes(engine, store).routes(),
            *ExecutionRoutes(engine, store, api_url).routes(),
            *KeyRoutes(store).routes(),
        ]
    )
