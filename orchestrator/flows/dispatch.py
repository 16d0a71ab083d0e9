"""Dispatch: triggers go to StackStorm, and what came of them comes back to the incident.

The only flow that calls StackStorm, and never inside a transaction of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.backoff import Backoff
from orchestrator.domain.dispatches import TO_ASK_ABOUT, TO_SEND, Dispatch, DispatchState
from orchestrator.domain.errors import NotFound, RedriveError, Refused, StaleEpoch
from orchestrator.domain.incidents import DECIDING
from orchestrator.domain.rules import named_off
from orchestrator.failpoints import hit
from orchestrator.flows.collapsing import admit, borne, spread, tell_led, turned_away
from orchestrator.flows.standing_in import NOTHING_HAPPENS, refusal
from orchestrator.flows.triggers import say_undecided, sent_again, withdraw_built_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import Workflows
    from orchestrator.domain.workflows import Execution, Firing

BATCH = 20
ASK_AGAIN = 0.25
LONGEST_ASK: Final = timedelta(seconds=5)
UNREACHABLE: Final = Backoff(base=ASK_AGAIN, cap=30.0)
AGAIN: Final = Backoff(base=2.0, cap=60.0)
MOST_TIMES: Final = 4
# After how many seconds a trigger that no rule answered is asked about again, of the first one, of the next, ...
NO_RULE_AGAIN: Final = Backoff(base=5.0, cap=3600.0)
PER_MINUTE: Final = 20
BY_HAND: Final = "release by hand (POST /recovery/retry) works meanwhile"
Then = Callable[["LedgerTx", Dispatch, "datetime"], Dispatch]


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Emits triggers, of one dependency at most `per_minute` that ask for a decision.

    A rule may take `rule_grace` seconds to fire before the incident says that none did. `sending` is told before a
    trigger is sent, `asking` before a question is asked, which it may hold up for a moment.
    """

    ledger: Ledger
    workflows: Workflows
    clock: Callable[[], datetime]
    rule_grace: float
    per_minute: int = PER_MINUTE
    sending: Callable[[], None] = lambda: None
    asking: Callable[[], object] = lambda: None

    def run_once(self) -> int:
        """Send what is due, and hear of what was sent; gives the number of triggers touched."""
        return self.send_due() + self.hear_of_sent()

    def send_due(self) -> int:
        """Send what is due; gives the number of triggers touched."""
        return self._handle_due(TO_SEND)

    def hear_of_sent(self) -> int:
        """Ask about what was sent, and share what was decided; gives the number of triggers touched."""
        return self._handle_due(TO_ASK_ABOUT) + self._spread()

    def _handle_due(self, states: Iterable[DispatchState]) -> int:
        with self.ledger.reading() as tx:
            due = tx.due_dispatches(states, self.clock(), BATCH)
        for dispatch in due:
            self._handle(dispatch)
        return len(due)

    def _spread(self) -> int:
        with self.ledger.reading() as tx:
            if not tx.leaders():
                return 0
        with self.ledger.transaction() as tx:
            return spread(tx, self.clock())

    def _handle(self, dispatch: Dispatch) -> None:
        try:
            _STEPS[dispatch.state](self, dispatch)
        except StaleEpoch:
            raise
        except RedriveError as error:
            self._postpone(dispatch, str(error))

    def send(self, dispatch: Dispatch) -> None:
        """Send a trigger once, in its turn: one that may have been sent before a crash is asked about first."""
        if dispatch.state is DispatchState.SENDING and self._firing(dispatch):
            self._sent(dispatch)
            return
        self.sending()
        going: Dispatch | None = dispatch
        if dispatch.state is DispatchState.PENDING:
            with self.ledger.transaction() as tx:
                going = admit(tx, dispatch, self.clock(), self.per_minute)
        if going is None:
            return
        try:
            self.workflows.dispatch(going.trigger, going.payload, going.trace_tag)
        except Refused as error:
            self._postpone(going, str(error), turned_away if going.trigger in DECIDING else borne)
            return
        hit("trigger_dispatched")
        self._sent(going)

    def _sent(self, dispatch: Dispatch) -> None:
        now = self.clock()
        soon = now + timedelta(seconds=ASK_AGAIN)
        self._save(replace(dispatch, state=DispatchState.SENT, sent_at=now, next_at=soon, note=None))

    def ask(self, dispatch: Dispatch) -> None:
        """Ask StackStorm which rule a trigger fired; after `rule_grace` without any, say so."""
        self.asking()
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
        elif (firing and firing.rules) or now < (dispatch.sent_at or now) + self._grace:
            self._save(replace(dispatch, next_at=self._asked_next(dispatch, now)))
        else:
            self._no_rule(replace(dispatch, trigger_instance_id=firing.trigger_instance_id if firing else None))

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self.rule_grace)

    def _asked_next(self, dispatch: Dispatch, now: datetime) -> datetime:
        """Ask at a distance that doubles, up to five seconds; and when the grace ends, where no rule came before."""
        sent_at = dispatch.sent_at or now
        later = now + min(max(now - sent_at, timedelta(seconds=ASK_AGAIN)), LONGEST_ASK)
        return min(later, sent_at + self._grace) if now < sent_at + self._grace else later

    def follow(self, dispatch: Dispatch) -> None:
        """Look at the executions until they have ended; where none has decided, the incident says so."""
        self.asking()
        now = self.clock()
        looked_up = [self._execution(each) for each in dispatch.execution_ids]
        executions = [each for each in looked_up if each]
        if not all(each.ended for each in executions):
            self._save(replace(dispatch, next_at=now + timedelta(seconds=1)))
            return
        told = next((each for each in executions if not each.succeeded), executions[0] if executions else None)
        with self.ledger.transaction() as tx:
            withdraw_built_in(tx, dispatch)
            if told:
                what = f"execution {told.id} of {told.action} {told.status} without a plan"
                look = "look at it in StackStorm, or release by hand (POST /recovery/retry)"
                say_undecided(tx, dispatch, f"{what}; {look}")
                if not told.succeeded:
                    self._again(tx, dispatch, told, now)
            tx.save_dispatch(replace(dispatch, state=DispatchState.ENDED))

    def _again(self, tx: LedgerTx, dispatch: Dispatch, died: Execution, now: datetime) -> None:
        """Emit a trigger again whose execution died before its work was done; at most MOST_TIMES in all."""
        incident = tx.incident(dispatch.incident_id)
        undecided = incident is not None and not incident.closed and incident.plan is None
        others = [each for each in tx.dispatches_of(dispatch.incident_id) if each.execution_ids]
        before = [each for each in others if (each.trigger, each.payload) == (dispatch.trigger, dispatch.payload)]
        if len(before) < MOST_TIMES and (died.interrupted or (undecided and dispatch.trigger in DECIDING)):
            later = now + timedelta(seconds=AGAIN.seconds(len(before), jitter=0))
            tx.add_dispatch(sent_again(dispatch, later, now))

    def _execution(self, execution_id: str) -> Execution | None:
        try:
            return self.workflows.execution(execution_id)
        except NotFound:
            return None  # StackStorm forgets executions after a while; what they decided is in the ledger

    def _firing(self, dispatch: Dispatch) -> Firing | None:
        """Find the trigger instance of this dispatch among those of its trace: one that no other dispatch has."""
        with self.ledger.reading() as tx:
            others = tx.instances_of(dispatch.incident_id, dispatch.id)
        for firing in self.workflows.firings(dispatch.trace_tag):
            if firing.trigger == dispatch.trigger and firing.trigger_instance_id not in others:
                return firing
        return None

    def _no_rule(self, dispatch: Dispatch) -> None:
        found = self.workflows.matching(self.workflows.rules(), dispatch.trigger, dispatch.payload)
        what = named_off(found.possible, dispatch.trigger)
        with self.ledger.transaction() as tx:
            withdraw_built_in(tx, dispatch)
            say_undecided(tx, dispatch, f"{what}: {NOTHING_HAPPENS}")
            told = tx.dispatches_of(dispatch.incident_id) if dispatch.trigger in DECIDING else []
            asked = [each for each in told if each.trigger == dispatch.trigger]
            before = sum(not each.execution_ids for each in asked if each.id != dispatch.id)
            later = self.clock() + timedelta(seconds=NO_RULE_AGAIN.seconds(before, jitter=0))
            tx.save_dispatch(replace(dispatch, state=DispatchState.NO_RULE, next_at=later, note=what))

    def _postpone(self, dispatch: Dispatch, why: str, then: Then = borne) -> None:
        now = self.clock()
        later = now + timedelta(seconds=UNREACHABLE.seconds(dispatch.tries, jitter=0))
        if dispatch.trigger in DECIDING and (dispatch.state is DispatchState.PENDING or then is turned_away):
            self._tell_led(dispatch, f"the trigger that stands for this one's: {why}; {BY_HAND}")
        with self.ledger.transaction() as tx:
            stored = tx.dispatch(dispatch.id) or dispatch
            tx.save_dispatch(then(tx, replace(stored, next_at=later, tries=dispatch.tries + 1, note=why), now))
            known = self._no_stand_in(tx, dispatch)
            say_undecided(tx, dispatch, f"{why}{known}; {BY_HAND}")

    def _tell_led(self, leader: Dispatch, note: str) -> None:
        """Say on what a trigger stands for why it does not go; once, for such reasons count seconds down."""
        told = 1
        while told:
            with self.ledger.transaction() as tx:
                told = tell_led(tx, leader.incident_id, note)

    def _no_stand_in(self, tx: LedgerTx, dispatch: Dispatch) -> str:
        incident = tx.incident(dispatch.incident_id)
        why = refusal(tx, self.workflows, incident, dispatch) if incident and dispatch.trigger in DECIDING else None
        return f"; no built-in plan: {why}" if why else ""

    def _save(self, dispatch: Dispatch) -> None:
        with self.ledger.transaction() as tx:
            tx.save_dispatch(dispatch)


_STEPS: Final[Mapping[DispatchState, Callable[[Dispatcher, Dispatch], None]]] = {
    DispatchState.PENDING: Dispatcher.send,
    DispatchState.SENDING: Dispatcher.send,
    DispatchState.SENT: Dispatcher.ask,
    DispatchState.FIRED: Dispatcher.follow,
}
