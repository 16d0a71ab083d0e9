"""The circuits of the sinks, kept beside the log: a relay writes how its own stands, an operator what is forced."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from orchestrator.domain.circuits import CircuitState, Forced, Standing
from orchestrator.domain.events import Outcome
from orchestrator.eventlog.rows import storable
from orchestrator.eventlog.schema import STORE, circuits
from orchestrator.stores import insert_into, reachable, utc_now, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import RowMapping

# Who writes which columns of a row that is there already.
THE_RELAYS: Final = ("state", "trips", "reopen_at", "outcome", "reason", "at")
THE_OPERATORS: Final = ("forced", "forced_by", "forced_reason")


class SqlCircuits:
    """The circuits in the event log's database. Every method raises DependencyUnreachable when it does not answer."""

    def __init__(self, url: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._engine = STORE.open(url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def load(self, name: str) -> Standing | None:
        """Give how a circuit stood last, and what is forced; None for one that nobody has kept yet."""
        with reachable(STORE.name), self._engine.connect() as connection:
            row = connection.execute(select(circuits).where(circuits.c.name == name)).mappings().one_or_none()
            return None if row is None else _from_row(row)

    def list(self) -> Sequence[Standing]:
        """List every circuit that is kept, by name."""
        with reachable(STORE.name), self._engine.connect() as connection:
            rows = connection.execute(select(circuits).order_by(circuits.c.name)).mappings()
            return [_from_row(row) for row in rows]

    def save(self, standing: Standing) -> None:
        """Keep how a circuit stands; what an operator says of it stays as it is."""
        self._put(standing, THE_RELAYS)

    def force(self, name: str, state: CircuitState, by: str, reason: str) -> None:
        """Hold a circuit open or closed from now on, whatever its sink answers."""
        self._force(name, Forced(state, by, reason))

    def release(self, name: str) -> None:
        """Leave a circuit to itself again."""
        self._force(name, None)

    def _force(self, name: str, forced: Forced | None) -> None:
        self._put(Standing(name, CircuitState.CLOSED, self._clock(), forced=forced), THE_OPERATORS)

    def _put(self, standing: Standing, changed: Iterable[str]) -> None:
        """Write a row; of one that is there already, only the columns that are named."""
        with reachable(STORE.name), writing(self._engine) as connection:
            fresh = insert_into(circuits, connection.dialect).values(_to_row(standing))
            again = {name: fresh.excluded[name] for name in changed}
            connection.execute(fresh.on_conflict_do_update(index_elements=[circuits.c.name], set_=again))


class MemoryCircuits:
    """The circuits in a dictionary: for tests, and for reading what the port means."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._standings: dict[str, Standing] = {}
        self._lock = Lock()

    def load(self, name: str) -> Standing | None:
        """Give how a circuit stood last, and what is forced; None for one that nobody has kept yet."""
        return self._standings.get(name)

    def list(self) -> Sequence[Standing]:
        """List every circuit that is kept, by name."""
        with self._lock:
            return [self._standings[name] for name in sorted(self._standings)]

    def save(self, standing: Standing) -> None:
        """Keep how a circuit stands; what an operator says of it stays as it is."""
        with self._lock:
            known = self._standings.get(standing.name)
            self._standings[standing.name] = replace(standing, forced=known.forced if known else standing.forced)

    def force(self, name: str, state: CircuitState, by: str, reason: str) -> None:
        """Hold a circuit open or closed from now on, whatever its sink answers."""
        self._force(name, Forced(state, by, reason))

    def release(self, name: str) -> None:
        """Leave a circuit to itself again."""
        self._force(name, None)

    def _force(self, name: str, forced: Forced | None) -> None:
        with self._lock:
            known = self._standings.get(name, Standing(name, CircuitState.CLOSED, self._clock()))
            self._standings[name] = replace(known, forced=forced)

    def drop(self, names: Iterable[str]) -> None:
        """Keep nothing more of these circuits, since their sink is forgotten."""
        with self._lock:
            for name in names:
                self._standings.pop(name, None)


def _to_row(standing: Standing) -> Mapping[str, Any]:
    forced = standing.forced
    return {
        "name": standing.name,
        "state": standing.state.value,
        "trips": standing.trips,
        "reopen_at": standing.reopen_at,
        "outcome": standing.outcome.value if standing.outcome else None,
        "reason": storable(standing.reason),
        "forced": forced.state.value if forced else None,
        "forced_by": forced.by if forced else None,
        "forced_reason": forced.reason if forced else None,
        "at": standing.at,
    }


def _from_row(row: RowMapping) -> Standing:
    return Standing(
        name=row["name"],
        state=CircuitState(row["state"]),
        at=row["at"],
        trips=row["trips"],
        reopen_at=row["reopen_at"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        reason=row["reason"],
        forced=_forced(row),
    )


def _forced(row: RowMapping) -> Forced | None:
    if row["forced"] is None:
        return None
    return Forced(CircuitState(row["forced"]), row["forced_by"] or "", row["forced_reason"] or "")
