"""Whether the audit's chain holds: each entry follows the one before, and its end is where others have it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import orjson

from eventbus.wire import AUDIT_RECORDED
from orchestrator.domain.auditing import NO_HASH, SOURCE
from orchestrator.domain.routing import lane_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.domain.auditing import AuditEntry
    from orchestrator.domain.events import StoredEvent
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.ports import EventLog

# Entries that one transaction reads, and that one walk takes at most: a request has to answer in time.
PAGE: Final = 1_000
MOST: Final = 20_000
# Of the event log: events of the lane that one call looks at, and how many calls and bytes of entries at most.
LANE: Final = lane_of(AUDIT_RECORDED)
LOOKED_AT: Final = 10_000
MOST_PAGES: Final = 100
MOST_BYTES: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class Anchor:
    """An entry as somebody outside the ledger has it: its number and its hash, and who says so."""

    seq: int
    hash: str
    said_by: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry that does not fit, and why not."""

    seq: int
    id: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far the chain was walked: to which entry, and its hash; what it was compared with, and what is wrong.

    `exported` counts the entries of the event log that this walk has held it to, `place` is how far that came. One
    that is not `complete` goes on from there.
    """

    entries: int = 0
    hash: str = NO_HASH
    complete: bool = True
    compared_with: tuple[Anchor, ...] = ()
    exported: int = 0
    place: int = 0
    fault: Fault | None = None


def verify(
    ledger: Ledger, anchors: tuple[Anchor, ...] = (), start: Verdict | None = None, log: EventLog | None = None
) -> Verdict:
    """Walk the chain in pages, from its beginning or from where a walk has stopped, to its first fault, to its end, or
    over MOST entries. At its end hold it to what others have of it, and to every entry that the event log has.
    """
    found = start or Verdict()
    for _ in range(MOST // PAGE):
        with ledger.reading() as tx:
            page = tx.audit_from(found.entries, PAGE)
        if not page:
            held = _held_to(ledger, found, anchors)
            return held if held.fault or log is None else _held_to_log(ledger, held, log)
        for entry in page:
            why = _misfit(entry, found)
            if why:
                return replace(found, fault=Fault(entry.seq, str(entry.id), why))
            found = replace(found, entries=entry.seq, hash=entry.hash)
    return replace(found, complete=False)


def _misfit(entry: AuditEntry, sofar: Verdict) -> str | None:
    if entry.seq != sofar.entries + 1:
        return f"expected entry {sofar.entries + 1} here, got {entry.seq}: what was between is gone"
    if entry.hash != entry.expected_hash:
        return f"its content was changed: expected the hash {entry.hash}, got {entry.expected_hash}"
    if entry.former != sofar.hash:
        return f"it does not follow entry {sofar.entries}: expected former {sofar.hash}, got {entry.former}"
    return None


def _held_to(ledger: Ledger, found: Verdict, anchors: tuple[Anchor, ...]) -> Verdict:
    found = replace(found, compared_with=(*found.compared_with, *anchors))
    return replace(found, fault=_fault(ledger, found, anchors))


def _held_to_log(ledger: Ledger, found: Verdict, log: EventLog) -> Verdict:
    """Hold it to every entry that the log has of ours, from its beginning on: one that was written over is in it twice.

    The newest alone do not do: whoever takes the end away and goes on has soon as many new ones.
    """
    for _ in range(MOST_PAGES):
        stretch = log.stretch(LANE, found.place, LOOKED_AT, {AUDIT_RECORDED}, MOST_BYTES)
        if not stretch.number:
            return found
        exported = [each for event in stretch.events for each in _exported(event)]
        found = replace(found, exported=found.exported + len(exported), place=stretch.last)
        fault = _fault(ledger, found, exported)
        if fault:
            return replace(found, fault=fault)
        if found.exported >= MOST:
            break
    return replace(found, complete=False)


def _exported(event: StoredEvent) -> Iterator[Anchor]:
    """Give the entry that an event of the orchestrator tells; nobody else's word counts."""
    if event.record.source != SOURCE:
        return
    data = orjson.loads(event.record.body)["data"]
    if isinstance(data.get("seq"), int) and isinstance(data.get("hash"), str):
        yield Anchor(data["seq"], data["hash"], "the event log")


def _fault(ledger: Ledger, found: Verdict, anchors: Sequence[Anchor]) -> Fault | None:
    with ledger.reading() as tx:
        hashes = tx.audit_hashes([each.seq for each in anchors])
    for anchor in anchors:
        known = hashes.get(anchor.seq)
        if known is None:
            end = f"the chain ends at entry {found.entries}, and {anchor.said_by} has entry {anchor.seq}"
            return Fault(anchor.seq, None, f"{end}: its end is gone")
        if known != anchor.hash:
            why = f"{anchor.said_by} has it with the hash {anchor.hash}, the ledger with {known}: rewritten"
            return Fault(anchor.seq, _id(ledger, anchor.seq), why)
    return None


def _id(ledger: Ledger, seq: int) -> str | None:
    with ledger.reading() as tx:
        entry = tx.audit_entry(seq)
    return str(entry.id) if entry else None
