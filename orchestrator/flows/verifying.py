"""Whether the audit's chain holds: each entry follows the one before, and its end is where others have it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.auditing import NO_HASH

if TYPE_CHECKING:
    from orchestrator.domain.auditing import AuditEntry
    from orchestrator.domain.ledger import Ledger

# Entries that one transaction reads, and that one walk takes at most: a request has to answer in time.
PAGE: Final = 1_000
MOST: Final = 20_000


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
    """How far the chain was walked: to which entry, and its hash; what its end was compared with, and what is wrong.

    One that is not `complete` goes on from there.
    """

    entries: int = 0
    hash: str = NO_HASH
    complete: bool = True
    compared_with: tuple[Anchor, ...] = ()
    fault: Fault | None = None


def verify(ledger: Ledger, anchors: tuple[Anchor, ...] = (), start: Verdict | None = None) -> Verdict:
    """Walk the chain in pages, from its beginning or from where a walk has stopped, to its first fault, to its end, or
    over MOST entries. At its end hold it to what others have of it.
    """
    found = start or Verdict()
    for _ in range(MOST // PAGE):
        with ledger.reading() as tx:
            page = tx.audit_from(found.entries, PAGE)
        if not page:
            return _held_to(ledger, found, anchors)
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
    for anchor in anchors:
        found = replace(found, compared_with=(*found.compared_with, anchor))
        with ledger.reading() as tx:
            entry = tx.audit_entry(anchor.seq)
        if entry is None:
            why = (
                f"the chain ends at entry {found.entries}, and {anchor.said_by} has entry {anchor.seq}: its end is gone"
            )
            return replace(found, fault=Fault(anchor.seq, None, why))
        if entry.hash != anchor.hash:
            why = f"{anchor.said_by} has it with the hash {anchor.hash}, the ledger with {entry.hash}: rewritten"
            return replace(found, fault=Fault(anchor.seq, str(entry.id), why))
    return found
