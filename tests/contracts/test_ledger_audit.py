"""What the audit of every ledger must do: grow in one chain, be found, refuse changes; memory, SQLite, PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from eventbus.wire import AUDIT_RECORDED
from orchestrator.domain.auditing import NO_HASH, AuditEntry, AuditQuery, Deed, Origin
from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.errors import RedriveError
from orchestrator.flows.verifying import Anchor, Verdict, verify
from orchestrator.ledger.audit_schema import audit
from tests.contracts.conftest import of_another_process, unguarded
from tests.recovery import NOON, dispatch, failure, filed

if TYPE_CHECKING:
    from typing import Any

    from orchestrator.ledger.sql import SqlLedger

SWAP = "UPDATE audit SET reason = CASE seq WHEN 2 THEN 'why 3' WHEN 3 THEN 'why 2' ELSE reason END"
INSERTED = (
    "INSERT INTO audit SELECT 5, :id, at, actor, origin, verb, reason, failure_id, incident_id, dependency,"
    " recovery_id, sink, event, execution_id, rule, forced, overrides, before, after, revision, former, hash"
    " FROM audit WHERE seq = 2"
)


def deed(number: int = 1, **changes: Any) -> Deed:
    """Make something that somebody did."""
    made = Deed(
        id=uuid4(),
        at=NOON + timedelta(seconds=number),
        actor="ann",
        origin=Origin.PERSON,
        verb="hold",
        reason=f"why {number}",
    )
    return replace(made, **changes)


def grown(ledger: SqlLedger, entries: int = 4) -> list[AuditEntry]:
    """Let the audit grow by so many."""
    with ledger.transaction() as tx:
        return [tx.audit(deed(number, before={"n": 0.1}, after={"n": number})) for number in range(1, entries + 1)]


def tampered(ledger: SqlLedger, *statements: str) -> None:
    """Change rows as the owner of the database can."""
    with ledger._engine.begin() as connection, unguarded(connection):
        for each in statements:
            parameters = {"id": uuid4().hex} if ":id" in each else {}
            connection.execute(text(each), parameters)


def test_an_entry_comes_back_whole_and_follows_the_one_before(ledger: SqlLedger) -> None:
    """Everything that an entry says survives; each has the hash of the former one, the first has zeros."""
    incident = filed(ledger, failure(), revision=7)
    full = deed(
        2, failure_id=uuid4(), incident_id=incident.id, dependency="model", recovery_id=uuid4(), sink="w", event="e",
        execution_id="x-1", rule="redrive.retry", forced=True, overrides=("held", "dúwn"), origin=Origin.RULE,
        before={"a": [None, "naïve \x1b[31m"], "f": 0.1}, after={"at": NOON.isoformat()},
    )  # fmt: skip
    with ledger.transaction() as tx:
        first, second = tx.audit(deed()), tx.audit(full)
    with ledger.reading() as tx:
        assert tx.audit_from(0, 10) == [first, second]
        assert tx.audit_from(1, 10) == [second] == [tx.audit_entry(2)]
        assert tx.audit_entry(3) is None
    assert (first.seq, first.former, first.revision) == (1, NO_HASH, None)
    assert (second.seq, second.former, second.revision) == (2, first.hash, 7)
    assert {name: getattr(second, name) for name in ("reason", "overrides", "before", "rule", "origin")} == {
        "reason": "why 2",
        "overrides": full.overrides,
        "before": full.before,
        "rule": full.rule,
        "origin": Origin.RULE,
    }
    assert verify(ledger) == Verdict(2, second.hash)


def test_every_command_is_an_entry_by_itself(ledger: SqlLedger) -> None:
    """Whoever records a command audits it: what it overrode, and the revision that it left behind; and it is told."""
    incident = filed(ledger, failure(), revision=3)
    command = Command(
        uuid4(), "ann", "now", NOON, CommandKind.RETRY, incident_id=incident.id, dependency="model", forced=True,
        before={"waits_for": ["it is down"]}, after={"failures": 3},
    )  # fmt: skip
    with ledger.transaction() as tx:
        tx.save_incident(incident.changed())
        tx.add_command(command)
        (entry,) = tx.audited(AuditQuery(), 10)
        told = [event for _, event in tx.outbox(10) if event["type"] == AUDIT_RECORDED]
    assert (entry.id, entry.verb, entry.recovery_id, entry.revision) == (command.id, "retry", command.id, 4)
    assert (entry.forced, entry.overrides, entry.origin) == (True, ("it is down",), Origin.PERSON)
    assert [each["data"] for each in told] == [entry.told]


@pytest.mark.parametrize(
    ("actor", "origin"), [("reconciler", "redrive"), ("nobody in time", "redrive"), ("ann", "person")]
)
def test_what_the_orchestrator_commands_itself_is_no_person_s(ledger: SqlLedger, actor: str, origin: str) -> None:
    """What was found missing, or decided because nobody answered, is the orchestrator's own doing."""
    with ledger.transaction() as tx:
        tx.add_command(Command(uuid4(), actor, "so", NOON, CommandKind.APPROVE, after={"recovery_id": str(uuid4())}))
        (entry,) = tx.audited(AuditQuery(), 10)
    assert (entry.actor, entry.origin) == (actor, origin)


