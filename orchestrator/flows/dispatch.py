"""Dispatch: triggers go to StackStorm, and what came of them comes back to the incident.

The only flow that calls StackStorm, and never inside a transaction of the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.backoff import Backoff
from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.errors import NotFound, RedriveError, StaleEpoch
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import DECIDING, IncidentStep, after
from orchestrator.failpoints import hit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.ports import Workflows
    from orchestrator.domain.workflows import Execution, Firing

BATCH = 20
ASK_AGAIN = 0.25
UNREACHABLE: Final = Backoff(base=ASK_AGAIN, cap=30.0)
AGAIN: Final = Backoff(base=2.0, cap=60.0)
MOST_TIMES: Final = 4


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Emits triggers. A rule may take `rule_grace` seconds to fire before the incident says that none did."""

    ledger: Ledger
    workflows: Workflows
    clock: Callable[[], datetime]
    rule_grace: float

    def run_once(self) -> int:
        """Send what is due and ask about what was sent; gives the number of triggers touched."""
        with self.ledger.transaction() as tx:
            due = tx.due_dispatches(self.clock(), BATCH)
        for dispatch in due:
            self._handle(dispatch)
        return len(due)

    def _handle(self, dispatch: Dispatch) -> None:
        try:
            _STEPS[dispatch.state](self, dispatch)
        except StaleEpoch:
            raise
        except RedriveError as error:
            self._postpone(dispatch, str(error))

    def send(self, dispatch: Dispatch) -> None:
        """Send a trigger once: one that may have been sent before a crash is asked about first."""
        tag = str(dispatch.incident_id)
        if dispatch.state is DispatchState.SENDING and self._firing(dispatch):
            self._sent(dispatch)
            return
        self._save(replace(dispatch, state=DispatchState.SENDING))
        self.workflows.dispatch(dispatch.trigger, dispatch.payload, tag)
        hit("trigger_dispatched")
        self._sent(dispatch)

    def _sent(self, dispatch: Dispatch) -> None:
        now = self.clock()
        soon = now + timedelta(seconds=ASK_AGAIN)
        self._save(replace(dispatch, state=DispatchState.SENT, sent_at=now, next_at=soon, note=None))

    def ask(self, dispatch: Dispatch) -> None:
        """Ask StackStorm which rule a trigger fired; after `rule_grace` without any, say so."""
        now = self.clock()
        firing = self._firing(dispatch)
        if firing and firing.execution_ids:
            self._save(
                replace(
                    dispatch,
                    state=DispatchState.FIRED,
                    trigger_instance_id=firing.trigger_instance_id,
                    rules=firing.rules,
                    execution_ids=firing.execution_ids,
                    next_at=now + timedelta(seconds=ASK_AGAIN),
                )
            )
        elif (firing and firing.rules) or now - (dispatch.sent_at or now) < timedelta(seconds=self.rule_grace):
            self._save(replace(dispatch, next_at=now + timedelta(seconds=ASK_AGAIN)))
        else:
            self._no_rule(replace(dispatch, trigger_instance_id=firing.trigger_instance_id if firing else None))

    def follow(self, dispatch: Dispatch) -> None:
        """Look at the executions until they have ended; where none has decided, the incident says so."""
        now = self.clock()
        looked_up = [self._execution(each) for each in dispatch.execution_ids]
        executions = [each for each in looked_up if each]
        if not all(each.ended for each in executions):
            self._save(replace(dispatch, next_at=now + timedelta(seconds=1)))
            return
        told = next((each for each in executions if not each.succeeded), executions[0] if executions else None)
        if told:
            what = f"execution {told.id} of {told.action} {told.status} without a plan"
            self._say(dispatch, f"{what}; look at it in StackStorm, or release by hand (POST /recovery/retry)")
            if not told.succeeded:
                self._again(dispatch, told, now)
        # Last, so that a crash before it repeats what stands above.
        self._save(replace(dispatch, state=DispatchState.ENDED))

    def _again(self, dispatch: Dispatch, died: Execution, now: datetime) -> None:
        """Emit a trigger again whose execution died before its work was done; at most MOST_TIMES in all."""
        with self.ledger.transaction() as tx:
            incident = tx.incident(dispatch.incident_id)
            undecided = incident is not None and not incident.closed and incident.plan is None
            others = tx.dispatches_of(dispatch.incident_id)
            before = [each for each in others if (each.trigger, each.payload) == (dispatch.trigger, dispatch.payload)]
            if len(before) < MOST_TIMES and (died.interrupted or (undecided and dispatch.trigger in DECIDING)):
                tx.add_dispatch(sent_again(dispatch, len(before), now))

    def _execution(self, execution_id: str) -> Execution | None:
        try:
            return self.workflows.execution(execution_id)
        except NotFound:
            return None  # StackStorm forgets executions after a while; what they decided is in the ledger

    def _firing(self, dispatch: Dispatch) -> Firing | None:
        """Find the trigger instance of this dispatch among those of its incident: one that no other dispatch has."""
        with self.ledger.transaction() as tx:
            others = {
                each.trigger_instance_id for each in tx.dispatches_of(dispatch.incident_id) if each.id != dispatch.id
            }
        for firing in self.workflows.firings(str(dispatch.incident_id)):
            if firing.trigger == dispatch.trigger and firing.trigger_instance_id not in others:
                return firing
        return None

    def _no_rule(self, dispatch: Dispatch) -> None:
        off = self.workflows.rules_off(dispatch.trigger, dispatch.payload)
        what = f"rule {', '.join(off)} is off" if off else f"no rule matches {dispatch.trigger}"
        self._say(dispatch, f"{what}: nothing happens by itself; enable it, or release by hand (POST /recovery/retry)")
        self._save(replace(dispatch, state=DispatchState.NO_RULE, note=what))

    def _postpone(self, dispatch: Dispatch, why: str) -> None:
        later = self.clock() + timedelta(seconds=UNREACHABLE.seconds(dispatch.tries, jitter=0))
        tries = dispatch.tries + 1
        with self.ledger.transaction() as tx:
            stored = next((each for each in tx.dispatches_of(dispatch.incident_id) if each.id == dispatch.id), dispatch)
            tx.save_dispatch(replace(stored, next_at=later, tries=tries, note=why))
        self._say(dispatch, f"{why}; release by hand (POST /recovery/retry) works meanwhile")

    def _save(self, dispatch: Dispatch) -> None:
        with self.ledger.transaction() as tx:
            tx.save_dispatch(dispatch)

    def _say(self, dispatch: Dispatch, note: str) -> None:
        """Tell on the incident why nobody has decided, as long as nobody has."""
        if dispatch.trigger not in DECIDING:
            return
        with self.ledger.transaction() as tx:
            incident = tx.incident(dispatch.incident_id)
            if incident is None or incident.closed or incident.plan is not None:
                return
            tx.save_incident(replace(incident, state=after(incident.state, IncidentStep.WAIT), note=note))


def sent_again(dispatch: Dispatch, times: int, now: datetime) -> Dispatch:
    """Make the dispatch that follows one of `times` so far: the same payload, after a growing wait."""
    return Dispatch(
        id=derive("dispatch", dispatch.id, "again"),
        incident_id=dispatch.incident_id,
        trigger=dispatch.trigger,
        payload=dispatch.payload,
        state=DispatchState.PENDING,
        next_at=now + timedelta(seconds=AGAIN.seconds(times, jitter=0)),
        created_at=now,
    )


_STEPS: Final[Mapping[DispatchState, Callable[[Dispatcher, Dispatch], None]]] = {
    DispatchState.PENDING: Dispatcher.send,
    DispatchState.SENDING: Dispatcher.send,
    DispatchState.SENT: Dispatcher.ask,
    DispatchState.FIRED: Dispatcher.follow,
}
