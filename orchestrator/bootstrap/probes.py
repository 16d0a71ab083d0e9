"""Probes as a part: what the settings name is asked by the one orchestrator that leads them."""

from __future__ import annotations

import random
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from orchestrator.bootstrap.supervisor import Loop
from orchestrator.bus.redriver import BusRedriver
from orchestrator.dependency_settings.tables import probes_of
from orchestrator.flows.probing import Probing
from orchestrator.probes.probers import Probers
from orchestrator.probes.runs import ThreadedRuns
from orchestrator.probes.task import TaskProber

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.domain.dependencies import Policies
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.probes import ProbeEnd
    from orchestrator.settings import Settings


def probes_loops(
    settings: Settings, ledger: Ledger, lead: Leadership, policies: Policies, clock: Callable[[], datetime]
) -> list[Loop]:
    """Make the loop that probes; none where the settings name no probe."""
    specs = probes_of(settings.dependencies)
    if not specs:
        return []
    # A connection of its own: a canary that hangs at the broker must not hold up redrives.
    tasks, wake = TaskProber(BusRedriver(settings.redrive_url), partial(_end_of, ledger)), Event()
    probing = Probing(
        ledger, ThreadedRuns(Probers(tasks), wake.set), specs, policies, clock, random.random, settings.mode
    )
    return [Loop("probes", probing.run_once, lead, wake)]


def _end_of(ledger: Ledger, run_id: UUID) -> ProbeEnd | None:
    with ledger.reading() as tx:
        return tx.probe_end(run_id)