def test_a_transaction_that_fails_leaves_no_entry(ledger: SqlLedger) -> None:
    """What was rolled back is in no chain, and the next entry takes its number."""
    grown(ledger, 1)
    failed = deed()
    with pytest.raises(RedriveError), ledger.transaction() as tx:
        [tx.audit(each) for each in (failed, failed)]
    assert grown(ledger, 1)[0].seq == 2
    assert verify(ledger).fault is None


def test_entries_are_found_newest_first_and_in_pages(ledger: SqlLedger) -> None:
    """Each filter must hold; a page begins before the number of the last one's end."""
    incident = filed(ledger, failure())
    made = [
        deed(1), deed(2, actor="bob", dependency="model"), deed(3, incident_id=incident.id, verb="retry"),
        deed(4, forced=True, recovery_id=(recovery := uuid4())), deed(5, origin=Origin.RULE),
    ]  # fmt: skip
    with ledger.transaction() as tx:
        for each in made:
            tx.audit(each)

    def found(limit: int = 10, before: int | None = None, **asked: Any) -> list[int]:
        with ledger.reading() as tx:
            return [each.seq for each in tx.audited(AuditQuery(**asked), limit, before)]

    assert (found(), found(2), found(2, 4)) == ([5, 4, 3, 2, 1], [5, 4], [3, 2])
    assert (found(actor="bob"), found(dependency="model"), found(verb="retry")) == ([2], [2], [3])
    assert (found(incident_id=incident.id), found(forced=True), found(origin=Origin.RULE)) == ([3], [4], [5])
    assert found(recovery_id=recovery) == [4]
    assert found(since=made[1].at, until=made[3].at) == [3, 2]


def test_what_changed_an_incident_since_a_revision(ledger: SqlLedger) -> None:
    """Newest first, and nothing that the revision already knew."""
    incident = filed(ledger, failure(), revision=1)
    with ledger.transaction() as tx:
        for number in range(3):
            incident = incident.changed()
            tx.save_incident(incident)
            tx.audit(deed(number, incident_id=incident.id))
        assert [each.revision for each in tx.changes_of(incident.id, 2, 10)] == [4, 3]
        assert [each.revision for each in tx.changes_of(incident.id, 1, 1)] == [4]
        assert tx.changes_of(incident.id, 4, 10) == []


def test_the_rule_of_an_execution_is_known_by_its_trigger(ledger: SqlLedger) -> None:
    """Where a trigger has learnt its executions, each tells the rule; else nothing is told."""
    incident = filed(ledger, failure())
    with ledger.transaction() as tx:
        tx.add_dispatch(dispatch(incident.id, rules=("redrive.retry",), execution_ids=("x-1",)))
        assert tx.rule_of(incident.id, "x-1") == "redrive.retry"
        assert tx.rule_of(incident.id, "x-2") is None


