"""The sink of one target of alerts: it takes the events that name it, and goes to the next where it does not answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from eventbus.wire import ALERT_CHANGED
from orchestrator.domain.alerts import Action, Notice
from orchestrator.domain.auditing import SOURCE
from orchestrator.domain.events import Deferred, Delivered, Refusal, Rejected
from orchestrator.domain.incidents import Severity
from orchestrator.domain.notifying import NotSent, Sent
from orchestrator.sinks.hearing import Heard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.domain.events import Delivery, StoredEvent
    from orchestrator.domain.notifying import Notifier

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
DETAILS: Final = (
    "alert_id", "ladder", "level", "level_name", "incident_id", "incidents", "size", "dependency", "task", "kind",
    "signature", "began_at", "usd_cost", "acknowledged_by", "reason",
)  # fmt: skip


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
    _open: dict[str, Telling] = field(default_factory=dict)
    _heard: dict[str, set[str]] = field(default_factory=dict)

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Tell each event of the batch that names this target."""
        refusals: dict[int, Refusal] = {}
        upto: int | None = None
        over = self._over(batch)
        for event in batch:
            answer = Sent() if event.seq in over else self._deliver(event)
            if isinstance(answer, NotSent) and not answer.final:
                passed = {} if upto is None else refusals
                return Deferred(answer.reason, answer.retry_after, upto=upto, refusals=passed)
            if isinstance(answer, NotSent):
                refusals[event.seq] = Refusal(answer.reason)
            upto = event.seq
        return Rejected(refusals) if refusals else Delivered()

    def _over(self, batch: Sequence[StoredEvent]) -> set[int]:
        """Name what waits behind its own end: nobody is woken for what is over, the end is told alone."""
        ended: set[str] = set()
        over: set[int] = set()
        for event in reversed(batch if len(batch) > 1 else ()):
            told = self._told_here(event)
            if told is None:
                continue
            key, action = told
            if action is Action.RESOLVE:
                ended.add(key)
            elif key in ended:
                over.add(event.seq)
                log.info("alert.over", target=self.target, action=str(action), alert=key)
        return over

    def _told_here(self, event: StoredEvent) -> tuple[str, Action] | None:
        try:
            data = orjson.loads(event.record.body)["data"]
            told = data["dedup_key"], Action(data["action"])
            return told if event.record.source == SOURCE and self.target in data["targets"] else None
        except (KeyError, TypeError, ValueError):
            return None

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
        now = self._open.setdefault(event_id, Telling())
        failed = list[NotSent]()
        now.turns += 1
        wanted = self._wanted(notice)
        for link in sorted(self.chain, key=lambda each: each.resting_until > monotonic()):
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
            return
        self._heard[notice.key] = self._heard.get(notice.key, set()) | told
        while len(self._heard) > MOST_HEARD:
            self._heard.pop(next(iter(self._heard)))


def _log(target: str, notice: Notice, answer: Sent | NotSent) -> None:
    about = {"target": target, "action": str(notice.action), "alert": notice.key}
    if isinstance(answer, Sent):
        log.info("alert.told", **about)
    else:
        log.warning("alert.not_told", **about, why=answer.reason)


def notice_of(data: dict[str, Any]) -> Notice:
    """Read what a target is told out of an event's data; raises KeyError or ValueError for what is none."""
    return Notice(
        key=data["dedup_key"],
        action=Action(data["action"]),
        severity=Severity(data["severity"]),
        title=data["title"],
        text=data["text"],
        at=data.get("at") or data["began_at"],
        targets=tuple(data["targets"]),
        commands=tuple(data["commands"]),
        details={name: data.get(name) for name in DETAILS},
        reopened=bool(data.get("reopened")),
    )
