"""What somebody orders the sample provider to suffer from, and what its log calls that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtests.faults import Fault, FaultKind
from loadtests.scenarios.scenario import FaultKind as Planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.apps.provider_state import Verdict

KINDS: Final = {
    "down": FaultKind.OUTAGE,
    "rate_limited": FaultKind.RATE_LIMITED,
    "slow": FaultKind.SLOW,
}
TROUBLES: Final[Mapping[FaultKind, str]] = {
    FaultKind.OUTAGE: Planned.PROVIDER_DOWN,
    FaultKind.RATE_LIMITED: Planned.PROVIDER_RATE_LIMITED,
    FaultKind.SLOW: Planned.PROVIDER_SLOW,
}


class OrderInvalid(ValueError):
    """An order that is none: says what was expected and what came."""


def order_of(body: Mapping[str, Any]) -> Fault | None:
    """Read {"state": "up", "down", "rate_limited" or "slow", "retry_after": seconds, "slow": seconds}, or {"up": bool}.

    Gives None for up; raises OrderInvalid.
    """
    state = body.get("state", "up" if body.get("up") else "down" if "up" in body else None)
    if state == "up":
        return None
    if state not in KINDS:
        raise OrderInvalid(f"state: expected one of up, {', '.join(KINDS)}, got {state!r}")
    return Fault(KINDS[state], retry_after=_seconds(body, "retry_after", 1.0), slow=_seconds(body, "slow", 0.5))


def _seconds(body: Mapping[str, Any], name: str, default: float) -> float:
    given = body.get(name, default)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < float("inf"):
        raise OrderInvalid(f"{name}: expected seconds, 0 or more, got {given!r}")
    return float(given)


def trouble_of(verdict: Verdict) -> str:
    """Name what held when a request was answered, as a scenario names it; '-' for nothing."""
    if verdict.fault is None:
        return "-"
    return TROUBLES.get(verdict.fault.kind, verdict.fault.kind)
