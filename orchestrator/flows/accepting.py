"""Accepting: events that came over HTTP go the way that those of the bus go, and each of them is answered for.

An event is the same one whichever way it came: its key is made of its source and id. What this raises was accepted in
part at most, and may be sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from eventbus.wire import WireError
from orchestrator.domain.errors import LogFull, Unstorable
from orchestrator.failpoints import hit
from orchestrator.flows.intake import HEARD, check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventbus.wire import Event
    from orchestrator.domain.events import Appended, EventRecord
    from orchestrator.flows.intake import Intake

# So many events go into the log, and into the ledger, in one commit.
AT_ONCE: Final = 500


class Fate(StrEnum):
    """What became of an event at the door."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event at the door. `body`, where it is given, is its structured JSON, which is kept as it is."""

    event: Event
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one event: why it is not in the log, and in how many seconds there may be room for it."""

    fate: Fate
    why: str | None = None
    retry_after: float | None = None

    @property
    def kept(self) -> bool:
        """Tell whether the log holds it."""
        return self.fate in {Fate.ACCEPTED, Fate.DUPLICATE}


NEW: Final = Verdict(Fate.ACCEPTED)
KNOWN: Final = Verdict(Fate.DUPLICATE)
Records = dict[int, "EventRecord"]
Verdicts = dict[int, Verdict]


@dataclass(frozen=True, slots=True)
class Accepting:
    """Takes events in as `intake` does, many callers at once; one bad event keeps no other out."""

    intake: Intake

    def accept(self, arrivals: Sequence[Arrival]) -> list[Verdict]:
        """Store events durably and have the ledger hear of them; gives a verdict for each, in their order.

        Raises DependencyUnreachable when the log or the ledger does not answer.
        """
        verdicts: Verdicts = {}
        for numbers in _cut(range(len(arrivals))):
            records, refused = self._filed({number: arrivals[number] for number in numbers})
            verdicts |= refused | self._stored(records)
            hit("eventlog_committed")
            self._heard([arrivals[number].event for number in numbers if verdicts[number].kept])
            hit("ledger_committed")
        return [verdicts[number] for number in range(len(arrivals))]

    def _filed(self, arrivals: Mapping[int, Arrival]) -> tuple[Records, Verdicts]:
        records: Records = {}
        refused: Verdicts = {}
        for number, arrival in arrivals.items():
            try:
                records[number] = self._record(arrival)
            except (WireError, OverflowError) as error:
                refused[number] = Verdict(Fate.REFUSED, str(error))
            except RecursionError:
                refused[number] = Verdict(Fate.REFUSED, "expected data that is nested less deeply, got more levels")
        return records, refused

    def _record(self, arrival: Arrival) -> EventRecord:
        check(arrival.event)
        return self.intake.record(arrival.event, arrival.body)

    def _stored(self, records: Records) -> Verdicts:
        try:
            appended = self.intake.log.append(list(records.values()))
        except LogFull as full:
            return self._where_there_is_room(records, full)
        except Unstorable as error:
            if len(records) > 1:
                return self._apart([{number: record} for number, record in records.items()])
            return dict.fromkeys(records, Verdict(Fate.REFUSED, str(error)))
        return self._told_apart(records, appended)

    def _where_there_is_room(self, records: Records, full: LogFull) -> Verdicts:
        """Try each type alone: what is kept for failures is not for telemetry."""
        types = {record.type for record in records.values()}
        if len(types) == 1:
            return dict.fromkeys(records, Verdict(Fate.FULL, str(full), full.retry_after))
        return self._apart([{n: each for n, each in records.items() if each.type == one} for one in sorted(types)])

    def _apart(self, parts: Sequence[Records]) -> Verdicts:
        return {number: verdict for part in parts for number, verdict in self._stored(part).items()}

    def _told_apart(self, records: Records, appended: Appended) -> Verdicts:
        """Tell new ones from known ones: of what one commit wrote, the new ones have the highest numbers."""
        if not appended.duplicate or not appended.new:
            return dict.fromkeys(records, KNOWN if appended.duplicate else NEW)
        found = [self.intake.log.find(key) for key in {record.key for record in records.values()}]
        newest = sorted((each.seq, each.record.key) for each in found if each)[-appended.new :]
        fresh = {key for _, key in newest}
        verdicts: Verdicts = {}
        for number, record in records.items():
            verdicts[number] = NEW if record.key in fresh else KNOWN
            fresh.discard(record.key)
        return verdicts

    def _heard(self, events: Sequence[Event]) -> None:
        heard = [event for event in events if event.type in HEARD]
        if heard:
            self.intake.commit(heard, self.intake.clock())


def _cut(numbers: range) -> list[range]:
    return [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]
