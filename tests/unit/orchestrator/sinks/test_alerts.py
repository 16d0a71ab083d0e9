"""A target's sink: it takes what names it, goes to the next where nobody answers, and tells an end to who heard."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from eventbus.wire import ALERT_CHANGED
from eventbus.wire import Event as WireEvent
from orchestrator.domain.alerts import Action
from orchestrator.domain.auditing import SOURCE
from orchestrator.domain.events import Deferred, Delivered, Rejected, StoredEvent
from orchestrator.domain.notifying import NotSent, Sent
from orchestrator.flows.filing import record_of
from orchestrator.notify.bounded import BoundedNotifier
from orchestrator.sinks.alerts import MOST_TURNS, AlertSink, Link
from tests.alerting import NIGHT, Desk

if TYPE_CHECKING:
    from orchestrator.domain.alerts import Notice


@dataclass
class Fake:
    """A target that answers what it is told to; it keeps what it has taken."""

    name: str
    keeps: bool = False
    answer: Sent | NotSent = field(default_factory=Sent)
    asked: list[Notice] = field(default_factory=list)
    taken: list[Action] = field(default_factory=list)

    def notify(self, notice: Notice) -> Sent | NotSent:
        """Answer."""
        self.asked.append(notice)
        if isinstance(self.answer, Sent):
            self.taken.append(notice.action)
        return self.answer


def page(number: int = 1, source: str = SOURCE, **changes: Any) -> StoredEvent:
    """Make the event of a page to slack."""
    desk = Desk()
    desk.open()
    desk.look()
    data = desk.told()[0] | changes
    event = WireEvent(str(uuid4()), source, ALERT_CHANGED, NIGHT, data)
    return StoredEvent(number, record_of(event), NIGHT)


def sink_of(*targets: Fake, tries: int = 2) -> AlertSink:
    """Make the sink of slack with this chain."""
    return AlertSink("alerts-slack", "slack", [Link(each, tries) for each in targets])


def test_only_what_names_the_target_is_told() -> None:
    """An event for others is passed, and counts as delivered: this sink has nothing to do with it."""
    slack = Fake("slack")
    sink = sink_of(slack)
    assert sink.deliver([page(1), page(2, targets=["pager"])]) == Delivered()
    assert len(slack.asked) == 1


def test_the_next_is_told_once_the_first_has_failed_as_often_as_it_may() -> None:
    """The first is tried so often, then the next; and as long as the first rests it is asked last."""
    slack, mail = Fake("slack", answer=NotSent("500")), Fake("mail")
    sink = sink_of(slack, mail)
    assert sink.deliver([page()]) == Delivered()
    assert (len(slack.asked), len(mail.taken)) == (2, 1)
    assert sink.deliver([page()]) == Delivered()
    assert (len(slack.asked), len(mail.taken)) == (2, 2)


def test_who_is_late_or_asks_for_a_pause_is_not_tried_twice() -> None:
    """Its time-out is over once already, and the next has waited for that."""
    for answer in (NotSent("late", late=True), NotSent("429", retry_after=30.0)):
        slack, mail = Fake("slack", answer=answer), Fake("mail")
        assert sink_of(slack, mail).deliver([page()]) == Delivered()
        assert (len(slack.asked), len(mail.taken)) == (1, 1)


def test_nobody_answers_so_the_page_waits() -> None:
    """It is deferred with every reason, and told once somebody is back; what was told before stays told."""
    slack, mail = Fake("slack"), Fake("mail", answer=NotSent("no mail"))
    sink = sink_of(slack, mail)
    batch = [page(1), page(2)]
    sink.deliver(batch[:1])
    slack.answer = NotSent("500", retry_after=3.0)
    answer = sink.deliver(batch[1:])
    assert answer == Deferred("500; no mail")
    slack.answer = Sent()
    assert sink.deliver(batch[1:]) == Delivered()
    assert len(slack.taken) == 2


def test_a_part_of_a_batch_that_was_told_is_settled() -> None:
    """What comes before the one that waits is not told again."""
    slack = Fake("slack")
    sink = sink_of(slack)

    def once(notice: Notice) -> Sent | NotSent:
        slack.answer = NotSent("500")
        slack.taken.append(notice.action)
        return Sent()

    first = Fake("slack")
    first.notify = once  # type: ignore[method-assign]
    sink = sink_of(first, tries=1)
    first_then = sink.deliver([page(1)])
    assert first_then == Delivered()
    broken = sink_of(Fake("slack", answer=NotSent("500")))
    assert broken.deliver([page(1, targets=["x"]), page(2)]) == Deferred("500", upto=1)


def test_what_everybody_refuses_for_good_is_a_dead_letter() -> None:
    """A page that no try can help stands in no other's way, and is kept with its reason."""
    sink = sink_of(Fake("slack", answer=NotSent("400: no", final=True)))
    answer = sink.deliver([page(1), page(2, targets=["x"])])
    assert isinstance(answer, Rejected)
    assert answer.refusals[1].reason == "400: no"


