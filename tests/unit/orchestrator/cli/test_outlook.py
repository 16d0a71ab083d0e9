"""The table of incidents at 80 columns: what a person decides by stays readable."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.cli.lines import cells
from orchestrator.cli.outlook import outlook

NOW = datetime(2026, 11, 20, 12, 0, 35, tzinfo=UTC)
WIDTH = 80


def incident(**changes: Any) -> dict[str, Any]:
    """Give an incident of a night, as the list of the API has it."""
    task = "payments.charge"
    return {
        "id": "fcbdcfcd-0000-4000-8000-000000000001",
        "opened_at": "2026-11-20T12:00:00+00:00",
        "size": 14_000,
        "task": task,
        "signature": f"{task} requests.exceptions.ConnectionRefusedError connection refused #1",
        "dependency": "payments-api",
        "plan": {"name": "retry"},
        "state": "waiting",
        "held_by": None,
        "owner": None,
    } | changes


def row(health: str, **changes: Any) -> str:
    """Give its line in the table."""
    head, line = outlook([incident(**changes)], {"payments-api": health, "x" * 200: health}, NOW, WIDTH)
    assert cells(head) <= WIDTH
    assert cells(line) <= WIDTH
    return line


@pytest.mark.parametrize("owner", [None, "ada"])
@pytest.mark.parametrize("health", ["healthy", "suspect", "down", "recovering", "held"])
@pytest.mark.parametrize("dependency", ["payments-api", "x" * 200], ids=["short", "long"])
def test_the_health_is_whole_and_the_name_alone_is_cut(health: str, dependency: str, owner: str | None) -> None:
    """Whatever the name and whoever owns it: a space and the whole word."""
    line = row(health, owner=owner, dependency=dependency)
    assert f" {health} " in line
    assert dependency[:2] in line


@pytest.mark.parametrize("task", ["payments.charge", "shop.eu.payments.charge"])
def test_the_task_s_last_two_parts_stand(task: str) -> None:
    """Two applications that both have a `charge` are told apart, with something of what went wrong."""
    line = row("recovering", task=task, signature=f"{task} requests.ConnectionRefusedError refused #1")
    assert " payments.charge " in line
    assert "Con" in line


def test_a_closed_incident_tells_no_health() -> None:
    """What its dependency does today is nothing of it."""
    line = row("recovering", state="recovered")
    assert "payments-api" in line
    assert "recovering" not in line


def test_owners_have_a_column_where_there_are_any() -> None:
    """Without any, its cells are those of what failed."""
    head, *_ = outlook([incident()], {}, NOW, WIDTH)
    assert "owner" not in head
    head, line, other = outlook([incident(owner="ada"), incident()], {}, NOW, WIDTH)
    assert head.split()[-1] == "owner"
    assert (line.split()[-1], other.split()[-1]) == ("ada", "-")
