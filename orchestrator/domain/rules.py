"""What is known of StackStorm and its rules, and whether the built-in plan may stand in for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.failures import Kind
from orchestrator.domain.plan import Gate, Pace, Plan, PlanName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from orchestrator.domain.incidents import Incident

# The workflow whose place the built-in plan may take; what any other would do, it cannot know.
STOOD_IN_FOR: Final = "redrive.retry"
SAFE_KINDS: Final = frozenset({Kind.TRANSIENT, Kind.RATE_LIMITED, Kind.DEPENDENCY_DOWN})
PACE: Final = Pace(in_flight=5)
GATE: Final = Gate(first_after=1, factor=2, max_distance=300, max_tries=100)
# An outage that nobody looked at for as long is two.
UNWATCHED: Final = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of StackStorm: the trigger it is for, its criteria, and the action that it starts when enabled."""

    ref: str
    trigger: str
    action: str
    enabled: bool
    criteria: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contact:
    """How StackStorm was found when it was last asked, and the rules it had when it last answered (None: never seen).

    `away_since` is when it was first found out of reach, with no answer since; `failed_at`, when last.
    """

    rules: tuple[Rule, ...] | None = None
    answered_at: datetime | None = None
    away_since: datetime | None = None
    failed_at: datetime | None = None

    def answered(self, rules: Sequence[Rule], now: datetime) -> Contact:
        """Note the rules that it has now."""
        return Contact(tuple(rules), now)

    def refused(self) -> Contact:
        """Note that it is there, and tells nothing."""
        return replace(self, away_since=None, failed_at=None)

    def failed(self, now: datetime) -> Contact:
        """Note that it cannot be reached; one outage goes on only while somebody looks."""
        watched = self.failed_at is not None and now - self.failed_at <= UNWATCHED
        return replace(self, away_since=self.away_since if watched else now, failed_at=now)

    def away_for(self, seconds: float, now: datetime) -> bool:
        """Tell whether it has been out of reach for as long, on end."""
        return self.away_since is not None and now - self.away_since >= timedelta(seconds=seconds)


def named_off(rules: Sequence[Rule], trigger: str) -> str:
    """Say which rules keep a trigger from being answered, of those that match: they are off, or there are none."""
    off = sorted(rule.ref for rule in rules if not rule.enabled)
    return f"rule {', '.join(off)} is off" if off else f"no rule matches {trigger}"


@dataclass(frozen=True, slots=True)
class Matching:
    """The rules, as last seen, for one trigger: those that match for sure, and those that may (a criterion of theirs
    cannot be read here).
    """

    sure: tuple[Rule, ...]
    possible: tuple[Rule, ...]


def why_not(incident: Incident, contact: Contact, matching: Matching, trigger: str) -> str | None:
    """Say why the built-in plan may not take the place of the rules for an incident; None where it may.

    It does what an enabled rule would have had done, and nothing else: not against a rule that is off, not in the place
    of another workflow, not before the rules were seen at all; and only what is safe to run twice.
    """
    if contact.rules is None:
        return "its rules were never seen"
    if incident.kind not in SAFE_KINDS:
        return f"failures of the kind {incident.kind} are not safe to retry"
    if not incident.idempotent:
        return f"task {incident.task} is not declared idempotent"
    if not any(rule.enabled for rule in matching.sure):
        return f"{named_off(matching.possible, trigger)}, as last seen"
    others = sorted({each.ref for each in matching.possible if each.enabled and each.action != STOOD_IN_FOR})
    return f"rule {', '.join(others)} starts another workflow than {STOOD_IN_FOR}" if others else None


def built_in(contact: Contact) -> Plan:
    """Make the plan that stands in for the workflow `retry` while StackStorm cannot be reached: slower than its own."""
    since = f" since {contact.away_since:%Y-%m-%d %H:%M:%S} UTC" if contact.away_since else ""
    reason = f"StackStorm cannot be reached{since}: the built-in plan stands in for its rules, until they answer"
    return Plan(PlanName.RETRY, reason, pace=PACE, gate=GATE, built_in=True)
