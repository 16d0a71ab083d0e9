"""Whether a message can be published again at all, and if not, why: read from the message alone, before any attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from eventbus.wire import thaw
from orchestrator.domain.errors import NotRedrivable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.domain.failures import TaskMessage


def refuse_not_redrivable(message: TaskMessage, *, keys_known: bool) -> None:
    """Raise NotRedrivable where `refusal_of` has a reason."""
    reason = refusal_of(message, keys_known=keys_known)
    if reason is not None:
        raise NotRedrivable(reason)


def refuse_expired(message: TaskMessage, now: datetime) -> None:
    """Raise NotRedrivable for a task that has expired."""
    reason = expired(message, now)
    if reason is not None:
        raise NotRedrivable(reason)


def expiry_of(headers: Mapping[str, Any]) -> datetime | None:
    """Give when a task expires, from Celery's own header; raises TypeError or ValueError where it is no time."""
    expires = thaw(headers.get("expires"))
    if expires is None:
        return None
    moment = expires if isinstance(expires, datetime) else datetime.fromisoformat(str(expires))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def expired(message: TaskMessage, now: datetime) -> str | None:
    """Say that a message has expired, which a worker would drop; None while it has not, or where nobody can tell."""
    moment = expires_at(message)  # one that nobody can read is told by whoever publishes it
    if moment is None or moment > now:
        return None
    return f"expected a task that may still run, got one that expired at {moment.isoformat()}; a worker would drop it"


def expires_at(message: TaskMessage) -> datetime | None:
    """Tell when a message expires, in UTC; None where it does not, or where nobody can tell."""
    if message.headers.get("expires") is None:
        return None
    try:
        moment = expiry_of(message.headers)
        return moment.astimezone(UTC) if moment else None
    except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        return None


def blocked(message: TaskMessage) -> str | None:
    """Name what keeps a message from being redriven, in one word, whatever the settings of this orchestrator are.

    `missing` and `redacted` always do; `sealed` does where there are no keys, as `refusal_of` has it.
    """
    if message.missing:
        return "missing"
    if message.redacted and not message.resolvable:
        return "redacted"
    return "sealed" if message.sealed is not None else None


def refusal_of(message: TaskMessage, *, keys_known: bool) -> str | None:
    """Say why a message can never be redriven as things are; None when it may be tried.

    `keys_known`: this orchestrator has keys that open sealed messages; whether they open this one shows later.
    """
    return refusal(blocked(message), message.redacted, keys_known=keys_known)


def refusal(barred: str | None, redacted: Sequence[str], *, keys_known: bool) -> str | None:
    """Say the same of a message of which no more is known than what `blocked` says, and what was redacted."""
    if barred == "missing":
        return (
            "expected a message that is known, got one that never reached Redrive; "
            "send the task again yourself, or discard the failure"
        )
    if barred == "redacted":
        return (
            f"expected a message that is whole, got one without {', '.join(redacted)}, which were redacted "
            "before they left the worker; name a resolver, install(app, resolver=...), or send the task again yourself"
        )
    if barred == "sealed" and not keys_known:
        return (
            "expected the key that opens a sealed message, got none; "
            "set REDRIVE_MESSAGE_KEYS (or REDRIVE_MESSAGE_KEYS_FILE) for this orchestrator"
        )
    return None
