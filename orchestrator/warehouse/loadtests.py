"""Load tests as rows of `loadtest_runs`: one for each run, with its main figures as columns and all of them as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.wire import LOADTEST_COMPLETED
from orchestrator.warehouse import values
from orchestrator.warehouse.identifiers import About

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.events import EventRecord

# Those that have a column each; every figure is in the column `figures`.
FIGURES: Final = (
    "overhead_p95_ms",
    "worker_overhead_p95_ms",
    "first_retry_success",
    "first_retry_recoverable",
    "events_lost",
    "cost_completeness",
    "error_rate",
    "api_p99_ms",
    "throughput_per_second",
)
_JSON: Final = ("gates", "figures", "control", "versions")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadtestRow(About):
    """One row of `loadtest_runs`; `gates`, `figures`, `control` and `versions` are JSON.

    `slower` and `missed` are names of figures, with a comma between them; NULL of a figure says that it was not
    measured.
    """

    id: UUID
    run_id: str
    scenario: str
    engines: str
    outcome: str
    exit_code: int
    machine: str
    commit_id: str | None
    dirty: bool | None
    sabotage: str | None
    report_url: str | None
    missed: str
    slower: str
    started_at: datetime | None
    ended_at: datetime | None
    seconds: float | None
    created_at: datetime
    gates: str
    figures: str
    control: str
    versions: str
    overhead_p95_ms: float | None = None
    worker_overhead_p95_ms: float | None = None
    first_retry_success: float | None = None
    first_retry_recoverable: float | None = None
    events_lost: float | None = None
    cost_completeness: float | None = None
    error_rate: float | None = None
    api_p99_ms: float | None = None
    throughput_per_second: float | None = None


_TEXTS: Final = ("sabotage", "report_url")
_NAMES: Final = ("run_id", "scenario", "engines", "outcome")


def loadtest_of(record: EventRecord, data: Mapping[str, Any], about: Mapping[str, Any]) -> LoadtestRow | None:
    """Make the row of a `redrive.loadtest.completed.v1` event; None for another event. Raises Unloadable."""
    if record.type != LOADTEST_COMPLETED:
        return None
    told: dict[str, Any] = {name: values.named(data, name) for name in _NAMES}
    told |= {name: values.text(data, name) for name in _TEXTS}
    told |= {name: orjson.dumps(data.get(name)).decode() for name in _JSON}
    return LoadtestRow(
        id=record.key,
        created_at=values.instant(record.time, "time"),
        exit_code=values.count(data, "exit_code"),
        machine=values.named(values.mapping(data, "machine"), "kind"),
        commit_id=values.text(data, "commit"),
        dirty=None if data.get("dirty") is None else values.flag(data, "dirty"),
        missed=",".join(_missed(data)),
        slower=",".join(values.names(data.get("slower", []), "slower")),
        started_at=values.moment(data, "started_at"),
        ended_at=values.moment(data, "ended_at"),
        seconds=values.seconds(data, "seconds"),
        **told,
        **_figures(values.mapping(data, "figures")),
        **about,
    )


def _missed(data: Mapping[str, Any]) -> list[str]:
    """Name the gates that were not met, those that could not be measured too."""
    gates = data.get("gates")
    if not isinstance(gates, list) or not all(isinstance(each, dict) for each in gates):
        raise values.Unloadable("gates", f"expected a list of objects in gates, got {type(gates).__name__}")
    return values.names([each.get("figure") for each in gates if each.get("met") is not True], "gates")


def _figures(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values.real(values.mapping(told, name), "value") for name in FIGURES if told.get(name) is not None}
