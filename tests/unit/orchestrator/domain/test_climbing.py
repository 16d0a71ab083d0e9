"""The decision about an alert: levels go up and are told once, and whoever answers stops the ladder."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from orchestrator.domain.alerts import Action, AlertState, Step
from orchestrator.domain.climbing import decide
from orchestrator.domain.incidents import IncidentState, Severity
from orchestrator.domain.ladders import Ladder, Level, Watch
from orchestrator.domain.plan import Plan, PlanName
from orchestrator.domain.quiet_hours import QuietHours
from orchestrator.domain.windows import window_of
from tests import recovery
from tests.alerting import CHAT, LADDER, NIGHT, WATCH, alert, facts

MINUTE = timedelta(minutes=1)


def first() -> Step:
    """Tell the first level."""
    return decide(alert(), facts(), LADDER, WATCH, NIGHT)


def test_a_level_without_a_condition_is_told_at_once() -> None:
    """The first level of a ladder that says nothing more goes as the incident opens."""
    step = first()
    assert (step.action, step.targets, step.alert.level, step.wakes) == (Action.TRIGGER, ("slack",), 1, True)
    assert decide(step.alert, facts(), LADDER, WATCH, NIGHT).action is None


def test_a_level_is_told_once_however_much_the_incident_grows() -> None:
    """What has been told is not told again; growth within a factor of ten is told nobody."""
    after = decide(first().alert, facts(size=1_000), LADDER, WATCH, NIGHT).alert
    assert after.level == 2
    assert decide(after, facts(size=9_999), LADDER, WATCH, NIGHT + MINUTE).action is None


def test_nobody_answers_so_the_next_level_is_told() -> None:
    """It waits until the seconds without an answer are over, says when that is, and then tells the next."""
    waiting = first().alert
    early = decide(waiting, facts(), LADDER, WATCH, NIGHT + 9.5 * MINUTE)
    assert early.action is None
    assert early.alert.next_at == NIGHT + 10 * MINUTE
    late = decide(early.alert, facts(), LADDER, WATCH, NIGHT + 10 * MINUTE)
    assert (late.action, late.targets) == (Action.TRIGGER, ("pager",))
    assert "nobody has acknowledged it for 10 min" in late.why


def test_levels_that_are_passed_over_are_told_with_the_one_that_is_reached() -> None:
    """Whoever would have been told on the way is told too, once, in the same event."""
    step = decide(alert(), facts(size=5_000), LADDER, WATCH, NIGHT)
    assert (step.alert.level, step.targets) == (2, ("slack", "pager"))
    assert [each.name for each in step.alert.raised] == ["chat", "phone"]


@pytest.mark.parametrize(
    ("level", "known"),
    [
        (Level("x", ("t",), size=10), {"size": 10}),
        (Level("x", ("t",), attempts=2), {"attempts": 2}),
        (Level("x", ("t",), severity=Severity.ERROR), {"severity": Severity.CRITICAL}),
        (Level("x", ("t",), money=Decimal("1.5")), {"money": Decimal("1.50")}),
    ],
)
def test_each_condition_raises_by_itself(level: Level, known: dict[str, object]) -> None:
    """Below it nothing is told; from it on the level is; an amount that is not known is none."""
    ladder = Ladder("night", (level,))
    calm = facts(severity=Severity.WARNING)
    assert decide(alert(), calm, ladder, WATCH, NIGHT).action is None
    assert decide(alert(), replace(calm, **known), ladder, WATCH, NIGHT).action is Action.TRIGGER


def test_every_condition_of_a_level_may_be_asked_for() -> None:
    """With `every` one condition is not enough."""
    ladder = Ladder("night", (Level("x", ("t",), size=10, severity=Severity.CRITICAL, every=True),))
    assert decide(alert(), facts(size=10), ladder, WATCH, NIGHT).action is None
    assert decide(alert(), facts(size=10, severity=Severity.CRITICAL), ladder, WATCH, NIGHT).action is Action.TRIGGER


def test_an_acknowledgement_stops_the_ladder() -> None:
    """It is told once, and nobody else is woken, however long it lasts."""
    answered = facts(acknowledged_at=NIGHT + MINUTE, acknowledged_by="ann")
    step = decide(first().alert, answered, LADDER, WATCH, NIGHT + MINUTE)
    assert (step.action, step.targets, step.alert.state) == (Action.ACKNOWLEDGE, ("slack",), AlertState.ACKNOWLEDGED)
    assert step.alert.seconds_to_acknowledge == 60
    assert decide(step.alert, answered, LADDER, WATCH, NIGHT + timedelta(days=1)).action is None


def test_an_acknowledged_alert_climbs_on_only_where_that_is_configured() -> None:
    """After `again_after` it is somebody else's turn, as if the level before had been told then."""
    again = replace(LADDER, again_after=1800)
    answered = facts(acknowledged_at=NIGHT + MINUTE, acknowledged_by="ann")
    known = decide(first().alert, answered, again, WATCH, NIGHT + MINUTE).alert
    assert known.next_at == NIGHT + 2 * MINUTE
    assert decide(known, answered, again, WATCH, NIGHT + 30 * MINUTE).action is None
    back = decide(known, answered, again, WATCH, NIGHT + 31 * MINUTE)
    assert (back.action, back.alert.state) == (None, AlertState.FIRING)
    assert decide(back.alert, answered, again, WATCH, NIGHT + 41 * MINUTE).targets == ("pager",)