@pytest.mark.parametrize("statement", ["UPDATE audit SET reason = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_database_refuses_to_change_the_audit(ledger: SqlLedger, statement: str) -> None:
    """Triggers refuse it to everybody who has not taken them away; SQLite empties a table by DELETE."""
    grown(ledger)
    on_sqlite = ledger._engine.dialect.name == "sqlite"
    said = statement.replace("TRUNCATE", "DELETE FROM") if on_sqlite else statement
    with pytest.raises(RedriveError, match="never changed"), ledger.transaction() as tx:
        tx._plain.execute(text(said))
    assert verify(ledger).entries == 4


@pytest.mark.parametrize(
    ("statements", "seq", "why"),
    [
        (("UPDATE audit SET reason = 'another' WHERE seq = 3",), 3, "content was changed"),
        (("UPDATE audit SET actor = 'bob' WHERE seq = 1",), 1, "content was changed"),
        (("UPDATE audit SET after = '{}' WHERE seq = 2",), 2, "content was changed"),
        (("DELETE FROM audit WHERE seq = 2",), 3, "expected entry 2"),
        (("DELETE FROM audit WHERE seq = 1",), 2, "expected entry 1"),
        ((SWAP,), 2, "content was changed"),
        ((INSERTED,), 5, "content was changed"),
        (("DELETE FROM audit WHERE seq = 2", "UPDATE audit SET seq = seq - 1 WHERE seq > 2"), 2, "content was changed"),
    ],
)
def test_the_first_entry_that_does_not_fit_is_named(
    ledger: SqlLedger, statements: tuple[str, ...], seq: int, why: str
) -> None:
    """Changed, removed, swapped, inserted, removed and counted anew: the walk ends at the first misfit."""
    grown(ledger)
    tampered(ledger, *statements)
    fault = verify(ledger).fault
    assert fault is not None
    assert fault.seq == seq
    assert why in fault.why


def test_an_end_that_is_gone_shows_by_what_others_have(ledger: SqlLedger) -> None:
    """The chain alone fits without its end: who has the newest hash outside sees it, and a chain that was rewritten."""
    made = grown(ledger)
    outside = Anchor(4, made[-1].hash, "the event log")
    assert verify(ledger, (outside,)).fault is None
    tampered(ledger, "DELETE FROM audit WHERE seq = 4")
    assert verify(ledger).fault is None
    fault = verify(ledger, (outside,)).fault
    assert fault is not None
    assert (fault.seq, "its end is gone" in fault.why) == (4, True)
    grown(ledger, 1)
    fault = verify(ledger, (outside,)).fault
    assert fault is not None
    assert (fault.seq, "rewritten" in fault.why) == (4, True)


def test_who_computes_one_hash_anew_is_found_at_the_next_entry(ledger: SqlLedger) -> None:
    """An entry that was changed and hashed again fits in itself; the one behind it has the hash that it had."""
    made = grown(ledger)
    forged = replace(made[1], reason="another")
    tampered(ledger, f"UPDATE audit SET reason = 'another', hash = '{forged.expected_hash}' WHERE seq = 2")  # noqa: S608 - a hash of ours
    fault = verify(ledger).fault
    assert fault is not None
    assert (fault.seq, "does not follow entry 2" in fault.why) == (3, True)


def test_the_walk_goes_on_over_pages(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain longer than a page is walked whole, and a fault on a later page is found."""
    monkeypatch.setattr("orchestrator.flows.verifying.PAGE", 3)
    grown(ledger, 8)
    assert verify(ledger).entries == 8
    tampered(ledger, "UPDATE audit SET reason = 'x' WHERE seq = 7")
    fault = verify(ledger).fault
    assert fault is not None
    assert fault.seq == 7


def test_a_long_walk_stops_and_goes_on_where_it_was(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how far it came and with which hash; from another hash the next entry does not follow."""
    monkeypatch.setattr("orchestrator.flows.verifying.PAGE", 2)
    monkeypatch.setattr("orchestrator.flows.verifying.MOST", 4)
    made = grown(ledger, 6)
    first = verify(ledger, (Anchor(9, "0" * 64, "somebody"),))
    assert (first.entries, first.hash, first.complete, first.compared_with) == (4, made[3].hash, False, ())
    rest = verify(ledger, (), replace(first, complete=True))
    assert (rest.entries, rest.complete, rest.fault) == (6, True, None)
    fault = verify(ledger, (), Verdict(4, made[2].hash)).fault
    assert fault is not None
    assert (fault.seq, "does not follow" in fault.why) == (5, True)


@pytest.mark.parametrize("apart", [False, True], ids=["threads", "processes"])
def test_several_writers_make_one_chain(ledger: SqlLedger, apart: bool) -> None:
    """Writers that append at once get numbers without a gap: one transaction writes at a time."""
    threads = [Thread(target=grown, args=(of_another_process(ledger) if apart else ledger, 5)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = verify(ledger)
    assert (found.entries, found.fault) == (20, None)


def test_an_entry_is_not_replaced(ledger: SqlLedger) -> None:
    """INSERT OR REPLACE fires no trigger of deletes on SQLite, and PostgreSQL has none such."""
    grown(ledger)
    columns = ", ".join(each.name for each in audit.columns)
    chosen = columns.replace("actor", "'mallory'", 1)
    verb = "INSERT OR REPLACE INTO" if ledger._engine.dialect.name == "sqlite" else "INSERT INTO"
    with pytest.raises(IntegrityError), ledger._engine.begin() as connection:
        connection.execute(text(f"{verb} audit SELECT {chosen} FROM audit WHERE seq = 4"))  # noqa: S608 - names of our own
    with ledger.reading() as tx:
        found = tx.audit_entry(4)
    assert found is not None
    assert found.actor == "ann"
