"""Accepting: both ways in are one way; each event is answered for, and none takes another with it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from eventbus.wire import GOVERNANCE_RECORDED, LLM_CALL, SPAN_ENDED, TASK_FAILED, Event, encode
from orchestrator.domain.errors import DependencyUnreachable, LogFull, Unstorable
from orchestrator.domain.events import Appended, EventRecord, Lane, Price, PricingStatus
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.accepting import Accepting, Arrival, Fate
from tests.events import event
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PickyLog(MemoryEventLog):
    """A log that has room for some types only, and cannot hold some ids."""

    def __init__(self, *, full_for: tuple[str, ...] = (), refuses: str = "\0") -> None:
        super().__init__()
        self.full_for = full_for
        self.refuses = refuses

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Refuse all, as the port has it."""
        if any(each.type in self.full_for for each in records):
            raise LogFull(7.0)
        if any(each.id == self.refuses for each in records):
            raise Unstorable("event log", "so")
        return super().append(records)


class CutOff:
    """A ledger that is away."""

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Raise."""
        raise DependencyUnreachable("the ledger", "cut off")
        yield


def fates(scene: Scene, *events: Event) -> list[Fate]:
    """Hand events in as HTTP does."""
    return [each.fate for each in Accepting(scene.intake).accept([Arrival(each) for each in events])]


def kept(scene: Scene) -> list[str]:
    """Name what the log holds."""
    return sorted(each.record.id for lane in Lane for each in scene.log.read(lane, 0, 10_000))


def test_an_event_of_the_bus_and_the_same_over_http_are_one() -> None:
    """Whichever comes first, the other is a duplicate, and the ledger has one failure."""
    scene = Scene()
    scene.intake.handle([encode([failed_event(0)])])
    again = failed_event(0)
    first_over_http = failed_event(1)
    assert fates(scene, first_over_http)[0] is Fate.ACCEPTED
    scene.intake.handle([encode([first_over_http])])
    assert scene.incident.size == 2
    assert fates(scene, replace(again, id=first_over_http.id))[0] is Fate.DUPLICATE


def test_a_failure_over_http_opens_an_incident() -> None:
    """What recovery needs goes into the ledger too."""
    scene = Scene()
    assert fates(scene, failed_event(0), event()) == [Fate.ACCEPTED, Fate.ACCEPTED]
    assert scene.incident.size == 1


def test_new_known_and_twice_in_one_batch_are_told_apart() -> None:
    """Of a batch that is new in part, each event is told what became of it, however the clock goes."""
    scene = Scene()
    known, new = event(event_id="a"), event(event_id="b")
    assert fates(scene, known) == [Fate.ACCEPTED]
    assert fates(scene, known, new, new) == [Fate.DUPLICATE, Fate.ACCEPTED, Fate.DUPLICATE]
    assert fates(scene, known, new) == [Fate.DUPLICATE, Fate.DUPLICATE]


def test_what_cannot_be_held_takes_no_other_with_it() -> None:
    """NaN, data that is nested too deeply, what log or ledger cannot hold: refused alone, with the reason."""
    scene = Scene(log=PickyLog(refuses="unstorable"))
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"a": deep}
    broken = replace(failed_event(0), data={"failure_id": "no"})
    events = [event(event_id="good"), event(SPAN_ENDED, {"n": float("nan")}), event(SPAN_ENDED, deep), broken]
    events += [event(event_id="unstorable"), event(event_id="good too")]
    verdicts = Accepting(scene.intake).accept([Arrival(each) for each in events])
    assert [each.fate for each in verdicts] == [Fate.ACCEPTED, *[Fate.REFUSED] * 4, Fate.ACCEPTED]
    assert "data.n" in str(verdicts[1].why)
    assert kept(scene) == ["good", "good too"]


def test_a_full_log_still_takes_failures() -> None:
    """Where there is no room for telemetry, failures of the same batch are accepted, and the rest is told when."""
    scene = Scene(log=PickyLog(full_for=(LLM_CALL, GOVERNANCE_RECORDED)))
    batch = [event(), failed_event(0), event(GOVERNANCE_RECORDED, {}), failed_event(1)]
    verdicts = Accepting(scene.intake).accept([Arrival(each) for each in batch])
    assert [each.fate for each in verdicts] == [Fate.FULL, Fate.ACCEPTED, Fate.FULL, Fate.ACCEPTED]
    assert verdicts[0].retry_after == 7.0
    assert scene.incident.size == 2


def test_telemetry_asks_nothing_of_the_ledger() -> None:
    """Events that only sinks want are accepted while the ledger is away."""
    scene = Scene()
    assert Accepting(replace(scene.intake, ledger=CutOff())).accept([Arrival(event())])[0].fate is Fate.ACCEPTED


def test_what_the_ledger_did_not_hear_is_heard_when_it_comes_again() -> None:
    """A failure that reached the log alone is not answered for; sent again, it is in the ledger too."""
    scene = Scene()
    failure = Arrival(failed_event(0))
    with pytest.raises(DependencyUnreachable):
        Accepting(replace(scene.intake, ledger=CutOff())).accept([failure])
    assert Accepting(scene.intake).accept([failure])[0].fate is Fate.DUPLICATE
    assert scene.incident.size == 1


def test_model_calls_are_priced_at_the_door() -> None:
    """A model call that comes over HTTP has its price in the log, as one of the bus has."""

    class Pricing:
        def price(self, _data: object, _at: object) -> Price:
            return Price(PricingStatus.MISSING, version="v")

    scene = Scene()
    Accepting(replace(scene.intake, pricing=Pricing())).accept([Arrival(event(event_id="a"))])
    (stored,) = scene.log.read(Lane.PRIORITY, 0, 10)
    assert stored.record.price == Price(PricingStatus.MISSING, version="v")


def test_a_body_of_its_own_is_kept_as_it_came() -> None:
    """What is not in our form is filed with its own bytes."""
    scene = Scene()
    body = orjson.dumps({"specversion": "1.0", "data": [1, 2]})
    Accepting(scene.intake).accept([Arrival(event("com.example.thing", {}), body)])
    (stored,) = scene.log.read(Lane.TELEMETRY, 0, 10)
    assert stored.record.body == body


def test_many_events_go_in_several_commits() -> None:
    """A batch beyond what one commit takes is answered for event by event, in its order."""
    scene = Scene()
    events = [event(event_id=f"{number:04}") for number in range(1_201)]
    events[700] = replace(events[700], type=TASK_FAILED, data={})
    told = fates(scene, *events)
    assert [number for number, fate in enumerate(told) if fate is not Fate.ACCEPTED] == [700]
    assert len(kept(scene)) == 1_200
