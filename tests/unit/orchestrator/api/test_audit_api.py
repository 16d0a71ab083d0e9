"""Whether the audit's chain holds, over HTTP: it is held to all that the event log has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import text

from eventbus.wire import AUDIT_RECORDED, Event
from orchestrator.flows import verifying
from orchestrator.flows.filing import record_of
from orchestrator.flows.outbox import OutboxCopier
from tests.contracts.conftest import unguarded
from tests.recovery import NOON
from tests.unit.orchestrator.api.test_deskwork_api import AUDIT, opened, patched
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    import pytest

    from tests.unit.orchestrator.api.conftest import Served


def copied(api: Served) -> None:
    """Have the event log know all that the ledger has told."""
    while OutboxCopier(api.scene.ledger, api.scene.log).run_once():
        pass


def cut(api: Served, last: int) -> None:
    """Take the end of the chain away, as the owner of the database can."""
    with api.scene.ledger.transaction() as tx, unguarded(tx._plain):
        tx._plain.execute(text("DELETE FROM audit WHERE seq > :last"), {"last": last})


def test_the_chain_is_verified_against_the_event_log(api: Served) -> None:
    """It holds; with its end taken away it fits in itself, and the event log shows it; a noted head too."""
    path = opened(api)
    for name in ("a", "b"):
        patched(api, path, owner=name)
    copied(api)
    told = api.ask("GET", f"{AUDIT}/verify").json()
    assert (told["holds"], told["entries"], told["fault"]) == (True, 2, None)
    assert told["exported"] == 2
    cut(api, 1)
    told = api.ask("GET", f"{AUDIT}/verify").json()
    assert (told["holds"], told["fault"]["seq"]) == (False, 2)
    assert "the event log has entry 2: its end is gone" in told["fault"]["why"]
    api.scene.log._events.clear()
    assert api.ask("GET", f"{AUDIT}/verify").json()["holds"]
    assert not api.ask("GET", f"{AUDIT}/verify?seq=2&hash={'a' * 64}").json()["holds"]
    refused(api.ask("GET", f"{AUDIT}/verify?seq=2"), 422, "invalid-request")
    wrong = api.ask("GET", f"{AUDIT}/verify?after=1&former={'a' * 64}").json()
    assert (wrong["entries"], wrong["holds"]) == (1, True)  # nothing is behind it any more


def test_an_end_that_was_taken_away_shows_however_much_came_after_it(api: Served) -> None:
    """New entries take the numbers of those that are gone; the event log still has the old ones, with their hashes."""
    path = opened(api)
    for number in range(10):
        patched(api, path, owner=f"o{number}")
    copied(api)
    cut(api, 4)
    for number in range(7):
        patched(api, path, owner=f"p{number}")
    copied(api)
    told = api.ask("GET", f"{AUDIT}/verify").json()
    assert (told["holds"], told["fault"]["seq"]) == (False, 5)
    assert "rewritten" in told["fault"]["why"]


def test_what_others_put_into_the_log_is_nobodys_word_about_the_audit(api: Served) -> None:
    """Entries that another source tells neither hide an end that is gone nor raise an alarm."""
    path = opened(api)
    for number in range(3):
        patched(api, path, owner=f"o{number}")
    copied(api)
    entry = api.ask("GET", AUDIT).json()["entries"][0]
    forged = [Event(str(uuid4()), "urn:evil", AUDIT_RECORDED, NOON, entry | {"hash": "a" * 64})]
    api.scene.log.append([record_of(each) for each in forged])
    assert api.ask("GET", f"{AUDIT}/verify").json()["holds"]
    cut(api, 2)
    api.scene.log.append([record_of(Event(str(uuid4()), "urn:evil", AUDIT_RECORDED, NOON, entry)) for _ in range(9)])
    assert api.ask("GET", f"{AUDIT}/verify").json()["fault"]["seq"] == 3


def test_a_log_of_many_entries_is_looked_through_in_stretches(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request goes on where the one before has stopped, in the log as in the chain."""
    path = opened(api)
    for number in range(5):
        patched(api, path, owner=f"o{number}")
    copied(api)
    monkeypatch.setattr(verifying, "LOOKED_AT", 4)
    monkeypatch.setattr(verifying, "MOST_PAGES", 1)
    told = api.ask("GET", f"{AUDIT}/verify").json()
    seen, turns = told["exported"], 1
    assert not told["complete"]
    while not told["complete"]:
        asked = f"after={told['entries']}&former={told['hash']}&place={told['place']}"
        told = api.ask("GET", f"{AUDIT}/verify?{asked}").json()
        seen, turns = seen + told["exported"], turns + 1
    assert (seen, told["holds"]) == (5, True)
    assert turns > 2