def test_a_snoozed_alert_rests_until_then() -> None:
    """Nothing is told before, and the ladder goes on after."""
    asleep = facts(snoozed_until=NIGHT + 30 * MINUTE, size=5_000)
    step = decide(first().alert, asleep, LADDER, WATCH, NIGHT + 29 * MINUTE)
    assert step.action is None or not step.wakes
    assert decide(step.alert, asleep, LADDER, WATCH, NIGHT + 30 * MINUTE).targets == ("pager",)


def test_it_is_resolved_once_and_only_where_somebody_was_told() -> None:
    """The end is told to all that were told; one that told nobody ends without a word."""
    over = recovery.incident(opened_at=NIGHT, state=IncidentState.RECOVERED, closed_at=NIGHT + 5 * MINUTE)
    done = facts(open=0, largest=over, closed_at=over.closed_at)
    step = decide(first().alert, done, LADDER, WATCH, NIGHT + 6 * MINUTE)
    assert (step.action, step.targets, step.alert.seconds_to_resolve) == (Action.RESOLVE, ("slack",), 300)
    assert decide(step.alert, done, LADDER, WATCH, NIGHT + 7 * MINUTE).action is None
    assert decide(alert(), done, LADDER, WATCH, NIGHT).action is None


def test_what_changes_is_told_without_waking_and_not_too_often() -> None:
    """Growth by ten, another kind, a dependency that is back: one update, and the next no sooner than allowed."""
    told = first().alert
    early = decide(told, facts(size=10), LADDER, WATCH, NIGHT + 0.5 * MINUTE)
    assert (early.action, early.alert.next_at) == (None, NIGHT + MINUTE)
    step = decide(told, facts(size=10, health="healthy"), LADDER, WATCH, NIGHT + MINUTE)
    assert (step.action, step.wakes) == (Action.UPDATE, False)
    assert "grew from 1 to 10" in step.why
    assert "healthy now, down before" in step.why


def test_a_plan_to_escalate_raises_the_first_level_at_once() -> None:
    """A workflow that wants a person gets one, though no condition of the ladder holds yet."""
    ladder = Ladder("night", (Level("x", ("t",), after=3600),))
    asked = recovery.incident(opened_at=NIGHT, plan=Plan(PlanName.ESCALATE, "who knows"))
    assert decide(alert(), facts(), ladder, WATCH, NIGHT).action is None
    assert decide(alert(), facts(largest=asked), ladder, WATCH, NIGHT).action is Action.TRIGGER


QUIET = replace(WATCH, quiet={"pager": QuietHours(ZoneInfo("Europe/Berlin"), (window_of("22:00-07:00"),))})


