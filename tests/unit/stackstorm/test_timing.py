"""Timers at work: on a clock that tests move, over restarts, without a fire lost, doubled or made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.embedded.content.triggers import CRON, DATE, INTERVAL, Trigger
from orchestrator.stackstorm.embedded.rules import timers
from orchestrator.stackstorm.embedded.store import Store
from orchestrator.stackstorm.embedded.timing import HOP_SECONDS, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START = datetime(2026, 3, 29, 0, 0, 0, 500_000, tzinfo=UTC)


class Clock:
    """A control thread whose time stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START
        self._due: list[tuple[datetime, Callable[[], None]]] = []

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Remember to run this then."""
        self._due.append((self.now + timedelta(seconds=seconds), work))

    def run(self, seconds: float, late: float = 0) -> None:
        """Let time pass, running what is due in order, each `late` seconds after its time."""
        end = self.now + timedelta(seconds=seconds)
        while ready := sorted((due for due in self._due if due[0] <= end), key=lambda due: due[0]):
            self._due.remove(ready[0])
            self.now = max(self.now, ready[0][0] + timedelta(seconds=late))
            ready[0][1]()
        self.now = max(self.now, end)


class Scene:
    """A store, a clock and the timers on them; `fired` says when each fire was."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock()
        self.fired: list[datetime] = []
        self.fails = False
        self.restart()

    def restart(self) -> None:
        """Begin anew on the same store, as a new process does."""
        due: Any = self.clock
        due._due.clear()
        self.timing = Timing(self.store, due, self._fire, lambda: self.clock.now)

    def follow(self, *triggers: Trigger) -> None:
        """Run these timers."""
        self.timing.follow({trigger.ref: trigger for trigger in triggers})

    def _fire(self, _trigger: Trigger, payload: dict[str, Any], _tag: str) -> None:
        assert payload["executed_at"] == str(self.clock.now)
        if self.fails:
            raise OSError("no room")
        self.fired.append(self.clock.now)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene on a new store."""
    store = Store(tmp_path / "state.sqlite")
    yield Scene(store)
    store.close()


def interval(seconds: int) -> Trigger:
    """Make an interval timer."""
    return Trigger(INTERVAL, {"unit": "seconds", "delta": seconds})


def at(*seconds: float) -> list[datetime]:
    """Give times from the start."""
    return [START + timedelta(seconds=second) for second in seconds]


def test_an_interval_fires_again_and_again(scene: Scene) -> None:
    """First one interval after it began, and at that pace whatever it costs to fire."""
    scene.follow(interval(10))
    scene.clock.run(35, late=0.25)
    assert scene.fired == at(10.25, 20.25, 30.25)


def test_a_timer_that_comes_too_late_is_passed_over_and_keeps_its_pace(scene: Scene) -> None:
    """More than a second late, nothing fires, once or many times; the next one is on time."""
    scene.follow(interval(10))
    scene.clock.run(10, late=25)
    assert scene.fired == []
    scene.clock.run(10)
    assert scene.fired == at(40)


def test_an_interval_keeps_its_pace_over_a_restart(scene: Scene) -> None:
    """What is still to come comes when it was to come."""
    scene.follow(interval(100))
    scene.clock.run(60)
    scene.restart()
    scene.follow(interval(100))
    scene.clock.run(45)
    assert scene.fired == at(100)


def test_what_a_restart_missed_is_not_made_up_for(scene: Scene) -> None:
    """An interval that was due while nothing ran begins anew; a date that has passed never fires."""
    date = Trigger(DATE, {"date": "2026-03-29 00:01:00", "timezone": "UTC"})
    scene.follow(interval(50), date)
    scene.clock.now += timedelta(seconds=90)
    scene.restart()
    scene.follow(interval(50), date)
    scene.clock.run(60)
    assert scene.fired == at(140)


def test_a_date_fires_once_even_over_restarts(scene: Scene) -> None:
    """Nothing of it is stored afterwards."""
    date = Trigger(DATE, {"date": "2026-03-29 00:01:00", "timezone": "UTC"})
    scene.follow(date)
    for _ in range(3):
        scene.clock.run(300)
        scene.restart()
        scene.follow(date)
    assert scene.fired == at(59.5)
    assert scene.store.timers.all() == {}


def test_a_cron_timer_follows_the_wall_clock_over_its_move(scene: Scene) -> None:
    """02:30 is skipped in Berlin that night, and counts as 03:30 summer time; an hour is waited in short hops."""
    scene.follow(Trigger(CRON, {"timezone": "Europe/Berlin", "hour": 2, "minute": 30}))
    scene.clock.run(3 * 86_400)
    shown = [f"{fired:%d %H:%M:%S}" for fired in scene.fired]
    assert shown == ["29 01:30:00", "30 00:30:00", "31 00:30:00"]
    assert HOP_SECONDS <= 60


def test_a_timer_that_no_rule_wants_any_more_stops(scene: Scene) -> None:
    """The others go on; wanted again, it begins anew."""
    scene.follow(interval(10), interval(15))
    scene.clock.run(12)
    scene.follow(interval(15))
    scene.clock.run(12)
    scene.follow(interval(10), interval(15))
    scene.clock.run(11)
    assert scene.fired == at(10, 15, 30, 34)


def test_a_fire_that_cannot_be_stored_is_tried_again(scene: Scene) -> None:
    """The next time is stored with what the timer emits, or neither is; the timer lives on."""
    scene.follow(interval(10))
    before = scene.store.timers.all()
    scene.fails = True
    with pytest.raises(OSError, match="no room"):
        scene.clock.run(10)
    assert scene.store.timers.all() == before
    scene.fails = False
    scene.clock.run(15)
    assert scene.fired == at(10.5, 20)


def test_a_timer_that_cannot_begin_stops_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that fires beyond all calendars, which never does, nor one whose next time cannot be told."""
    never = Trigger(INTERVAL, {"unit": "weeks", "delta": 140_000_000})
    scene.follow(never)
    assert scene.store.timers.all() == {}
    next_fire = timers.next_fire

    def broken(timer: timers.Timer, *args: Any, **named: Any) -> datetime | None:
        if timer == timers.Interval(timedelta(seconds=7)):
            raise OverflowError("a fault")
        return next_fire(timer, *args, **named)

    monkeypatch.setattr(timers, "next_fire", broken)
    scene.follow(never, interval(7), *(interval(seconds) for seconds in (10, 11, 12, 13)))
    scene.clock.run(13.5)
    assert scene.fired == at(10, 11, 12, 13)
