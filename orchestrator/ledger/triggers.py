"""Triggers on their way to StackStorm, and how StackStorm was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, func, or_, select, update

from orchestrator.domain.dispatches import TO_ASK_ABOUT, TO_SEND, Dispatch, DispatchState
from orchestrator.domain.incidents import DECIDING, Incident, IncidentState, Trigger
from orchestrator.domain.rules import Contact
from orchestrator.ledger.codec import contact_row, contact_value, dispatch_row, dispatch_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import dispatches, incidents, stackstorm

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

UNDECIDED: Final = (IncidentState.OPEN, IncidentState.WAITING)
ONLY: Final = 1


class DispatchRows(Rows):
    """The verbs on triggers."""

    def add_dispatch(self, dispatch: Dispatch) -> None:
        """Store a trigger to be sent; the same one again changes nothing."""
        self._insert_new(dispatches, dispatch_row(dispatch), forget=False)

    def save_dispatch(self, dispatch: Dispatch) -> None:
        """Store what came of a trigger."""
        self._update(dispatches, dispatch_row(dispatch))

    def due_dispatches(self, states: Iterable[DispatchState], now: datetime, limit: int) -> list[Dispatch]:
        """List the triggers in these states that are to be sent, or to be asked about, now; those that are due
        longest first, of these the least tried; those that tell of single failures behind all others.
        """
        query = select(dispatches).where(_in(states), dispatches.c.next_at <= now)
        order = (_of_one_failure(), dispatches.c.next_at, dispatches.c.tries, dispatches.c.created_at)
        return self._dispatches(query.order_by(*order).limit(limit))

    def dispatches_of(self, incident_id: UUID) -> list[Dispatch]:
        """List the triggers of an incident, oldest first."""
        query = select(dispatches).where(dispatches.c.incident_id == incident_id)
        return self._dispatches(query.order_by(dispatches.c.created_at))

    def dispatch(self, dispatch_id: UUID) -> Dispatch | None:
        """Look a trigger up by its id."""
        return next(iter(self._dispatches(select(dispatches).where(dispatches.c.id == dispatch_id))), None)

    def instances_of(self, incident_id: UUID, beside: UUID) -> set[str]:
        """Give the trigger instances that are known of an incident's triggers, `beside` one."""
        query = select(dispatches.c.trigger_instance_id).where(
            dispatches.c.incident_id == incident_id,
            dispatches.c.id != beside,
            dispatches.c.trigger_instance_id.is_not(None),
        )
        return set(self._plain.execute(query).scalars())

    def failures_told(self, signature: str, since: datetime, most: int) -> int:
        """Count the triggers of single failures with this signature that were queued since then, `most` at most."""
        told = self._kept.failures_told
        if told.get((signature, since), 0) >= most:
            return most
        # Nothing is due before it is queued: the index of what is due tells the late ones from all that there were.
        late = and_(_in(DispatchState), dispatches.c.next_at >= since, dispatches.c.created_at > since)
        query = select(dispatches.c.id).join(incidents, incidents.c.id == dispatches.c.incident_id)
        found = query.where(late, _of_one_failure(), incidents.c.signature == signature).limit(most)
        told[signature, since] = len(self._plain.execute(found).all())
        return told[signature, since]

    def sent_since(self, incident: Incident, since: datetime) -> list[datetime]:
        """Tell when deciding triggers of open incidents of the dependency went, oldest first, those on the way last;
        one that is still being sent and stands for no others any more counts as one that went when it gave them up.
        """
        on_its_way = and_(_in((DispatchState.SENDING,)), dispatches.c.sent_at.is_(None))
        gone = or_(dispatches.c.sent_at > since, on_its_way)
        query = select(func.coalesce(dispatches.c.sent_at, dispatches.c.next_at)).where(_deciding(), gone)
        joined = query.select_from(dispatches.join(incidents, incidents.c.id == dispatches.c.incident_id))
        open_ones = joined.where(_leans_on(incident), incidents.c.closed_at.is_(None))
        return sorted(self._reading.execute(open_ones).scalars())

    def put_off(self, incident: Incident, until: datetime, note: str) -> None:
        """Let the deciding triggers of the incident's dependency that are to be sent wait until then."""
        waiting = and_(_deciding(), _in((DispatchState.PENDING,)), dispatches.c.next_at < until)
        of_it = dispatches.c.incident_id.in_(select(incidents.c.id).where(_leans_on(incident)))
        self._reading.execute(update(dispatches).where(waiting, of_it).values(next_at=until, note=note))

    def collapse(self, leader: Incident) -> int:
        """Have an incident's trigger stand for all that wait to be sent for others like it; gives their number."""
        like_it = and_(_leans_on(leader), incidents.c.task == leader.task, incidents.c.kind == str(leader.kind))
        others = select(incidents.c.id).where(like_it, incidents.c.id != leader.id, incidents.c.closed_at.is_(None))
        waiting = and_(_deciding(), _in((DispatchState.PENDING,)), dispatches.c.incident_id.in_(others))
        collapsed = {"state": str(DispatchState.COLLAPSED), "led_by": leader.id}
        return self._reading.execute(update(dispatches).where(waiting).values(**collapsed)).rowcount

    def leaders(self) -> list[UUID]:
        """List the incidents whose triggers stand for others'."""
        query = select(dispatches.c.led_by).where(_in((DispatchState.COLLAPSED,))).distinct()
        return list(self._reading.execute(query).scalars())

    def collapsed(self, leader_id: UUID, limit: int) -> list[Dispatch]:
        """List the triggers that an incident's stands for, oldest first."""
        query = select(dispatches).where(dispatches.c.led_by == leader_id, _in((DispatchState.COLLAPSED,)))
        return self._dispatches(query.order_by(dispatches.c.created_at).limit(limit))

    def let_go(self, leader_id: UUID) -> int:
        """Have what an incident's trigger stands for wait to be sent by itself, as before; gives its number."""
        led = and_(dispatches.c.led_by == leader_id, _in((DispatchState.COLLAPSED,)))
        free = {"state": str(DispatchState.PENDING), "led_by": None}
        return self._reading.execute(update(dispatches).where(led).values(**free)).rowcount

    def untold(self, leader_id: UUID, note: str, limit: int) -> list[Dispatch]:
        """List the triggers that an incident's stands for, of undecided incidents that do not show this note."""
        led = and_(dispatches.c.led_by == leader_id, _in((DispatchState.COLLAPSED,)))
        other = or_(incidents.c.note.is_(None), incidents.c.note != note)
        return self._dispatches(_of_undecided().where(led, other).limit(limit))

    def unanswered(self, now: datetime, limit: int) -> list[Dispatch]:
        """List the deciding triggers that no rule answered, and that are to be asked about again now."""
        due = and_(_deciding(), _in((DispatchState.NO_RULE,)), dispatches.c.next_at <= now)
        return self._dispatches(_of_undecided().where(due).order_by(dispatches.c.next_at).limit(limit))

    def undecided(self, created_before: datetime, limit: int, after: Dispatch | None = None) -> list[Dispatch]:
        """List the deciding triggers without an answer of incidents that are open, oldest first, behind `after`."""
        old = and_(
            _deciding(),
            _in((*TO_SEND, *TO_ASK_ABOUT, DispatchState.COLLAPSED)),
            dispatches.c.created_at <= created_before,
        )
        query = _of_undecided().where(old)
        if after is not None:
            at, id_ = after.created_at, after.id
            same = and_(dispatches.c.created_at == at, dispatches.c.id > id_)
            query = query.where(or_(dispatches.c.created_at > at, same))
        return self._dispatches(query.order_by(dispatches.c.created_at, dispatches.c.id).limit(limit))

    def contact(self) -> Contact:
        """Tell how StackStorm was found, and what rules it had."""
        row = self._reading.execute(select(stackstorm)).one_or_none()
        return contact_value(row) if row else Contact()

    def save_contact(self, contact: Contact) -> None:
        """Note how StackStorm was found."""
        row = contact_row(contact) | {"id": ONLY}
        if not self._insert_new(stackstorm, row):
            self._update(stackstorm, row)

    def _dispatches(self, query: Select[tuple[object, ...]]) -> list[Dispatch]:
        return [dispatch_value(row) for row in self._reading.execute(query)]


def _in(states: Iterable[DispatchState]) -> ColumnElement[bool]:
    return dispatches.c.state.in_([str(state) for state in states])


def _deciding() -> ColumnElement[bool]:
    return dispatches.c.trigger.in_([str(trigger) for trigger in sorted(DECIDING)])


def _of_one_failure() -> ColumnElement[bool]:
    return dispatches.c.trigger == str(Trigger.TASK_FAILED)


def _leans_on(incident: Incident) -> ColumnElement[bool]:
    """Choose the incidents that share a dependency, or, without one, a task."""
    if incident.dependency:
        return incidents.c.dependency_key == incident.dependency
    return and_(incidents.c.dependency_key == "", incidents.c.task == incident.task)


def _of_undecided() -> Select[tuple[object, ...]]:
    open_ones = incidents.c.state.in_([str(state) for state in UNDECIDED])
    return select(dispatches).join(incidents, incidents.c.id == dispatches.c.incident_id).where(open_ones)
