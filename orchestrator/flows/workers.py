"""Workers: their heartbeats come in, and how they are is told."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from eventbus.wire import WireError
from orchestrator.domain.workers import ENDED, Beat, Fate, fate, heard, read_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventbus.wire import Event
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.workers import Worker

LONGEST_NAME: Final = 255
MOST: Final = 2**31 - 1
MOST_BYTES: Final = 2**63 - 1
MOST_CHILDREN: Final = 10_000
LONGEST_DISTANCE: Final = 3_600.0
_MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Seen:
    """A boot of a worker, and what became of it."""

    worker: Worker
    fate: Fate


def beat_of(event: Event) -> Beat:
    """Read a `redrive.worker.seen.v1` event; raises WireError naming what is missing or malformed."""
    data = event.data
    try:
        return Beat(
            worker=_name(data["worker"]),
            boot=UUID(data["boot"]),
            host=_name(data["host"]),
            pid=_number(data["pid"], least=1),
            stopped={"running": False, "stopped": True}[data["state"]],
            children=tuple(_number(each, least=1) for each in data["children"][:MOST_CHILDREN]),
            in_flight=_number(data["in_flight"], least=0),
            every_seconds=_distance(data["every_seconds"]),
            sent_at=_moment(data["seen_at"]),
            spool_bytes=_number(data.get("spool_bytes", 0), least=0, most=MOST_BYTES),
        )
    except _MALFORMED as error:
        raise WireError(f"expected a redrive.worker.seen.v1 event, got one with a wrong field: {error!r}") from error


def note_worker(tx: LedgerTx, beat: Beat, now: datetime) -> None:
    """Take a heartbeat in; `now` is the orchestrator's own clock."""
    tx.save_worker(heard(tx.worker(beat.boot), beat, now))


def note_reading(tx: LedgerTx, now: datetime) -> None:
    """Note that the bus is read to its end now."""
    tx.save_bus_reading(read_on(tx.bus_reading(), now))


def all_workers(tx: LedgerTx, now: datetime, slack: float) -> list[Seen]:
    """List every boot that is known, by name, with what became of it."""
    reading = tx.bus_reading()
    return [
        Seen(each, fate(each, namesakes, reading, now, slack))
        for namesakes in by_name(tx.workers()).values()
        for each in namesakes
    ]


def count_workers(tx: LedgerTx, now: datetime, slack: float) -> Mapping[str, int]:
    """Count the boots that are known, by what became of them."""
    counted = Counter(str(each.fate) for each in all_workers(tx, now, slack))
    return {str(each): counted[each] for each in Fate}


def count_spooled(tx: LedgerTx, now: datetime, slack: float) -> int:
    """Count the bytes that wait for the bus on the disks of workers that are not known to be over.

    Workers of one host mostly share a folder and each tell all of it: of each host the largest counts.
    """
    hosts: dict[str, int] = {}
    for each in all_workers(tx, now, slack):
        if each.fate not in ENDED:
            beat = each.worker.beat
            hosts[beat.host] = max(hosts.get(beat.host, 0), beat.spool_bytes)
    return sum(hosts.values())


def by_name(workers: Sequence[Worker]) -> Mapping[str, list[Worker]]:
    """Put the boots of each name together."""
    named: defaultdict[str, list[Worker]] = defaultdict(list)
    for each in workers:
        named[each.beat.worker].append(each)
    return named


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or "\x00" in value:
        raise ValueError(f"expected a name of 1 to {LONGEST_NAME} characters, got {value!r}")
    return value


def _number(value: object, *, least: int, most: int = MOST) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"expected a number from {least}, got {value!r}")
    return value


def _distance(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value <= LONGEST_DISTANCE:
        raise ValueError(f"expected more than 0 and at most {LONGEST_DISTANCE} seconds, got {value!r}")
    return float(value)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with an offset from UTC, got {text!r}")
    return moment.astimezone(UTC)
