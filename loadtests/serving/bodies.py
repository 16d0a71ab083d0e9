"""What the service is asked and what it answers."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from loadtests.serving.run import Wanted

if TYPE_CHECKING:
    from loadtests.serving.desk import Run
    from loadtests.serving.run import Verdict

REPORTS: Final = {
    "report.html": "text/html; charset=utf-8",
    "report.json": "application/json",
    "report.md": "text/markdown; charset=utf-8",
    "junit.xml": "application/xml",
}
TIMEOUT_SECONDS: Final = 7_200.0
MOST_SECONDS: Final = 86_400.0
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class RunBody(BaseModel):
    """A run that is asked for. `timeout_seconds` is of the whole run, start and end included."""

    model_config = ConfigDict(extra="forbid")
    scenario: Name
    idempotency_key: str = Field(min_length=1, max_length=200)
    engines: Literal["embedded", "real"] | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    timeout_seconds: float = Field(TIMEOUT_SECONDS, ge=1, le=MOST_SECONDS)

    def wanted(self) -> Wanted:
        """Give it as a value."""
        return Wanted(self.scenario, self.idempotency_key, self.timeout_seconds, self.engines, self.seed)


class NightsQuery(BaseModel):
    """Which nights are asked about: planned daily at `at` in a time zone, of the last `days`."""

    model_config = ConfigDict(extra="forbid")
    scenario: Name = "nightly"
    at: time = time(2, 0)
    timezone: str = "UTC"
    grace_minutes: float = Field(60, ge=0, le=1_440)
    days: int = Field(7, ge=1, le=366)

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("expected a time zone such as Europe/Berlin, got one that is not known") from None
        return name


def listed(run: Run) -> dict[str, Any]:
    """Show a run in a list."""
    return _listed(run, run.verdict)


def _listed(run: Run, verdict: Verdict | None) -> dict[str, Any]:
    record, ending = run.record, run.record.ending
    return {
        "id": record.id,
        "scenario": record.wanted.scenario,
        "state": run.state,
        "verdict": verdict.outcome if verdict else None,
        "started_at": record.started_at.isoformat(),
        "ended_at": ending.at or None if ending else None,
    }


def shown(run: Run) -> dict[str, Any]:
    """Show a run whole: why its verdict is what it is, the gates that are not met, and where its reports are."""
    record, verdict, ending = run.record, run.verdict, run.record.ending
    wanted = record.wanted
    return _listed(run, verdict) | {
        "why": verdict.why if verdict else None,
        "gates": list(verdict.gates) if verdict else [],
        "exit_code": ending.exit_code if ending else None,
        "engines": wanted.engines,
        "seed": wanted.seed,
        "timeout_seconds": wanted.timeout_seconds,
        "idempotency_key": wanted.idempotency_key,
        "seconds": _seconds(run),
        "links": {
            name: f"/runs/{record.id}/{name}" for name in REPORTS if run.report and (run.report / name).is_file()
        },
    }


def _seconds(run: Run) -> float | None:
    """Tell for how long it ran, or runs; None where nobody knows."""
    ending = run.record.ending
    if ending and not ending.at:
        return None
    until = datetime.fromisoformat(ending.at) if ending else datetime.now(UTC)
    return round((until - run.record.started_at).total_seconds(), 1)
