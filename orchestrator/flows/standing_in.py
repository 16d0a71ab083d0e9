"""Standing in for the rules, while StackStorm cannot be reached; and hearing of rules, when it can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.errors import DependencyUnreachable, Refused, Unauthorised
from orchestrator.domain.incidents import DECIDING, incident_payload
from orchestrator.domain.rules import Contact, Matching, Rule, built_in, named_off, why_not
from orchestrator.flows.reading import first_failure
from orchestrator.flows.recovery import accept_plan
from orchestrator.flows.triggers import say_undecided, sent_again

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import Workflows

BATCH: Final = 200
# Seconds between two looks at the rules.
LOOK: Final = 15.0
NOTHING_HAPPENS: Final = "nothing happens by itself; enable it, or release by hand (POST /recovery/retry)"


@dataclass(frozen=True, slots=True)
class RuleWatcher:
    """Looks at StackStorm's rules again and again, remembers them, and acts on what changed.

    A rule that was off or missing and matches now is asked for the incidents that wait for one. While StackStorm has
    been out of reach for `builtin_after` seconds (None: never), the built-in plan stands in for rules that would act.
    """

    ledger: Ledger
    workflows: Workflows
    clock: Callable[[], datetime]
    builtin_after: float | None

    def run_once(self) -> int:
        """Look once; gives the number of incidents that were moved by it."""
        try:
            rules = [each for each in self.workflows.rules() if each.trigger in DECIDING]
        except (Refused, Unauthorised):
            self._note(lambda contact, _now: contact.refused())
            return 0
        except DependencyUnreachable:
            return self._stand_in(self._note(lambda contact, now: contact.failed(now)))
        self._note(lambda contact, now: contact.answered(rules, now))
        return self._ask_again(rules)

    def _note(self, change: Callable[[Contact, datetime], Contact]) -> Contact:
        with self.ledger.transaction() as tx:
            contact = change(tx.contact(), self.clock())
            tx.save_contact(contact)
            return contact

    def _ask_again(self, rules: Sequence[Rule]) -> int:
        now = self.clock()
        with self.ledger.reading() as tx:
            waiting = tx.unanswered(now, BATCH)
        moved = 0
        for dispatch in waiting:
            found = self.workflows.matching(rules, dispatch.trigger, dispatch.payload)
            with self.ledger.transaction() as tx:
                moved += ask_again(tx, dispatch, found, now)
        return moved

    def _stand_in(self, contact: Contact) -> int:
        now = self.clock()
        if self.builtin_after is None or not contact.away_for(self.builtin_after, now):
            return 0
        before, last, moved = now - timedelta(seconds=self.builtin_after), None, 0
        while page := self._page(before, last):
            with self.ledger.transaction() as tx:
                moved += sum(stand_in(tx, self.workflows, each, now) for each in page)
            last = page[-1]
        return moved

    def _page(self, before: datetime, last: Dispatch | None) -> list[Dispatch]:
        with self.ledger.reading() as tx:
            return tx.undecided(before, BATCH, last)


def ask_again(tx: LedgerTx, dispatch: Dispatch, found: Matching, now: datetime) -> bool:
    """Emit a trigger again that no rule answered, where a rule is there for it now; else say what is missing now."""
    incident = tx.incident(dispatch.incident_id)
    if incident is None or not _waits(incident, dispatch):
        tx.save_dispatch(replace(dispatch, state=DispatchState.ENDED))
        return False
    on = sorted(rule.ref for rule in found.possible if rule.enabled)
    what = f"rule {', '.join(on)} is on now, and asked" if on else named_off(found.possible, dispatch.trigger)
    if not on:
        say_undecided(tx, dispatch, f"{what}: {NOTHING_HAPPENS}")
        tx.save_dispatch(replace(dispatch, next_at=now + timedelta(seconds=LOOK), note=what))
        return False
    say_undecided(tx, dispatch, what)
    payload = incident_payload(incident, first_failure(tx, incident))
    tx.add_dispatch(replace(sent_again(dispatch, now, now), payload=payload))
    tx.save_dispatch(replace(dispatch, state=DispatchState.ENDED))
    return True


def stand_in(tx: LedgerTx, workflows: Workflows, dispatch: Dispatch, now: datetime) -> bool:
    """Give an incident the built-in plan, where that may take the place of the rules; tells whether it did."""
    incident = tx.incident(dispatch.incident_id)
    if incident is None or not _waits(incident, dispatch) or refusal(tx, workflows, incident, dispatch):
        return False
    accept_plan(tx, incident.id, built_in(tx.contact()), incident.revision, now)
    return True


def refusal(tx: LedgerTx, workflows: Workflows, incident: Incident, dispatch: Dispatch) -> str | None:
    """Say why the built-in plan would not act on an incident; None where it would."""
    contact = tx.contact()
    found = workflows.matching(contact.rules or (), dispatch.trigger, dispatch.payload)
    return why_not(incident, contact, found, dispatch.trigger)


def _waits(incident: Incident, dispatch: Dispatch) -> bool:
    return not incident.closed and incident.plan is None and dispatch.payload.get("revision") == incident.revision