def test_who_sleeps_is_told_once_quiet_hours_end() -> None:
    """A level waits for its sleeping target and says until when; at seven it is told."""
    ladder, grown = Ladder("night", LADDER.levels[:2]), facts(size=1_000)
    step = decide(first().alert, grown, ladder, QUIET, NIGHT + MINUTE)
    assert (step.action, step.alert.level) == (Action.UPDATE, 1)
    assert decide(step.alert, grown, ladder, QUIET, NIGHT + 179 * MINUTE).action is None
    seven = decide(step.alert, grown, ladder, QUIET, NIGHT + 180 * MINUTE)
    assert (seven.action, seven.alert.level, seven.targets) == (Action.TRIGGER, 2, ("pager",))


def test_critical_wakes_whoever_sleeps() -> None:
    """What is as severe as the quiet hours let through goes at once."""
    worst = facts(size=1_000, severity=Severity.CRITICAL)
    assert decide(first().alert, worst, LADDER, QUIET, NIGHT).targets == ("pager",)


def test_who_is_awake_does_not_wait_for_who_sleeps() -> None:
    """Of one level the awake are told now, and the others when their quiet hours end, unless somebody has answered."""
    ladder = Ladder("night", (Level("all", ("slack", "pager")),))
    step = decide(alert(), facts(), ladder, QUIET, NIGHT)
    assert (step.targets, step.alert.owed) == (("slack",), ("pager",))
    morning = decide(step.alert, facts(), ladder, QUIET, NIGHT + 180 * MINUTE)
    assert (morning.targets, morning.alert.owed, morning.alert.pages) == (("pager",), (), 2)
    answered = facts(acknowledged_at=NIGHT + MINUTE, acknowledged_by="ann")
    known = decide(step.alert, answered, ladder, QUIET, NIGHT + MINUTE).alert
    assert decide(known, answered, ladder, QUIET, NIGHT + 180 * MINUTE).action is None


def test_an_update_wakes_nobody_who_sleeps() -> None:
    """It is told to the others of the alert, and to nobody where all sleep; then it is told in the morning."""
    both = Ladder("night", (Level("all", ("slack", "pager")),))
    evening = NIGHT - 420 * MINUTE
    told = decide(alert(began_at=evening, climbs_from=evening), facts(), both, QUIET, evening).alert
    assert told.targets == ("slack", "pager")
    step = decide(told, facts(size=100), both, QUIET, NIGHT)
    assert (step.action, step.targets) == (Action.UPDATE, ("slack",))
    one = replace(told, targets=("pager",))
    assert decide(one, facts(size=100), both, QUIET, NIGHT).action is None
    assert decide(one, facts(size=100), both, QUIET, NIGHT + 180 * MINUTE).action is Action.UPDATE


def test_a_worse_severity_is_told_where_no_level_is_left() -> None:
    """The ladder begins anew, once; where levels are left it is an update, and their conditions decide."""
    step = decide(alert(), facts(), Ladder("night", (CHAT,)), WATCH, NIGHT)
    worse = facts(severity=Severity.CRITICAL)
    again = decide(step.alert, worse, Ladder("night", (CHAT,)), WATCH, NIGHT + MINUTE)
    assert (again.action, again.targets) == (Action.TRIGGER, ("slack",))
    assert decide(again.alert, worse, Ladder("night", (CHAT,)), WATCH, NIGHT + 2 * MINUTE).action is None
    left = decide(step.alert, worse, LADDER, WATCH, NIGHT + MINUTE)
    assert (left.action, left.why) == (Action.UPDATE, "its severity is critical now, error before")


def test_a_level_may_pay_no_heed_to_quiet_hours() -> None:
    """One that always wakes does so at night too."""
    ladder = Ladder("night", (Level("all", ("pager",), wakes_always=True),))
    assert decide(alert(), facts(), ladder, QUIET, NIGHT).targets == ("pager",)


def test_watching_nothing_is_off() -> None:
    """Without a ladder nobody is told of anything."""
    assert not Watch().on
    assert WATCH.on
