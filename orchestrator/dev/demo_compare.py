"""The comparison: how the same calls, under the same faults, fared with Redrive and with Celery's own retries.

Every figure is computed the same way for both, from what their provider, worker and result backend wrote down.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.dev.demo_record import Record

_FIRST_RETRIES: Final = """
SELECT count(*), coalesce(sum(outcome = 'succeeded'), 0)
FROM (SELECT outcome, row_number() OVER (PARTITION BY call ORDER BY rowid) AS number FROM runs) WHERE number = 2
"""
ROWS: Final = (
    ("ended_well", "tasks that ended well"),
    ("failure", "tasks in FAILURE"),
    ("first_retries", "first retries"),
    ("first_retries_succeeded", "  of them succeeded"),
    ("retries", "retries spent"),
    ("while_down", "requests while it was down"),
    ("seconds_to_empty", "provider back to all ended, s"),
)


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm in figures. `while_down` counts requests that met an outage.

    `seconds_to_empty` is from the end of the last outage that met a call until the last run of any call was over; None
    without an outage.
    """

    ended_well: int
    failure: int
    first_retries: int
    first_retries_succeeded: int
    retries: int
    while_down: int
    seconds_to_empty: float | None

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        return asdict(self)


def figures(record: Record, windows: Sequence[Mapping[str, Any]]) -> ArmFigures:
    """Compute the figures of one arm."""
    states = dict(record.rows("SELECT state, count(*) FROM results GROUP BY state"))
    first, succeeded = record.rows(_FIRST_RETRIES)[0]
    back = back_at(record, windows)
    last = record.number("SELECT max(at) FROM runs")
    return ArmFigures(
        ended_well=states.get("SUCCESS", 0),
        failure=states.get("FAILURE", 0),
        first_retries=first,
        first_retries_succeeded=succeeded,
        retries=int(record.number("SELECT count(*) - count(DISTINCT call) FROM runs")),
        while_down=int(record.number("SELECT count(*) FROM requests WHERE kind = 'outage'")),
        seconds_to_empty=None if back is None else round(max(0.0, last - back), 1),
    )


def outages(record: Record, windows: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Give begin and end of each outage by the clock that met a call, in seconds since the epoch."""
    began = clock_zero(record)
    spans = [(began + each["at"], began + each["at"] + each["seconds"]) for each in windows if each["kind"] == "outage"]
    met = "SELECT count(*) FROM requests WHERE kind = 'outage' AND at BETWEEN ? AND ?"
    return [span for span in spans if record.number(met, *span)]


def clock_zero(record: Record) -> float:
    """Give the time at which the provider's clock of faults began: its first request that was not malformed."""
    return record.number("SELECT min(at) FROM requests WHERE kind != 'malformed'")


def back_at(record: Record, windows: Sequence[Mapping[str, Any]]) -> float | None:
    """Give the time at which the provider came back from its last outage."""
    return max((end for _, end in outages(record, windows)), default=None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both arms. `order_seed` drew which ran first: `order`."""

    redrive: ArmFigures
    celery: ArmFigures
    order: Sequence[str]
    order_seed: int

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON-ready data; keys only ever get added."""
        return {
            "redrive": self.redrive.as_data(),
            "celery": self.celery.as_data(),
            "order": list(self.order),
            "order_seed": self.order_seed,
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """Give the table: what, with Redrive, with Celery alone."""
        ours, theirs = self.redrive.as_data(), self.celery.as_data()
        return [(label, _shown(ours[name]), _shown(theirs[name])) for name, label in ROWS]

    def as_text(self) -> list[str]:
        """Give the table as lines of at most 60 columns."""
        head = f"  {'':<31}{'Redrive':>11}{'Celery':>11}"
        lines = [f"  {label:<31}{ours:>11}{theirs:>11}" for label, ours, theirs in self.rows()]
        order = f"  ran first: {self.order[0]} (drawn with seed {self.order_seed})"
        return ["", "The same with Celery's autoretry_for, retry_backoff=True", head, *lines, order]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"
