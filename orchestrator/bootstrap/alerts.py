"""Alerts as parts: the loop that has them climb, and a sink for each target, which tells people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.alert_settings.targets import AppriseTable, PagerDutyTable
from orchestrator.bootstrap.entries import SinkEntry
from orchestrator.bootstrap.supervisor import Loop
from orchestrator.domain.backoff import Backoff
from orchestrator.domain.replays import TELLING
from orchestrator.domain.subscriptions import Subscription
from orchestrator.flows.batches import Limits
from orchestrator.flows.escalating import Escalating
from orchestrator.notify.apprise import AppriseNotifier
from orchestrator.notify.bounded import BoundedNotifier
from orchestrator.notify.pagerduty import PagerDutyNotifier
from orchestrator.sinks.alerts import AlertSink, Link
from orchestrator.sinks.guarded import GuardedSink
from orchestrator.sinks.hearing import Heard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from threading import Event

    from orchestrator.alert_settings.tables import AlertsTable
    from orchestrator.alert_settings.targets import Target
    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.domain.ladders import Watch
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.notifying import Notifier
    from orchestrator.domain.quiet_hours import QuietHours

# A page goes at once; where nobody of a chain answers, again soon. A few together show which of them are over.
LIMITS: Final = Limits(events=10, linger=0.0, backoff=Backoff(base=0.5, cap=15.0))


def alert_sinks(table: AlertsTable) -> tuple[SinkEntry, ...]:
    """Make a sink for each target, with clients of its own; raises SettingsInvalid for a URL that names nothing."""
    heard, quiet = Heard(), table.watch().quiet
    return tuple(_entry(name, table, heard, quiet) for name in table.targets)


def _entry(name: str, table: AlertsTable, heard: Heard, quiet: Mapping[str, QuietHours]) -> SinkEntry:
    names = dict.fromkeys([name, *table.targets[name].fallback])
    chain = [Link(notifier(each, table.targets[each]), table.targets[each].tries) for each in names]
    sink = AlertSink(TELLING + name, name, chain, hearing=heard, quiet=quiet)
    return SinkEntry(GuardedSink(sink), Subscription(sink.types), LIMITS)


def notifier(name: str, table: Target) -> Notifier:
    """Make what tells one target, within its time-out; raises SettingsInvalid."""
    made: Notifier
    if isinstance(table, PagerDutyTable):
        made = PagerDutyNotifier(name, table.key, table.timeout_seconds, table.url.get_secret_value())
    elif isinstance(table, AppriseTable):
        made = AppriseNotifier(name, table.place, table.timeout_seconds)
    else:
        raise TypeError(f"expected a target of a known kind, got {table.kind}")
    return BoundedNotifier(made, table.timeout_seconds)


def alert_loops(  # noqa: PLR0913, PLR0917 - a loop is its work, its lead, and what wakes it
    watch: Watch,
    ledger: Ledger,
    lead: Leadership,
    clock: Callable[[], datetime],
    cost: Callable[[Sequence[str], datetime], Decimal | None],
    wake: Event,
) -> list[Loop]:
    """Make the loop that has alerts climb; none where the settings name no ladder."""
    if not watch.on:
        return []
    return [Loop("alerts", Escalating(ledger, watch, clock, cost).run_once, lead, wake)]
