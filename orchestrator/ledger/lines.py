"""Failures as lists show them: the columns that are read, and the values made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, null, or_

from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.searching import FailureLine, Why
from orchestrator.ledger.schema import failures
from orchestrator.ledger.selecting import DECLARED

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row

_AS_THEY_ARE: Final = (
    "id", "task_id", "task", "why", "reason", "incident_id", "queue", "organization", "occurred_at", "closed_at",
    "worker", "idempotent",
)  # fmt: skip
_OTHERS: Final = ("state", "kind", "arguments", "attempts", "attempts_before", "blocked", "exception")
_TABLE: Final = failures.c
# Of few messages it has to be known what was redacted, or whether retention has emptied them since.
_MESSAGE: Final = case(
    (or_(_TABLE.blocked == str(Why.REDACTED), _TABLE.purged_at.is_not(None)), _TABLE.message), else_=null()
)
LINE: Final[tuple[ColumnElement[Any], ...]] = (
    *(_TABLE[name] for name in (*_AS_THEY_ARE, *_OTHERS)),
    DECLARED.label("declared"),
    _MESSAGE.label("message"),
)


def line_value(row: Row[Any], dependency: str | None) -> FailureLine:
    """Make a failure's line of a row of LINE, and of the dependency that its declaration names."""
    message = row.message or {}
    return FailureLine(
        **{name: getattr(row, name) for name in _AS_THEY_ARE},
        state=FailureState(row.state),
        kind=Kind(row.kind),
        dependency=dependency,
        arguments=row.arguments or {},
        exception_type=row.exception["type"],
        exception_message=row.exception["message"],
        tries=row.attempts - row.attempts_before,
        blocked=str(Why.MISSING) if message.get("missing") else row.blocked,
        redacted=tuple(message.get("redacted", ())),
    )
