"""The application that the server serves: every route there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api.access import AccessRoutes
from orchestrator.stackstorm.embedded.api.actions import ActionRoutes
from orchestrator.stackstorm.embedded.api.aliases import AliasRoutes
from orchestrator.stackstorm.embedded.api.configs import ConfigRoutes
from orchestrator.stackstorm.embedded.api.contents import ContentRoutes
from orchestrator.stackstorm.embedded.api.events import EventRoutes
from orchestrator.stackstorm.embedded.api.executions import ExecutionRoutes
from orchestrator.stackstorm.embedded.api.inquiries import InquiryRoutes
from orchestrator.stackstorm.embedded.api.keys import KeyRoutes
from orchestrator.stackstorm.embedded.api.policies import PolicyRoutes
from orchestrator.stackstorm.embedded.api.routes import Router
from orchestrator.stackstorm.embedded.api.rules import RuleRoutes
from orchestrator.stackstorm.embedded.api.stubs import StubRoutes
from orchestrator.stackstorm.embedded.api.triggers import TriggerRoutes
from orchestrator.stackstorm.embedded.api.webhooks import WebhookRoutes
from orchestrator.stackstorm.embedded.api.workflows import WorkflowRoutes
from orchestrator.stackstorm.embedded.stubs import StubbedRunners

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.access import Access
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.datastore import Datastore
    from orchestrator.stackstorm.embedded.engine import Engine
    from orchestrator.stackstorm.embedded.runners.running import Runners
    from orchestrator.stackstorm.embedded.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes lean on."""

    engine: Engine
    library: Library
    store: Store
    keys: Datastore
    access: Access
    runners: Runners
    api_url: str


def application(parts: Parts) -> Router:
    """Make the application."""
    return Router(
        [
            *AccessRoutes(parts.access, parts.store).routes(),
            *ActionRoutes(parts.library).routes(),
            *AliasRoutes(parts.library, parts.engine.executing, parts.api_url).routes(),
            *ConfigRoutes(parts.library).routes(),
            *ContentRoutes(parts.library, parts.runners).routes(),
            *EventRoutes(parts.engine.triggering, parts.store).routes(),
            *PolicyRoutes(parts.library).routes(),
            *RuleRoutes(parts.library).routes(),
            *TriggerRoutes(parts.library, parts.engine.triggering).routes(),
            *WebhookRoutes(parts.engine.triggering).routes(),
            *ExecutionRoutes(parts.engine.executing, parts.store, parts.api_url).routes(),
            *InquiryRoutes(parts.engine.executing, parts.store).routes(),
            *KeyRoutes(parts.keys).routes(),
            *_for_tests(parts),
            *WorkflowRoutes(parts.library).routes(),
        ]
    )


def _for_tests(parts: Parts) -> list[Route]:
    return StubRoutes(parts.library, parts.runners).routes() if isinstance(parts.runners, StubbedRunners) else []
