"""The table of incidents: what failed, since when, how many, how its dependency is, plan, state, owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.naming import short
from orchestrator.cli.tables import Column, counted, drawn
from orchestrator.cli.times import ago
from orchestrator.domain.incidents import CLOSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from orchestrator.cli.tables import Cell

COLUMNS: Final = (
    Column("id"),
    Column("since", right=True),
    Column("failed", right=True),
    Column("what", 18),
    Column("dependency", 10),
    Column("plan", 6),
    Column("state"),
    Column("owner", 6),
)


def painful(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order incidents: those that are open first, the largest first, and of equal ones the newest first."""
    newest = sorted(found, key=lambda each: str(each["opened_at"]), reverse=True)
    return sorted(newest, key=lambda each: (each["state"] in CLOSED, -each["size"]))


def outlook(
    found: Sequence[dict[str, Any]], health: Mapping[str, str], current: datetime, most: int | None = None
) -> Iterator[str]:
    """Give the table of these incidents as lines, in the order in which they come."""
    ids = [each["id"] for each in found]
    return drawn(COLUMNS, (_row(each, ids, health, current) for each in found), most)


def _row(each: dict[str, Any], ids: Sequence[str], health: Mapping[str, str], current: datetime) -> tuple[Cell, ...]:
    dependency, plan = each["dependency"], each["plan"]
    how = f"{dependency} {health.get(dependency, '')}".rstrip() if dependency else None
    state = "held" if each["held_by"] else each["state"]
    planned = plan["name"] if plan else None
    since = ago(each["opened_at"], current)
    return short(each["id"], ids), since, each["size"], what(each), how, planned, state, each.get("owner")


def what(incident: dict[str, Any]) -> tuple[str, ...]:
    """Say what failed, in several forms: with message, without, and with the last part of the names alone."""
    task, signature = str(incident["task"]), str(incident["signature"])
    kind, _, message = signature.removeprefix(f"{task} ").rpartition(" #")[0].partition(" ")
    name = kind.rpartition(".")[2]
    last = task.rpartition(".")[2]
    return f"{task} {name}: {message}", f"{task} {name}", f"{last} {name}"


def after_list(found: Sequence[dict[str, Any]], hidden: int) -> Iterator[str]:
    """Say what to type next: for the worst of them, and where there are more."""
    ids = [each["id"] for each in found]
    if hidden:
        yield f"{counted(hidden, 'more incident')}: redrive incidents list --limit 1000"
    if found:
        yield f"next: redrive incidents show {short(ids[0], ids)}"
    if found and found[0]["state"] not in CLOSED:
        yield f"      redrive retry --incident {short(ids[0], ids)} --reason WHY"
