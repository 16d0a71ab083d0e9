"""The sink of one target of alerts: it takes the events that name it, and goes to the next where it does not answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

import orjson
import structlog

from eventbus.wire import ALERT_CHANGED
from orchestrator.domain.alerts import Action
from orchestrator.domain.auditing import SOURCE
from orchestrator.domain.events import Deferred, Delivered, Refusal, Rejected
from orchestrator.domain.ladders import RANK
from orchestrator.domain.notifying import NotSent, Sent
from orchestrator.sinks.hearing import Heard
from orchestrator.sinks.notices import notice_of, over_by_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.domain.alerts import Notice
    from orchestrator.domain.events import Delivery, StoredEvent
    from orchestrator.domain.notifying import Notifier
    from orchestrator.domain.quiet_hours import QuietHours

log = structlog.get_logger("redrive.alerts")
# Seconds for which a target that failed is asked last.
REST: Final = 60.0
# A page that waited longer than this says so.
LATE: Final = timedelta(minutes=10)
# These end what a target may have open, so all that keep alerts hear them.
ENDING: Final = frozenset({Action.ACKNOWLEDGE, Action.RESOLVE})
# How often an end is handed over while some of those who are to hear it do not; how many alerts are known by heart.
MOST_TURNS: Final = 5
MOST_HEARD: Final = 1_000
# Characters of what another source calls itself.
LONGEST: Final = 100


@dataclass(slots=True)
class Link:
    """One target of a chain: how often it is tried, and until when it is left alone, which no restart keeps."""

    notifier: Notifier
    tries: int = 2
    resting_until: float = 0.0

    def tell(self, notice: Notice) -> Sent | NotSent:
        """Try it; one that is late is not tried again."""
        answer: Sent | NotSent = NotSent("not tried")
        for _ in range(self.tries):
            answer = self.notifier.notify(notice)
            if isinstance(answer, Sent) or answer.final or answer.late or answer.retry_after:
                break
        failed = isinstance(answer, NotSent) and not answer.final
        pause = max(REST, answer.retry_after or 0.0) if isinstance(answer, NotSent) else REST
        self.resting_until = monotonic() + pause if failed else 0.0
        return answer


@dataclass(slots=True)
class Telling:
    """Who has an event that is being told by now; after a restart they may hear it twice, under the same key."""

    told: set[str] = field(default_factory=set)
    turns: int = 0


@dataclass(slots=True)
class AlertSink:
    """Tells a target, else the next of its chain; one event after the other.

    It has an event once one of the chain has it. An end is for all that heard the beginning, and for those that keep
    alerts: they are tried a few times more, since no page may wait behind it for ever.
    """

    name: str
    target: str
    chain: Sequence[Link]
    types: frozenset[str] = frozenset({ALERT_CHANGED})
    hearing: Heard = field(default_factory=Heard)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    quiet: Mapping[str, QuietHours] = field(default_factory=dict)
    _woken: dict[str, set[str]] = field(default_factory=dict)
    _open: dict[str, Telling] = field(default_factory=dict)
    _heard: dict[str, set[str]] = field(default_factory=dict)

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Tell each event of the batch that names this target."""
        refusals: dict[int, Refusal] = {}
        upto: int | None = None
        over = over_by_now(batch, self.target)
        for event in batch:
            answer = Sent() if event.seq in over else self._deliver(event)
            if isinstance(answer, NotSent) and not answer.final:
                passed = {} if upto is None else refusals
                return Deferred(answer.reason, answer.retry_after, upto=upto, refusals=passed)
            if isinstance(answer, NotSent):
                refusals[event.seq] = Refusal(answer.reason)
            upto = event.seq
        return Rejected(refusals) if refusals else Delivered()

    def _deliver(self, event: StoredEvent) -> Sent | NotSent:
        if event.record.source != SOURCE:
            # Whoever is woken is woken by the orchestrator alone.
            return NotSent(f"expected an alert of {SOURCE}, got one of {event.record.source[:LONGEST]!r}", final=True)
        try:
            data = orjson.loads(event.record.body)["data"]
            if self.target not in data["targets"]:
                return Sent()
            notice = self._marked(notice_of(data), event)
        except (KeyError, TypeError, ValueError) as error:
            return NotSent(f"expected an alert's event, got one without {error}", final=True)
        return self._tell(event.record.id, notice)

    def _marked(self, notice: Notice, event: StoredEvent) -> Notice:
        """Say of a page that comes late from when it is."""
        if notice.action is not Action.TRIGGER or self.clock() - event.accepted_at < LATE:
            return notice
        return replace(notice, title=f"[LATE, of {event.accepted_at:%H:%M} UTC] {notice.title}")

    def _tell(self, event_id: str, notice: Notice) -> Sent | NotSent:
        chain = self._asked(notice)
        if not chain:
            return Sent()
        now = self._open.setdefault(event_id, Telling())
        failed = list[NotSent]()
        now.turns += 1
        wanted = self._wanted(notice) & {link.notifier.name for link in chain}
        for link in chain:
            name = link.notifier.name
            if name in now.told or (now.told and name not in wanted):
                continue
            answer = self._tell_one(link, event_id, notice)
            if isinstance(answer, Sent):
                now.told.add(name)
            else:
                failed.append(answer)
        settled = self._settled(now, notice, wanted, failed)
        if isinstance(settled, Sent) or settled.final:
            self._open.pop(event_id, None)
        return settled

    def _asked(self, notice: Notice) -> list[Link]:
        """Give whom to ask in turn: those who sleep after all who are awake, and of what wakes nobody not at all."""
        asleep = {link.notifier.name for link in self.chain if self._sleeps(link.notifier.name, notice)}
        if notice.action is Action.TRIGGER:
            # Whether the target itself is to be woken, its ladder has decided; of the others nobody has.
            asleep.discard(self.target)
            return sorted(self.chain, key=lambda each: (each.notifier.name in asleep, each.resting_until > monotonic()))
        asleep -= self._woken.get(notice.key, set())
        awake = (link for link in self.chain if link.notifier.keeps or link.notifier.name not in asleep)
        return sorted(awake, key=lambda each: each.resting_until > monotonic())

    def _sleeps(self, target: str, notice: Notice) -> bool:
        hours = self.quiet.get(target)
        return hours is not None and RANK[notice.severity] < RANK[hours.wakes] and hours.until(self.clock()) is not None

    def _tell_one(self, link: Link, event_id: str, notice: Notice) -> Sent | NotSent:
        """Tell it, unless another sink has: one target may stand in for several."""
        ear = self.hearing.ear(event_id, link.notifier.name)
        with ear.lock:
            if ear.has_heard_another(self.name):
                ear.sinks.add(self.name)
                return Sent()
            answer = link.tell(notice)
            if isinstance(answer, Sent):
                ear.sinks.add(self.name)
        _log(link.notifier.name, notice, answer)
        return answer

    def _wanted(self, notice: Notice) -> set[str]:
        """Name those beside the first who has to hear it: of an end, whoever may have heard the beginning."""
        if notice.action not in ENDING:
            return set()
        keep = {link.notifier.name for link in self.chain if link.notifier.keeps}
        return keep | self._heard.get(notice.key, set())

    def _settled(self, now: Telling, notice: Notice, wanted: set[str], failed: list[NotSent]) -> Sent | NotSent:
        told = now.told
        if told:
            self._remember(notice, told)
            missed = wanted - told
            if not missed or now.turns >= MOST_TURNS or all(each.final for each in failed):
                return Sent()
        # One that is asked for no pause may answer at once: nobody waits for the other.
        waits = [each.retry_after or 0.0 for each in failed if not each.final]
        why = "; ".join(each.reason for each in failed) or "nobody is there to be told"
        final = bool(failed) and all(each.final for each in failed)
        return NotSent(why, final=final, retry_after=min(waits, default=None) or None)

    def _remember(self, notice: Notice, told: set[str]) -> None:
        """Know who has heard of an alert, until it is over; of the oldest nothing is known any more."""
        if notice.action is Action.RESOLVE:
            self._heard.pop(notice.key, None)
            self._woken.pop(notice.key, None)
            return
        if notice.action is Action.TRIGGER:
            woken = {name for name in told if self._sleeps(name, notice)}
            self._woken[notice.key] = self._woken.get(notice.key, set()) | woken
        self._heard[notice.key] = self._heard.get(notice.key, set()) | told
        while len(self._heard) > MOST_HEARD:
            oldest = next(iter(self._heard))
            self._heard.pop(oldest)
            self._woken.pop(oldest, None)


def _log(target: str, notice: Notice, answer: Sent | NotSent) -> None:
    about = {"target": target, "action": str(notice.action), "alert": notice.key}
    if isinstance(answer, Sent):
        log.info("alert.told", **about)
    else:
        log.warning("alert.not_told", **about, why=answer.reason)
