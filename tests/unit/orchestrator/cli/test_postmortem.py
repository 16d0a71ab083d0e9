"""`redrive postmortem`: impact, detection, decisions, attempts, what worked, gaps, follow-ups; from recorded facts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from orchestrator.cli.exits import DONE
from orchestrator.domain.errors import RedriveError
from orchestrator.warehouse.schema import STORE, model_cost_logs
from tests.recovery import failed_event, redelivered_event
from tests.unit.orchestrator.cli.test_operating import ESCAPE, outage, said
from tests.unit.orchestrator.domain.test_markdown import HOSTILE, Page

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tests.unit.orchestrator.api.conftest import Served

OF_A_PAGE = {"h1", "h2", "ul", "li", "p", "strong", "pre", "code"}


def told(api: Served, incident: str) -> dict[str, Any]:
    """Give the postmortem as data."""
    found: dict[str, Any] = json.loads(said(api, "postmortem", incident, "--json").stdout)
    return found


def page(api: Served, incident: str) -> str:
    """Give the postmortem as a page."""
    done = said(api, "postmortem", incident)
    assert done.exit_code == DONE, done.output
    return done.stdout


def recovered(api: Served, each: int = 3) -> str:
    """Let some tasks fail, be planned, and recover; gives the incident."""
    incident = outage(api, each=each)
    api.scene.later(400)
    api.scene.plan()
    for _ in range(4):
        api.scene.later(600)
        api.scene.answer(api.scene.release())
    assert api.scene.incident.closed
    return incident


def test_a_recovered_incident_is_told_in_figures(api: Served) -> None:
    """Tasks, minutes, when it was noticed, what was decided by which execution, first attempts, what worked."""
    incident = recovered(api)
    found = told(api, incident)
    assert (found["size"], found["failures"]["tasks"], found["failures"]["states"]) == (3, 3, {"recovered": 3})
    assert found["detection"]["seconds_to_resolve"] == found["seconds"] > 1_000
    tried = found["tried"]
    assert (tried["first_attempts"], tried["first_successes"], tried["duplicates"]) == (3, 3, 0)
    assert tried["by_plan"] == {"retry": {"succeeded": 3}}
    assert found["worked"] == ["retry by execution e-1: 3 of 3 first attempts succeeded, 3 tasks came back by it"]
    plans = [each for each in found["decisions"] if each["what"] == "plan.accepted"]
    assert [(each["execution_id"], each["at"] is not None) for each in plans] == [("e-1", True)]
    assert found["follow_ups"] == []


def test_a_page_has_all_sections(api: Served) -> None:
    """The same in Markdown, each section with what is recorded, or that nothing is."""
    text = page(api, recovered(api))
    for each in (
        "# Postmortem: app.call", "## Impact", "3 tasks in 3 failures (3 recovered)", "## Detection", "(MTTR)",
        "## Decisions", "plan retry", "## Attempts", "3 of 3 first attempts succeeded", "0 duplicate runs",
        "## What worked", "## Gaps", "nobody acknowledged it", "## Follow-ups", "none follows from what is recorded",
        "## Timeline", "## The first failure", "**Money**: not recorded",
    ):  # fmt: skip
        assert each in text, each


def test_what_nobody_did_is_a_gap(api: Served) -> None:
    """For how long nobody acted, who owned it, what was not noted; nothing is made up in its place."""
    incident = outage(api, each=2, declaration={"dependency": None, "idempotent": False})
    api.scene.later(7_200)
    found = told(api, incident)
    assert "nothing and nobody acted on it for 2 h 0 min" in found["gaps"]
    assert "nobody owned it" in found["gaps"]
    assert found["money"] is None
    assert found["detection"]["seconds_to_resolve"] is None
    assert any("2 of app.call wait for a person" in each for each in found["follow_ups"])
    assert any(each.startswith("it is not over at") for each in found["follow_ups"])
    assert "**Closed** (MTTR): not yet" in page(api, incident)


def test_who_knew_of_it_and_who_held_it_is_told(api: Served) -> None:
    """MTTA from the acknowledgement; a hold in seconds, and who decided it and why."""
    incident = outage(api, each=1)
    api.scene.later(60)
    said(api, "hold", "--incident", incident, "--yes", "--reason", "a deploy")
    api.scene.later(120)
    said(api, "release", "--incident", incident, "--yes", "--reason", "done")
    with api.scene.ledger.transaction() as tx:
        now = api.scene.now
        tx.save_incident(replace(api.scene.incident, acknowledged_by="ann", acknowledged_at=now, owner="ann"))
    found = told(api, incident)
    assert found["held_seconds"] == 120
    assert found["detection"]["seconds_to_acknowledge"] == 180
    assert "nobody acknowledged it" not in found["gaps"]
    commands = [each["text"] for each in found["decisions"] if each["what"].startswith("command.")]
    assert any("a deploy" in each for each in commands)
    assert "**Held** by people for 2 min 0 s" in page(api, incident)


def test_a_run_that_the_broker_brought_again_is_what_worked(api: Served) -> None:
    """A failure that recovered without a redrive is no first attempt."""
    api.scene.take_in(failed_event(0, redelivery=True), redelivered_event(0))
    found = told(api, str(api.scene.incident.id))
    assert found["worked"] == ["1 failure recovered without a redrive, by the broker's delivery"]
    assert found["tried"]["first_attempts"] == 0


def test_money_is_what_the_warehouse_has_of_its_tasks(api: Served, tmp_path: Path) -> None:
    """Calls of its tasks while it lasted, exactly; of other tasks, and of another time, none."""
    url = f"sqlite:///{tmp_path}/warehouse.sqlite"
    STORE.migrate(url)
    api.warehouse = STORE.open(url)
    api.again()
    incident = outage(api, each=2)
    opened = api.scene.incident.opened_at
    rows = [("t0", opened, "0.1000000001"), ("t1", opened, "0.2"), ("t1", opened, None), ("t9", opened, "5")]
    rows.append(("t0", opened - timedelta(days=1), "7"))
    with api.warehouse.begin() as connection:
        for task, at, usd in rows:
            connection.execute(model_cost_logs.insert().values(**call(task, at, usd)))
    money = told(api, incident)["money"]
    assert (money["usd"], money["calls"], money["unpriced"]) == ("0.3000000001", 3, 1)
    assert "0.3000000001 USD for 3 model calls, 1 of them without a price" in page(api, incident)


def call(task: str, at: datetime, usd: str | None) -> dict[str, Any]:
    """Give the row of one model call."""
    return {
        "id": str(uuid4()), "model": "m", "provider": "p", "tokens_input": 1, "tokens_output": 1, "created_at": at,
        "usd_cost": Decimal(usd) if usd else None, "pricing_status": "priced", "event_source": "s", "task_id": task,
    }  # fmt: skip


@pytest.mark.parametrize("evil", [*HOSTILE, ESCAPE, "x" * 3_000], ids=lambda each: repr(each)[:30])
def test_what_others_wrote_means_nothing_in_the_page(api: Served, evil: str) -> None:
    """Names, messages, tracebacks, reasons, owners: no tag, no link, no picture, no heading of theirs."""
    evil = evil.replace("\x00", "")  # no task's name may hold one
    exception = failed_event().data["exception"] | {
        "type": f"x.{evil}",
        "message": evil,
        "traceback": f"{evil}\n{evil}",
    }
    named = {"task": f"app.{evil}"[:400], "declaration": {"dependency": f"m{evil}"[:190], "idempotent": True}}
    incident = outage(api, each=1, exception=exception, worker=evil[:100] or "w", **named)
    api.ask("POST", f"/api/v1/incidents/{incident}/hold", {"reason": f"so {evil}"[:400]})
    with api.scene.ledger.transaction() as tx:
        tx.save_incident(replace(api.scene.incident, owner=evil[:100]))
    source = page(api, incident)
    found = Page(source)
    assert found.tags <= OF_A_PAGE
    assert [each for each in found.attributes if each[0] != "id"] == []
    assert found.comments == []
    assert not {"\x1b", "\x07", "\u202e", "\x00"} & set(source)


def test_an_incident_that_is_not_known_is_said_to_be_so(api: Served) -> None:
    """An error in words, with what to type."""
    assert isinstance(said(api, "postmortem", str(uuid4())).exception, RedriveError)