def test_an_event_that_is_none_is_refused() -> None:
    """It waits for nobody."""
    answer = sink_of(Fake("slack")).deliver([page(1, action="shout")])
    assert isinstance(answer, Rejected)


def test_a_page_of_another_source_wakes_nobody() -> None:
    """Only the orchestrator wakes people, whatever got into the log."""
    slack = Fake("slack")
    answer = sink_of(slack).deliver([page(1, source="urn:evil")])
    assert isinstance(answer, Rejected)
    assert slack.asked == []


def test_an_end_is_told_to_all_that_heard_the_beginning() -> None:
    """Mail took the page while Slack was away; both hear that it is over, and PagerDuty in any case."""
    slack, mail, pager = Fake("slack", answer=NotSent("500")), Fake("mail"), Fake("pager", keeps=True)
    sink = sink_of(slack, mail, pager)
    sink.deliver([page(dedup_key="k")])
    slack.answer = Sent()
    for link in sink.chain:
        link.resting_until = 0.0
    assert sink.deliver([page(dedup_key="k", action="resolve")]) == Delivered()
    assert slack.taken == [Action.RESOLVE]
    assert mail.taken == [Action.TRIGGER, Action.RESOLVE]
    assert pager.taken == [Action.RESOLVE]


def test_an_end_that_one_of_them_never_hears_does_not_hold_up_pages_for_ever() -> None:
    """It is handed over a few times, told to nobody twice, and then let go."""
    slack, pager = Fake("slack"), Fake("pager", keeps=True, answer=NotSent("403"))
    sink, end = sink_of(slack, pager), page(action="resolve")
    for _ in range(MOST_TURNS - 1):
        assert isinstance(sink.deliver([end]), Deferred)
    assert sink.deliver([end]) == Delivered()
    assert slack.taken == [Action.RESOLVE]


def test_what_hangs_is_left_behind_within_its_time() -> None:
    """A target that never answers costs its seconds once; while it hangs it is not asked again."""
    let_go = Event()

    class Hanging(Fake):
        def notify(self, notice: Notice) -> Sent | NotSent:
            self.asked.append(notice)
            let_go.wait(30)
            return Sent()

    hanging, mail = Hanging("slack"), Fake("mail")
    sink = AlertSink("alerts-slack", "slack", [Link(BoundedNotifier(hanging, 0.2)), Link(mail)])
    began = monotonic()
    assert sink.deliver([page(), page()]) == Delivered()
    assert monotonic() - began < 5
    assert (len(hanging.asked), len(mail.taken)) == (1, 2)
    again = BoundedNotifier(hanging, 0.2)
    for expected in ("did not answer within 0.2 s", "still hangs"):
        answer = again.notify(mail.asked[0])
        assert isinstance(answer, NotSent)
        assert expected in answer.reason
    let_go.set()


def test_a_target_that_breaks_is_told_without_its_error() -> None:
    """The text of a client's error may hold its URL."""

    class Broken(Fake):
        def notify(self, notice: Notice) -> Sent | NotSent:
            raise OSError(f"https://hooks.example/s3cr3t {notice.key}")

    answer = BoundedNotifier(Broken("slack"), 1.0).notify(replace(_notice()))
    assert answer == NotSent("slack raised OSError")


def _notice() -> Notice:
    slack = Fake("slack")
    sink_of(slack).deliver([page()])
    return slack.asked[0]


@pytest.mark.parametrize("answer", [Sent(), NotSent("500")])
def test_an_update_is_told_to_the_first_that_takes_it_alone(answer: Sent | NotSent) -> None:
    """PagerDuty at the end of a chain does not hear of what it was never told."""
    slack, mail, pager = Fake("slack", answer=answer), Fake("mail"), Fake("pager", keeps=True)
    assert sink_of(slack, mail, pager).deliver([page(action="update")]) == Delivered()
    assert [len(slack.taken), len(mail.taken), len(pager.taken)].count(1) == 1
    assert pager.asked == []
