"""What every ledger does with alerts: rows that come back as they were, and the few that are due."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from orchestrator.domain.alerting import Took
from orchestrator.domain.alerts import Alert, AlertState, Raised, Told
from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.incidents import IncidentState, Severity
from tests import recovery
from tests.alerting import NIGHT, Desk, alert

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger

HOUR = timedelta(hours=1)


def whole() -> Alert:
    """Make an alert that has everything."""
    return alert(
        state=AlertState.FIRING,
        severity=Severity.CRITICAL,
        level=2,
        raised=(Raised(1, "chat", NIGHT), Raised(2, "phone", NIGHT + HOUR)),
        targets=("slack", "pager"),
        owed=("mail",),
        told=Told(AlertState.FIRING, 7, 1, "transient", "down", NIGHT),
        pages=2,
        events=3,
        reopened=1,
        acknowledged_at=NIGHT,
        acknowledged_by="ann",
        seconds_to_acknowledge=12.5,
        seconds_to_resolve=99.0,
        joined_at=NIGHT,
        next_at=NIGHT + HOUR,
    )


def test_an_alert_comes_back_as_it_was(ledger: SqlLedger) -> None:
    """Each part of it, and once more after a change."""
    made = whole()
    with ledger.transaction() as tx:
        tx.save_alert(made)
    with ledger.transaction() as tx:
        assert tx.alert(made.id) == made
        tx.save_alert(replace(made, level=3, owed=()))
    with ledger.reading() as tx:
        assert tx.alert(made.id) == replace(made, level=3, owed=())
        assert tx.alerts([AlertState.FIRING], 10) == [replace(made, level=3, owed=())]
        assert tx.alerts([AlertState.RESOLVED], 10) == []


def test_alerts_are_listed_newest_first_and_in_pages(ledger: SqlLedger) -> None:
    """The page behind one begins with the next older."""
    made = [alert(began_at=NIGHT + number * HOUR) for number in range(3)]
    with ledger.transaction() as tx:
        for each in made:
            tx.save_alert(each)
    with ledger.reading() as tx:
        assert tx.alerts([], 2) == [made[2], made[1]]
        assert tx.alerts([], 2, made[1].id) == [made[0]]


def test_an_alert_is_due_by_its_time_or_by_a_change_of_an_incident(ledger: SqlLedger) -> None:
    """Time, revision, size and end of what it tells of; of one that was resolved nothing is due."""
    incident = recovery.incident(opened_at=NIGHT, size=5)
    made = alert(next_at=NIGHT + HOUR, state=AlertState.FIRING)
    with ledger.transaction() as tx:
        assert tx.add_incident(incident)
        assert tx.without_alert(NIGHT, 10) == [incident]
        tx.save_alert(made)
        tx.join_alert(made.id, incident.id)
        tx.note_looked(made.id, {incident.id: (1, 10, False)})
    with ledger.reading() as tx:
        assert tx.without_alert(NIGHT, 10) == []
        assert tx.due_alerts(NIGHT, 10) == []
        assert tx.due_alerts(NIGHT + HOUR, 10) == [made]
        assert tx.alert_of(incident.id) == made
        assert tx.members_of(made.id) == [incident]
        assert tx.active_alert_on("model") == made
    over = {"state": IncidentState.RECOVERED, "closed_at": NIGHT}
    for changes in ({"revision": 2}, {"size": 10}, over):
        with ledger.transaction() as tx:
            tx.save_incident(replace(incident, **changes))
            assert tx.due_alerts(NIGHT, 10) == [made]
    with ledger.transaction() as tx:
        tx.note_looked(made.id, {incident.id: (1, 10, True)})
        assert tx.due_alerts(NIGHT, 10) == []


def test_the_alert_of_a_look_alike_that_has_just_ended_is_found(ledger: SqlLedger) -> None:
    """By signature and dependency, among those resolved since then."""
    desk = Desk(ledger=ledger)
    incident = desk.open()
    desk.look()
    desk.close(incident.id)
    desk.look(60)
    with ledger.reading() as tx:
        found = tx.resolved_alert_like(incident, NIGHT)
        assert found is not None
        assert found.state is AlertState.RESOLVED
        assert tx.resolved_alert_like(incident, NIGHT + HOUR) is None
        assert tx.resolved_alert_like(replace(incident, dependency="mail"), NIGHT) is None
        assert tx.resolved_alert_like(replace(incident, signature="other"), NIGHT) is None


def test_an_incident_of_which_nobody_is_told_is_looked_at_again_once_it_changes(ledger: SqlLedger) -> None:
    """It is known, and due for nothing, until it is another one, is over, or everything is to be looked at anew."""
    incident = recovery.incident(opened_at=NIGHT)
    with ledger.transaction() as tx:
        assert tx.add_incident(incident)
        tx.tell_nobody(incident)
        assert (tx.without_alert(NIGHT, 10), tx.untold_anew(10)) == ([], [])
        assert tx.due_alerts(NIGHT + HOUR, 10) == []
        assert tx.alert_of(incident.id) is None
        tx.forget_untold()
        assert tx.without_alert(NIGHT, 10) == [incident]
        tx.tell_nobody(incident)
    over = replace(incident.changed(), state=IncidentState.RECOVERED, closed_at=NIGHT)
    for after in (incident.changed(), over):
        with ledger.transaction() as tx:
            tx.save_incident(after)
            assert tx.untold_anew(10) == [after]
            assert tx.due_alerts(NIGHT + HOUR, 10) == []
            tx.tell_nobody(after)
            assert tx.untold_anew(10) == []


def test_failed_redrives_of_incidents_are_counted_up_to_a_number(ledger: SqlLedger) -> None:
    """Only those that failed, of these incidents, and no more than asked for."""
    failed = [recovery.failure(number) for number in range(4)]
    incident = recovery.filed(ledger, *failed)
    release = recovery.release(incident.id)
    states = [AttemptState.SUCCEEDED, *[AttemptState.FAILED] * 3]
    with ledger.transaction() as tx:
        tx.add_release(release)
        for each, state in zip(failed, states, strict=True):
            tx.add_attempt(recovery.attempt(each, release, state=state))
        assert tx.failed_attempts([incident.id], 10) == 3
        assert tx.failed_attempts([incident.id], 2) == 2
        assert tx.failed_attempts([], 2) == 0
        assert tx.tasks_of(incident.id, 3) == ["t0", "t1", "t2"]


def test_alerts_are_counted_by_state_and_their_pages_by_level(ledger: SqlLedger) -> None:
    """Times add up over all alerts that have them."""
    with ledger.transaction() as tx:
        tx.save_alert(whole())
        tx.save_alert(replace(alert(), seconds_to_acknowledge=7.5, raised=(Raised(1, "chat", NIGHT),)))
        tx.save_alert(alert())
    with ledger.reading() as tx:
        tallies = tx.alert_tallies()
    assert tallies.states == {"firing": 1, "waiting": 2}
    assert tallies.pages == {"chat": 2, "phone": 1}
    assert tallies.acknowledged == Took(2, 20.0)
    assert tallies.resolved == Took(1, 99.0)


def test_what_retention_has_taken_is_forgotten_and_nothing_else(ledger: SqlLedger) -> None:
    """Incidents that are there stay known, so that none is told of again."""
    here = recovery.incident(opened_at=NIGHT, signature="here")
    gone = [recovery.incident(signature=f"gone {number}") for number in range(3)]
    made = alert()
    with ledger.transaction() as tx:
        assert tx.add_incident(here)
        tx.save_alert(made)
        for each in (here, *gone):
            tx.join_alert(made.id, each.id)
        tx.note_looked(made.id, {each.id: (1, 1, True) for each in (here, *gone)})
        assert [tx.forget_gone(2), tx.forget_gone(2), tx.forget_gone(2)] == [2, 1, 0]
        assert tx.without_alert(NIGHT, 10) == []
        assert tx.alert_of(here.id) == made
        assert tx.alert_of(gone[0].id) is None


def test_many_incidents_are_acknowledged_at_once(ledger: SqlLedger) -> None:
    """These and no others, over as many statements as it takes; what was read or saved before is not kept beside it."""
    made = [recovery.incident(opened_at=NIGHT, signature=f"s{number}") for number in range(502)]
    with ledger.transaction() as tx:
        assert all(tx.add_incident(each) for each in made)
        tx.save_incident(replace(made[0], size=7))
        tx.acknowledge_incidents([each.id for each in made[:-1]], "ann", NIGHT)
        known = tx.incident(made[0].id)
        found = [tx.incident(each.id) for each in made]
    assert known is not None
    assert (known.size, known.acknowledged_at, known.revision) == (7, NIGHT, made[0].revision + 1)
    assert [each.acknowledged_by for each in found if each] == ["ann"] * 501 + [None]
