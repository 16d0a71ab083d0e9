"""Who has heard what, and what waits: one target for several sinks, pauses, replays in between, pages that are late."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.domain.alerts import Action
from orchestrator.domain.events import Deferred, Delivered
from orchestrator.domain.notifying import NotSent
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
