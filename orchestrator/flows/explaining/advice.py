"""What comes next for what waits, and the command that a person may type: what is in the way first."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Final

from orchestrator.domain.commands import Mode
from orchestrator.domain.dispatches import TO_ASK_ABOUT, TO_SEND
from orchestrator.domain.release import ENDED, Halt
from orchestrator.flows.explaining.decided import undecided
from orchestrator.flows.explaining.recoveries import meant, proposed_for
from orchestrator.flows.explaining.words import cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.release import Release
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.explaining.known import Known

BY_HAND: Final = "nothing happens by itself: a person has to decide"
BY_ITSELF: Final = "it goes by itself; nothing has to be done"


def advised(tx: LedgerTx, incident: Incident, known: Known, stored: StoredFailure | None) -> tuple[str, str]:
    """Say what comes next for a failure, or with None for all of an incident, and what a person may type."""
    return next(_advice(tx, incident, known, stored))


def _advice(tx: LedgerTx, incident: Incident, known: Known, stored: StoredFailure | None) -> Iterator[tuple[str, str]]:
    asked = asked_for(tx, stored)
    if (tx.mode() or known.default_mode) is not Mode.ACT:
        yield "nothing goes before the mode is act", "redrive mode act --reason WHY"
    yield from _holds(tx, incident)
    yield from _paused(tx, incident, asked, stored)
    if asked is None:
        yield from _undecided(tx, incident, stored)
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if dependency and dependency.unwell:
        text = f"a canary asks {cut(dependency.name, 60)} first; the rest goes by itself once that has come back"
        yield text, f"redrive dependencies {quote(dependency.name)}"
    yield BY_ITSELF, f"redrive incidents watch {incident.id}"


def _paused(
    tx: LedgerTx, incident: Incident, asked: Release | None, stored: StoredFailure | None
) -> Iterator[tuple[str, str]]:
    """Advise on what a recovery has taken and rests with: of an incident, whatever is its own goes on beside it."""
    releases = [asked] if asked else [] if stored else tx.releases_of(incident.id)
    for release in releases:
        if release.halted is Halt.PAUSED and not release.ended:
            what = "nothing goes before its recovery is resumed" if stored else "what its recovery has taken rests"
            yield what, f"redrive recoveries resume {release.command_id} --reason WHY"


def _holds(tx: LedgerTx, incident: Incident) -> Iterator[tuple[str, str]]:
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    lifted = "nothing goes before the hold is lifted"
    if incident.held_by:
        yield lifted, f"redrive release --incident {incident.id} --reason WHY"
    if dependency and dependency.held_by:
        yield lifted, f"redrive release {quote(dependency.name)} --reason WHY"


def _undecided(tx: LedgerTx, incident: Incident, stored: StoredFailure | None) -> Iterator[tuple[str, str]]:
    """Advise on what neither a plan nor a command lets go."""
    for proposed in proposed_for(tx, incident):
        if meant(tx, proposed, stored):
            yield "nothing goes before somebody agrees", f"redrive approvals approve {proposed.id} --reason WHY"
    waits_for_person = incident.plan is None or not incident.plan.redrives
    by_hand = not stored.idempotent if stored else not incident.idempotent and not _asked_for_all(tx, incident)
    if waits_for_person or by_hand:
        what = f"--failure {stored.failure.id}" if stored else f"--incident {incident.id}"
        yield _who_decides(tx, incident), f"redrive retry {what} --reason WHY"


def _asked_for_all(tx: LedgerTx, incident: Incident) -> bool:
    """Tell whether a person's release of it goes on: what a rule may not redrive by itself goes by that."""
    return any(each.command_id and not each.ended for each in tx.releases_of(incident.id))


def _who_decides(tx: LedgerTx, incident: Incident) -> str:
    dispatch = undecided(tx.dispatches_of(incident.id))
    answers = dispatch is not None and dispatch.state in (*TO_SEND, *TO_ASK_ABOUT)
    if incident.plan is None and answers:
        return "a rule may still decide; a person can meanwhile"
    return BY_HAND


def asked_for(tx: LedgerTx, stored: StoredFailure | None) -> Release | None:
    """Give the release that a person asked for a failure, where it has not ended."""
    release = tx.release(stored.command_release_id) if stored and stored.command_release_id else None
    return release if release and release.state not in ENDED else None
