"""Who has heard what, and what waits: one target for several sinks, pauses, replays in between, pages that are late."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from orchestrator.domain.alerts import Action
from orchestrator.domain.events import Deferred, Delivered
from orchestrator.domain.notifying import NotSent
from orchestrator.domain.quiet_hours import QuietHours
from orchestrator.domain.windows import window_of
from orchestrator.sinks.alerts import MOST_TURNS, AlertSink, Link
from orchestrator.sinks.hearing import Heard
from tests.alerting import NIGHT
from tests.unit.orchestrator.sinks.test_alerts import Fake, page, sink_of


def test_the_pause_that_one_asks_for_is_not_everybodys() -> None:
    """Whoever asked for none is tried again soon; where all ask for one, the shortest counts."""
    asking, mail = Fake("pager", answer=NotSent("429", retry_after=3600.0)), Fake("mail", answer=NotSent("421"))
    sink = sink_of(asking, mail)
    assert sink.deliver([page()]) == Deferred("429; 421")
    mail.answer = NotSent("429", retry_after=9.0)
    assert sink_of(asking, mail).deliver([page()]) == Deferred("429; 429", 9.0)


def test_a_replay_in_between_does_not_forget_who_has_heard() -> None:
    """The relay's and the replayer's turns come to one sink: each event has its own account of who has it."""
    slack, pager = Fake("slack"), Fake("pager", keeps=True, answer=NotSent("403"))
    sink, end, other = sink_of(slack, pager), page(2, action="resolve", state="resolved"), page(9)
    for _ in range(MOST_TURNS):
        sink.deliver([end])
        sink.deliver([other])
    assert slack.taken.count(Action.RESOLVE) == 1


def test_a_target_that_stands_in_for_two_hears_once() -> None:
    """As a fallback of both and as itself it has one page; asked for again, it hears again."""
    mail, heard = Fake("mail"), Heard()
    away = (Fake(name, answer=NotSent("x")) for name in ("slack", "pager"))
    sinks = [AlertSink(f"alerts-{each.name}", each.name, [Link(each), Link(mail)], hearing=heard) for each in away]
    sinks.append(AlertSink("alerts-mail", "mail", [Link(mail)], hearing=heard))
    told = page(targets=["slack", "pager", "mail"])
    assert [each.deliver([told]) for each in sinks] == [Delivered()] * 3
    assert len(mail.taken) == 1
    assert sinks[-1].deliver([told]) == Delivered()
    assert len(mail.taken) == 2


def test_what_is_over_by_the_time_it_can_be_told_wakes_nobody() -> None:
    """The end waits behind the page: it alone is told; another alert, and one that opened again, go as they are."""
    slack = Fake("slack")
    first = [page(1, dedup_key="k"), page(2, dedup_key="other"), page(3, dedup_key="k", action="update")]
    end, again = page(4, dedup_key="k", action="resolve"), page(5, dedup_key="k")
    assert sink_of(slack).deliver([*first, end, again]) == Delivered()
    assert [(each.key, each.action) for each in slack.asked] == [
        ("other", Action.TRIGGER), ("k", Action.RESOLVE), ("k", Action.TRIGGER),
    ]  # fmt: skip


def test_a_late_page_says_so() -> None:
    """Whoever is woken by it sees that it is of an hour ago; an end does not say so."""
    slack = Fake("slack")
    sink = AlertSink("alerts-slack", "slack", [Link(slack)], clock=lambda: NIGHT + timedelta(hours=1))
    sink.deliver([page(1), page(2, action="resolve", dedup_key="x")])
    assert [each.title.startswith("[LATE, of 03:00 UTC] [") for each in slack.asked] == [True, False]


def asleep(*names: str) -> dict[str, QuietHours]:
    """Have these sleep until seven."""
    return dict.fromkeys(names, QuietHours(UTC, (window_of("22:00-07:00"),)))


def test_a_fallback_that_sleeps_is_woken_only_where_nobody_else_answers() -> None:
    """Its quiet hours hold for it in every chain; a page that nobody awake takes goes to it all the same."""
    away, boss, mail = Fake("slack", answer=NotSent("500")), Fake("boss"), Fake("mail")
    chain = [Link(away), Link(boss), Link(mail)]
    sink = AlertSink("alerts-slack", "slack", chain, clock=lambda: NIGHT, quiet=asleep("boss"))
    sink.deliver([page(1)])
    assert (boss.taken, mail.taken) == ([], [Action.TRIGGER])
    mail.answer = NotSent("550")
    assert sink.deliver([page(2)]) == Delivered()
    assert boss.taken == [Action.TRIGGER]


@pytest.mark.parametrize("action", ["update", "acknowledge", "resolve"])
def test_whoever_sleeps_hears_of_no_change(action: str) -> None:
    """Told before the night, they are not woken by what wakes nobody; PagerDuty closes what it keeps, silently."""
    sms, pager = Fake("slack"), Fake("pager", keeps=True)
    clock = [NIGHT - timedelta(hours=9)]
    sink = AlertSink(
        "alerts-slack", "slack", [Link(sms), Link(pager)], clock=lambda: clock[0], quiet=asleep("slack", "pager")
    )
    sink.deliver([page(1, dedup_key="k")])
    clock[0] = NIGHT
    assert sink.deliver([page(2, dedup_key="k", action=action)]) == Delivered()
    assert sms.taken == [Action.TRIGGER]
    assert pager.taken == [Action(action)]
    assert sink.deliver([page(3, dedup_key="k", action=action, severity="critical")]) == Delivered()
    assert sms.taken == [Action.TRIGGER, Action(action)]


def test_whoever_was_woken_in_the_night_hears_the_end_of_it() -> None:
    """A level that wakes always has woken them: they are up, and wait for it."""
    sms = Fake("slack")
    sink = AlertSink("alerts-slack", "slack", [Link(sms)], clock=lambda: NIGHT, quiet=asleep("slack"))
    for number, action in enumerate(("trigger", "update", "resolve"), 1):
        sink.deliver([page(number, dedup_key="k", action=action)])
    assert sms.taken == [Action.TRIGGER, Action.UPDATE, Action.RESOLVE]
