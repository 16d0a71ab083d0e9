"""Health: what is seen of dependencies goes into their evidence; a change of health is told to the world."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.dependencies import ITS_OWN, Dependency, Health
from orchestrator.domain.failures import Kind
from orchestrator.domain.health import Seen, aged, judged, seen
from orchestrator.flows.announcing import dependency_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from typing import Any

    from orchestrator.domain.classify import Verdict
    from orchestrator.domain.dependencies import Policies
    from orchestrator.domain.failures import Failure
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.moment import Moment
    from orchestrator.domain.probes import ProbeResult

Sighting = tuple[str, Seen]
# What failed so many half-lives ago says nothing of now.
STALE: Final = 2
# Between a run's end and the word of it.
ON_ITS_WAY: Final = 0.5
# Counts that are so many seconds older than their window speak of a time that is over.
LATE: Final = 5.0
# A month: what asks for more has slipped in its unit.
LONGEST_RETRY_AFTER: Final = 30 * 86_400.0


def known(tx: LedgerTx, name: str) -> Dependency:
    """Give what is known of a dependency; one of which nothing is known is healthy."""
    return tx.dependency(name) or Dependency(name)


def save(tx: LedgerTx, changed: Dependency, before: Dependency, now: datetime) -> None:
    """Store a dependency that has changed, and tell a change of its health."""
    if changed == before:
        return
    tx.save_dependency(changed)
    if changed.health is not before.health:
        tx.emit(dependency_changed(changed, before, now))


def note(tx: LedgerTx, sightings: Iterable[Sighting], policies: Policies) -> None:
    """Add what was seen of dependencies to their evidence, in its order; each is stored once."""
    found: dict[str, tuple[Dependency, Dependency, datetime]] = {}
    for name, what in sightings:
        before, now, _ = found.get(name) or (first := known(tx, name), first, what.at)
        found[name] = (before, seen(now, what, policies.of(name)), what.at)
    for before, after, at in found.values():
        save(tx, after, before, at)


def note_probe(tx: LedgerTx, name: str, result: ProbeResult, next_at: datetime, moment: Moment) -> None:
    """Add what a probe found, and say when the next one is due."""
    before = known(tx, name)
    retry_at = moment.at + timedelta(seconds=result.retry_after) if result.retry_after else None
    what = Seen(moment.at, succeeded=int(result.passed), failed=int(not result.passed), retry_at=retry_at)
    told = seen(before, what, moment.policies.of(name))
    save(tx, replace(told, probe_at=next_at, probe_note=result.why), before, moment.at)


def of_failure(failure: Failure, verdict: Verdict, now: datetime, policies: Policies) -> Sighting | None:
    """Give what a failed run tells of its dependency; None where it speaks of the task, or of a time long past.

    That nobody answers at all is not taken from words of a message alone: what a user typed may stand in it.
    """
    name, kind = failure.declaration.dependency, verdict.kind
    if name is None or kind not in ITS_OWN:
        return None
    retry_at = retry_at_of(failure, kind)
    if now - failure.occurred_at > timedelta(seconds=STALE * policies.of(name).half_life):
        return (name, Seen(now, retry_at=retry_at)) if retry_at and retry_at > now else None
    refused = kind is Kind.DEPENDENCY_DOWN and not verdict.by_words
    return name, Seen(now, failed=1, refused=refused, retry_at=retry_at)


def retry_at_of(failure: Failure, kind: Kind) -> datetime | None:
    """Tell until when the dependency asks to be left alone, if it said so; no ceiling but that of dates."""
    seconds = failure.exception.retry_after
    if kind not in ITS_OWN or seconds is None or not 0 < seconds <= LONGEST_RETRY_AFTER:
        return None
    return failure.occurred_at + timedelta(seconds=seconds)


def of_outcomes(
    data: Mapping[str, Any], told_at: datetime, now: datetime, dependency_of: Callable[[str, str | None], str | None]
) -> list[Sighting]:
    """Give what a worker's counts tell: the ordinary runs that went well. Failed ones tell of themselves, each by its
    event, and so do redrives and probes: counted here too they would be evidence twice, and live traffic of their own.

    Those `told_at` a time before `now` that is past their window tell nothing: they lay in a spool or in the queue, and
    what they saw may have ended. `dependency_of` names what a task leans on, from its name and what it declares.
    """
    window = float(data.get("window_seconds") or 0.0) + ON_ITS_WAY
    if (now - told_at).total_seconds() > window + LATE:
        return []
    counts = data.get("counts", ())
    wins = [(dependency_of(each["task"], each.get("dependency")), _ordinary(each)) for each in counts]
    return [(name, Seen(now, succeeded=count, live=True, window=window)) for name, count in wins if name and count]


def _ordinary(counts: Mapping[str, Any]) -> int:
    return int(counts.get("succeeded") or 0) - int(counts.get("redriven") or 0)


def settle(tx: LedgerTx, held: Iterable[str], now: datetime, policies: Policies) -> dict[str, Dependency]:
    """Judge all dependencies by what is left of their evidence; `held` names those that redrives wait for."""
    waiting, found = set(held), {}
    for before in tx.dependencies():
        after = before
        if before.health is not Health.HEALTHY:
            policy = policies.of(before.name)
            judged_now = judged(aged(before, now, policy), now, policy, held=before.name in waiting)
            after = judged_now if judged_now.health is not before.health else before
            save(tx, after, before, now)
        found[before.name] = after
    return found
