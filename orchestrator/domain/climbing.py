"""Climbing: the one decision about an alert. Levels only go up, each is told once, and whoever answers stops it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.alert_reasons import changes, why
from orchestrator.domain.alerts import Action, Alert, AlertState, Raised, Step, Told
from orchestrator.domain.ladders import RANK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from orchestrator.domain.alerts import Facts
    from orchestrator.domain.ladders import Ladder, Level, Watch

# Seconds after which an alert is looked at again where nothing is known to come: growth is seen by its incidents' rows.
LOOK_AGAIN: Final = 60.0
# Whose last page is so many times `flapping` ago is told again as soon as it goes on.
LONG_AGO: Final = 4


def decide(alert: Alert, facts: Facts, ladder: Ladder, watch: Watch, now: datetime) -> Step:
    """Give the next step of an alert. Ask again after it, until there is nothing to do: `next_at` says when to look."""
    if alert.state is AlertState.RESOLVED:
        return Step(replace(alert, next_at=None))
    if not facts.open:
        return _resolved(alert, facts, now)
    current = replace(alert, severity=facts.severity)
    answered = _answered_until(facts, ladder)
    if answered is not None and (answered > now or ladder.again_after is None):
        return _acknowledged(current, facts, answered if ladder.again_after is not None else None, watch, now)
    if current.state is AlertState.ACKNOWLEDGED:
        current = _put_back(current, answered or now)
    current = _begun_anew(current, ladder, watch, now)
    if facts.snoozed_until and facts.snoozed_until > now:
        return _updated(current, facts, watch, now, facts.snoozed_until)
    return _climbed(current, facts, ladder, watch, now)


def _put_back(alert: Alert, since: datetime) -> Alert:
    """Have an alert climb on that was acknowledged: its time is over, or one more incident has come."""
    state = AlertState.FIRING if alert.level else AlertState.WAITING
    return replace(alert, state=state, climbs_from=since, acknowledged_at=None, acknowledged_by=None)


def _begun_anew(alert: Alert, ladder: Ladder, watch: Watch, now: datetime) -> Alert:
    """Have a ladder begin at its first level once more, where an alert has gone on for long and nobody was told of it.

    It goes on where it opened again, where an acknowledgement is over, or where an incident has joined after one. So
    does a ladder of which no level is left, where it is more severe than was told.
    """
    worse = alert.told is not None and RANK[alert.severity] > RANK[alert.told.severity]
    if worse and alert.level >= len(ladder.levels):
        return replace(alert, level=0)
    if not alert.level or not alert.raised or alert.raised[-1].at >= alert.climbs_from:
        return alert
    flapping = timedelta(seconds=watch.flapping)
    long = now >= alert.climbs_from + flapping or now >= alert.raised[-1].at + LONG_AGO * flapping
    return replace(alert, level=0) if long else alert


def _answered_until(facts: Facts, ladder: Ladder) -> datetime | None:
    """Give until when an acknowledgement holds; where it holds for good, when it was given; None without one."""
    if facts.acknowledged_at is None:
        return None
    return facts.acknowledged_at + timedelta(seconds=ladder.again_after or 0)


def _resolved(alert: Alert, facts: Facts, now: datetime) -> Step:
    """End it. Whoever was never told, or was last told that it is over, is told nothing."""
    closed = facts.closed_at or now
    took = max(0.0, (closed - alert.began_at).total_seconds())
    after = replace(alert, state=AlertState.RESOLVED, resolved_at=closed, seconds_to_resolve=took)
    after = replace(after, next_at=None, owed=(), asked_level=0)
    if alert.told is None or alert.told.state is AlertState.RESOLVED:
        return Step(after)
    what = "it is over" if facts.incidents == 1 else f"all {facts.incidents} incidents are over"
    return _told(after, facts, Action.RESOLVE, alert.targets, f"{what}: {facts.largest.state}", now)


def _acknowledged(alert: Alert, facts: Facts, until: datetime | None, watch: Watch, now: datetime) -> Step:
    if alert.state is AlertState.ACKNOWLEDGED:
        known = replace(alert, acknowledged_at=facts.acknowledged_at, acknowledged_by=facts.acknowledged_by)
        return _updated(known, facts, watch, now, until)
    after = replace(
        alert,
        state=AlertState.ACKNOWLEDGED,
        acknowledged_at=facts.acknowledged_at,
        acknowledged_by=facts.acknowledged_by,
        seconds_to_acknowledge=_seconds_to(alert, facts.acknowledged_at),
        owed=(),
        asked_level=0,
        next_at=_look_at(now, until),
    )
    if alert.told is None:
        return Step(after)
    return _told(after, facts, Action.ACKNOWLEDGE, alert.targets, f"acknowledged by {facts.acknowledged_by}", now)


def _seconds_to(alert: Alert, answered: datetime | None) -> float | None:
    """Give how long the first answer took; a later one changes nothing of that."""
    if alert.seconds_to_acknowledge is not None or answered is None:
        return alert.seconds_to_acknowledge
    return max(0.0, (answered - alert.began_at).total_seconds())


def _climbed(alert: Alert, facts: Facts, ladder: Ladder, watch: Watch, now: datetime) -> Step:
    """Tell the highest level that is reached, and with it those that were passed over."""
    reached = _reached(alert, facts, ladder, now)
    fresh = ladder.levels[alert.level : reached]
    told = [name for level in fresh for name in level.targets]
    loud = {name for level in fresh if level.wakes_always or alert.asked_level >= reached for name in level.targets}
    wanted = tuple(dict.fromkeys([*alert.owed, *told]))
    asleep = {name: until for name in wanted if name not in loud and (until := _quiet(name, alert, watch, now))}
    awake = tuple(name for name in wanted if name not in asleep)
    wakings = tuple(asleep.values())
    if not awake:
        waits = [*wakings, *_times(alert, ladder, now)]
        return _updated(alert, facts, watch, now, *waits)
    if fresh:
        raised = tuple(Raised(alert.level + number, level.name, now) for number, level in enumerate(fresh, 1))
        alert = replace(alert, level=reached, raised=(*alert.raised, *raised), asked_level=0)
    alert = replace(alert, state=AlertState.FIRING, owed=tuple(asleep), pages=alert.pages + 1)
    alert = replace(alert, next_at=_look_at(now, *wakings, *_times(alert, ladder, now)))
    return _told(alert, facts, Action.TRIGGER, awake, why(alert, facts, fresh, now), now)


def _reached(alert: Alert, facts: Facts, ladder: Ladder, now: datetime) -> int:
    """Count up to which level the ladder is climbed now: never down, whatever has become smaller."""
    levels = enumerate(ladder.levels, 1)
    met = [number for number, level in levels if number > alert.level and _holds(level, number, alert, facts, now)]
    asked = min(max(alert.asked_level, int(facts.escalated)), len(ladder.levels))
    return max([alert.level, asked, *met])


def _holds(level: Level, number: int, alert: Alert, facts: Facts, now: datetime) -> bool:
    held = [each for each in _conditions(level, number, alert, facts, now) if each is not None]
    return all(held) if level.every or not held else any(held)


def _conditions(level: Level, number: int, alert: Alert, facts: Facts, now: datetime) -> Iterable[bool | None]:
    """Tell of each condition whether it holds; None for one that the level does not have."""
    yield None if level.after is None else now >= alert.climbs_from + timedelta(seconds=level.after)
    if level.unanswered is not None:
        since = _told_at(alert, number - 1)
        yield since is not None and now >= since + timedelta(seconds=level.unanswered)
    yield None if level.size is None else facts.size >= level.size
    yield None if level.attempts is None else facts.attempts >= level.attempts
    yield None if level.severity is None else RANK[facts.severity] >= RANK[level.severity]
    if level.money is not None:
        yield facts.money is not None and facts.money >= level.money


def _told_at(alert: Alert, number: int) -> datetime | None:
    """Tell since when a level waits for an answer: since it was told, or since the ladder began anew after that."""
    if number > alert.level:
        return None
    at = next((each.at for each in reversed(alert.raised) if each.level == number), None)
    return None if at is None else max(at, alert.climbs_from)


def _times(alert: Alert, ladder: Ladder, now: datetime) -> list[datetime]:
    """Give the moments to come at which a level may be reached by time alone."""
    found: list[datetime] = []
    for number, level in enumerate(ladder.levels, 1):
        if number <= alert.level:
            continue
        if level.after is not None:
            found.append(alert.climbs_from + timedelta(seconds=level.after))
        since = _told_at(alert, number - 1)
        if level.unanswered is not None and since is not None:
            found.append(since + timedelta(seconds=level.unanswered))
    return [each for each in found if each > now]


def _quiet(target: str, alert: Alert, watch: Watch, now: datetime) -> datetime | None:
    """Give until when a target is not to be woken for this; None where it may be."""
    hours = watch.quiet.get(target)
    if hours is None or RANK[alert.severity] >= RANK[hours.wakes]:
        return None
    return hours.until(now)


def _updated(alert: Alert, facts: Facts, watch: Watch, now: datetime, *waits: datetime | None) -> Step:
    """Tell what has changed to those who were told, without waking them, and not too often."""
    quiet = replace(alert, next_at=_look_at(now, *waits))
    changed = changes(alert, facts)
    awake = [name for name in alert.targets if _quiet(name, alert, watch, now) is None]
    if alert.told is None or not changed or not awake:
        return Step(quiet)
    again_at = alert.told.at + timedelta(seconds=watch.update_every)
    if again_at > now:
        return Step(replace(quiet, next_at=_look_at(now, again_at, *waits)))
    return _told(quiet, facts, Action.UPDATE, awake, "; ".join(changed), now)


def _told(  # noqa: PLR0913, PLR0917 - all that a step is made of
    alert: Alert, facts: Facts, action: Action, targets: Sequence[str], why: str, now: datetime
) -> Step:
    kind = str(facts.largest.kind)
    said = Told(alert.state, facts.size, facts.incidents, kind, facts.health, now, facts.severity)
    known = tuple(dict.fromkeys([*alert.targets, *targets]))
    return Step(replace(alert, told=said, targets=known, events=alert.events + 1), action, tuple(targets), why)


def _look_at(now: datetime, *waits: datetime | None) -> datetime:
    return min([now + timedelta(seconds=LOOK_AGAIN), *(each for each in waits if each is not None and each > now)])
