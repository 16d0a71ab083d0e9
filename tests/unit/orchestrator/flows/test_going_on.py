"""Alerts that go on: what opened again, whose acknowledgement is over, or what others have joined is told again."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from orchestrator.domain.incidents import Severity
from orchestrator.domain.ladders import Ladder, Level, Watch
from orchestrator.flows.alert_desk import Asked, Word, acknowledge_alert, escalate
from orchestrator.flows.deskwork import IncidentUpdate, update_incident
from tests.alerting import LADDER, WATCH, Desk

ONE_LEVEL = Watch({"n": Ladder("n", (Level("page", ("pager",)),))}, "n")
AGAIN = replace(WATCH, ladders={"night": replace(LADDER, again_after=1_800)})


def word(desk: Desk, who: str = "ann") -> Word:
    """Say something now."""
    return Word(who, "on it", desk.now, uuid4)


def acknowledge(desk: Desk, who: str = "ann") -> None:
    """Have somebody acknowledge the newest alert, and let it be seen."""
    with desk.ledger.transaction() as tx:
        acknowledge_alert(tx, tx.alerts([], 1)[0].id, word(desk, who))
    desk.look(1)


def watched(desk: Desk, minutes: int) -> None:
    """Let minutes pass, and look each minute."""
    for _ in range(minutes):
        desk.look(60)


def triggers(desk: Desk) -> list[int]:
    """Give the levels that were told."""
    return [level for action, level, _ in desk.steps() if action == "trigger"]


def test_an_outage_behind_a_flap_is_told_once_more() -> None:
    """What comes back within the flapping time and stays is no flap: after that time somebody is woken, once."""
    desk = Desk(ONE_LEVEL)
    incident = desk.open()
    desk.look(1)
    desk.close(incident.id)
    desk.look(60)
    desk.look(700)
    desk.open()
    watched(desk, 14)
    assert triggers(desk) == [1]
    watched(desk, 8 * 60)
    assert triggers(desk) == [1, 1]
    assert "it goes on" in desk.told()[-1]["text"]


def test_what_opens_again_long_after_its_page_is_told_at_once() -> None:
    """Whoever was woken an hour ago, and saw it end, does not wait for the flapping time."""
    desk = Desk(ONE_LEVEL)
    incident = desk.open()
    desk.look()
    desk.look(7_200)
    desk.close(incident.id)
    desk.look(60)
    desk.open()
    desk.look(1)
    assert triggers(desk) == [1, 1]


def test_the_whole_ladder_is_climbed_again_where_all_of_it_was_told_before_the_flap() -> None:
    """Each level by its own conditions, its seconds from when it opened again."""
    desk = Desk()
    incident = desk.open(size=5_000)
    desk.look()
    desk.look(3_600)
    acknowledge(desk)
    desk.close(incident.id)
    desk.look(60)
    desk.look(700)
    desk.open(size=50_000)
    watched(desk, 120)
    assert triggers(desk) == [2, 3, 2, 3]


def test_whose_time_is_over_may_acknowledge_again() -> None:
    """The desk of alerts takes the same person's word once more, and the ladder stops for as long."""
    desk = Desk(AGAIN)
    desk.open()
    desk.look(1)
    acknowledge(desk)
    desk.look(1_801)
    acknowledge(desk)
    desk.look(1_700)
    assert [action for action, _, _ in desk.steps()] == ["trigger", "acknowledge", "acknowledge"]


def test_the_desk_of_incidents_takes_a_second_word_too() -> None:
    """The same person says it again on the incident: it is a change where their first word is over, else none."""
    desk = Desk(AGAIN)
    incident = desk.open()
    desk.look(1)

    def changed() -> bool:
        asked = IncidentUpdate(uuid4(), "ann", "on it", desk.now, {"acknowledge": True})
        with desk.ledger.transaction() as tx:
            return update_incident(tx, incident.id, asked).changed

    assert (changed(), changed()) == (True, False)
    desk.look(1)
    desk.look(1_801)
    assert changed()


def test_nobody_answers_once_an_acknowledgement_is_over_so_the_ladder_begins_anew() -> None:
    """At the top of the ladder too somebody is told again."""
    desk = Desk(AGAIN)
    desk.open(size=5_000)
    desk.look()
    desk.look(3_600)
    acknowledge(desk)
    desk.look(1_801)
    watched(desk, 20)
    assert triggers(desk)[:2] == [2, 3]
    assert len(triggers(desk)) > 2


def test_an_alert_names_whoever_acknowledged_it_last() -> None:
    """A second person takes it over."""
    desk = Desk()
    incident = desk.open()
    desk.look()
    acknowledge(desk)
    desk.change(incident.id, acknowledged_by="bo", acknowledged_at=desk.now)
    desk.look(1)
    with desk.ledger.reading() as tx:
        assert tx.alerts([], 1)[0].acknowledged_by == "bo"


def test_a_storm_lasts_until_its_last_incident_is_over() -> None:
    """Not until its largest is."""
    desk = Desk()
    large, small = desk.open(size=1_000, signature="a"), desk.open(size=1, signature="b")
    desk.look()
    desk.close(large.id)
    desk.look(7_200)
    desk.close(small.id)
    desk.look(1)
    with desk.ledger.reading() as tx:
        assert tx.alerts([], 1)[0].seconds_to_resolve == 7_200


def test_another_ladder_counts_from_its_own_pages() -> None:
    """What the old ladder told says nothing of how long the new one is unanswered."""
    ladders = {
        "a": Ladder("a", (Level("a1", ("slack",)),)),
        "b": Ladder("b", (Level("b1", ("dev",)), Level("b2", ("boss",), unanswered=600))),
    }
    desk = Desk(Watch(ladders, "a"))
    incident = desk.open()
    desk.look()
    desk.look(7_200)
    with desk.ledger.transaction() as tx:
        escalate(tx, incident.id, Asked(ladder="b"), word(desk), desk.watch)
    desk.look(1)
    desk.look(500)
    assert [targets for _, _, targets in desk.steps()] == [["slack"], ["dev"]]
    desk.look(100)
    assert desk.steps()[-1][2] == ["boss"]


def test_what_comes_long_after_the_acknowledgement_of_a_storm_is_told() -> None:
    """Who answered for the old incidents does not know of the new one: it has a page and a key of its own."""
    desk = Desk()
    for number in range(5):
        desk.open(dependency="model", signature=f"s{number}", size=1_000)
    desk.look(1)
    desk.look(3_000)
    acknowledge(desk)
    desk.look(901)
    told = len(triggers(desk))
    for number in range(4):
        desk.open(dependency="model", signature=f"n{number}", size=9_000, severity=Severity.CRITICAL)
        desk.look(1)
    assert len(triggers(desk)) == told + 1
    assert len({each["dedup_key"] for each in desk.told()}) == 2
