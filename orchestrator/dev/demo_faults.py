"""What became of the calls, for each kind of fault: counted from the record, held against what the fault file says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.dev.demo_record import Record

MALFORMED: Final = "malformed"
NONE: Final = "none"
LISTED: Final = 20
MOST_IDS: Final = 1_000

_ENDS: Final = """
SELECT count(*), coalesce(sum(state = 'SUCCESS'), 0), coalesce(sum(state = 'FAILURE'), 0),
  coalesce(sum(call IN (SELECT call FROM waiting)), 0)
FROM results WHERE call {0}
"""
_WRONG: Final = """
SELECT call, state FROM results LEFT JOIN plan.planned USING (call)
WHERE state != CASE WHEN kind = 'malformed' THEN 'FAILURE' ELSE 'SUCCESS' END ORDER BY call LIMIT ?
"""
_UNLIKE: Final = "SELECT count(*) FROM (SELECT {0} FROM {1} EXCEPT SELECT {2} FROM {3})"


@dataclass(frozen=True, slots=True)
class FaultCounts:
    """One kind of fault: requests it hit, calls it hit, and how many of those ended how."""

    kind: str
    requests: int
    calls: int
    succeeded: int
    failed: int
    waiting: int

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        return asdict(self)


def by_kind(record: Record, kinds: Sequence[str]) -> list[FaultCounts]:
    """Count for each kind; a call that met two is in both. The last entry is of the calls that met none."""
    return [*(_of_kind(record, kind) for kind in kinds), _untouched(record)]


def _of_kind(record: Record, kind: str) -> FaultCounts:
    hits = int(record.number("SELECT count(*) FROM requests WHERE kind = ?", kind))
    ends = record.rows(_ENDS.format("IN (SELECT call FROM met WHERE kind = ?)"), kind)[0]
    return FaultCounts(kind, hits, *ends)


def _untouched(record: Record) -> FaultCounts:
    return FaultCounts(NONE, 0, *record.rows(_ENDS.format("NOT IN (SELECT call FROM met)"))[0])


def wrong(record: Record) -> list[dict[str, Any]]:
    """List calls that did not end as the fault file says they can: malformed ones badly, all others well."""
    return [{"call": call, "state": state} for call, state in record.rows(_WRONG, LISTED)]


def malformed_wait(record: Record) -> bool:
    """Tell whether the calls that wait for a person are the malformed ones, all of them and no others."""
    wanted = "(SELECT call FROM plan.planned WHERE kind = 'malformed')"
    pairs = [("call", wanted, "call", "waiting"), ("call", "waiting", "call", wanted)]
    return not any(record.number(_UNLIKE.format(*pair)) for pair in pairs)


def costs(record: Record) -> dict[str, Any]:
    """Compare the answers that a client received whole with those the warehouse has a cost of.

    `unheard` are answers that the provider sent and nobody received: paid for, and in nobody's hands.
    """
    return {
        "received": int(record.number("SELECT count(*) FROM received")),
        "recorded": int(record.number("SELECT count(*) FROM costs")),
        "missing": int(record.number(_UNLIKE.format("answer", "received", "answer", "costs"))),
        "unknown": int(record.number(_UNLIKE.format("answer", "costs", "answer", "received"))),
        "unheard": int(record.number("SELECT count(*) FROM unheard")),
        "unheard_ids": [
            {"id": answer, "call": call, "fault": kind}
            for answer, call, kind in record.rows("SELECT * FROM unheard LIMIT ?", MOST_IDS)
        ],
    }
