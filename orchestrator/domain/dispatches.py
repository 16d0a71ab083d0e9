"""Triggers on their way to StackStorm, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.incidents import Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


class DispatchState(StrEnum):
    """Where a trigger stands: to be sent, being sent (a crash here is asked about first), sent, answered by a rule, by
    an execution that has ended, or by no rule; or collapsed, which is not sent: another one stands for it.
    """

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FIRED = "fired"
    ENDED = "ended"
    NO_RULE = "no_rule"
    COLLAPSED = "collapsed"


TO_SEND: Final = (DispatchState.PENDING, DispatchState.SENDING)
TO_ASK_ABOUT: Final = (DispatchState.SENT, DispatchState.FIRED)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One trigger to be emitted, with its payload, and the rules and executions that answered it; `led_by` is the
    incident whose trigger stands for this one.
    """

    id: UUID
    incident_id: UUID
    trigger: str
    payload: Mapping[str, Any]
    state: DispatchState
    next_at: datetime
    created_at: datetime
    tries: int = 0
    sent_at: datetime | None = None
    trigger_instance_id: str | None = None
    rules: tuple[str, ...] = ()
    execution_ids: tuple[str, ...] = ()
    note: str | None = None
    led_by: UUID | None = None

    @property
    def trace_tag(self) -> str:
        """Give what StackStorm knows it by: its incident, or the one failure that it tells of."""
        told = self.payload.get("failure") or {} if self.trigger == Trigger.TASK_FAILED else {}
        return str(told.get("failure_id") or self.incident_id)
