"""What the API's handlers need of the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.dependencies import Policies
from orchestrator.domain.ladders import Watch
from orchestrator.domain.routes.table import RouteTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Engine

    from orchestrator.domain.commands import Mode
    from orchestrator.domain.ledger import Ledger
    from orchestrator.flows.accepting import Accepting
    from orchestrator.flows.desk import Desk


@dataclass(frozen=True, slots=True)
class Api:
    """What the handlers need. Checks raise DependencyUnreachable.

    `tokens` are the API's, by the names of whom they stand for; without any, nobody is asked who they are.
    `worker_slack` is the seconds of silence that a worker is allowed beyond three heartbeats; `keys_known`: the
    redriver has keys that open sealed messages. `write_keys`: which source each key of a RudderStack SDK stands for.
    `watch` is who is told of what, `alert_targets` the names of those who may be.
    """

    ledger: Ledger
    warehouse: Engine
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    default_mode: Mode
    desk: Desk
    checks: Mapping[str, Callable[[], None]]
    sink_checks: Mapping[str, Callable[[], None]]
    metrics: Callable[[], bytes]
    taking_in: Accepting
    tokens: Mapping[str, str] = field(default_factory=dict)
    worker_slack: float = 30.0
    keys_known: bool = False
    policies: Policies = field(default_factory=Policies)
    routes: RouteTable = field(default_factory=RouteTable)
    write_keys: Mapping[str, str] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    alert_targets: frozenset[str] = frozenset()
