"""The table of incidents: what failed, since when, how many, how its dependency is, plan, state, owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.lines import shortened
from orchestrator.cli.naming import short
from orchestrator.cli.safety import safe
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
    Column("what", 22),
    Column("dependency", 15),
    Column("plan", 6),
    Column("state"),
    Column("owner", 5),
)
# Of a dependency's name, and of an exception's, so many cells are tried at most and at least.
LONGEST_NAME: Final = 30
LEAST_NAME: Final = 4
# What most names of exceptions end with, and can do without where there is little room.
ENDINGS: Final = ("Error", "Exception")


def painful(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order incidents: those that are open first, the largest first, and of equal ones the newest first."""
    newest = sorted(found, key=lambda each: str(each["opened_at"]), reverse=True)
    return sorted(newest, key=lambda each: (each["state"] in CLOSED, -each["size"]))


def outlook(
    found: Sequence[dict[str, Any]], health: Mapping[str, str], current: datetime, most: int | None = None
) -> Iterator[str]:
    """Give the table of these incidents as lines, in the order in which they come."""
    ids = [each["id"] for each in found]
    owned = any(each.get("owner") for each in found)
    columns = COLUMNS if owned else COLUMNS[:-1]
    return drawn(columns, (_row(each, ids, health, current)[: len(columns)] for each in found), most)


def _row(each: dict[str, Any], ids: Sequence[str], health: Mapping[str, str], current: datetime) -> tuple[Cell, ...]:
    plan = each["plan"]
    how = _leaned_on(each["dependency"], "" if each["state"] in CLOSED else health.get(each["dependency"], ""))
    state = "held" if each["held_by"] else each["state"]
    planned = plan["name"] if plan else None
    since = ago(each["opened_at"], current)
    return short(each["id"], ids), since, each["size"], what(each), how, planned, state, each.get("owner")


def _leaned_on(dependency: str | None, health: str) -> Cell:
    """Name a dependency with its health: where there is little room the name is shortened, the health stays whole."""
    name = safe(dependency or "")
    names = [name, *_shorter(name)] if health else [name]
    return tuple(f"{each} {health}".rstrip() for each in names) if name else None


def _shorter(name: str) -> Iterator[str]:
    return (shortened(name, most) for most in range(LONGEST_NAME, LEAST_NAME - 1, -1))


def what(incident: dict[str, Any]) -> tuple[str, ...]:
    """Say what failed, in several forms, the longest first."""
    task, signature = str(incident["task"]), str(incident["signature"])
    kind, _, message = signature.removeprefix(f"{task} ").rpartition(" #")[0].partition(" ")
    return failing(task, kind, message)


def failing(task: str, exception: str, message: str) -> tuple[str, ...]:
    """Name a failure in several forms: with its message, without, with the last two parts of the task's name, with the
    exception's name shortened, and the task alone.
    """
    name = exception.rpartition(".")[2]
    last = ".".join(task.split(".")[-2:])
    bare = next((name.removesuffix(each) for each in ENDINGS if name.endswith(each)), name) or name
    short_names = (f"{last} {each}" for each in (name, bare, *_shorter(safe(bare))))
    return f"{task} {name}: {message}", f"{task} {name}", *short_names, last


def after_list(found: Sequence[dict[str, Any]], hidden: int) -> Iterator[str]:
    """Say what to type next: for the worst of them, and where there are more."""
    ids = [each["id"] for each in found]
    if hidden:
        yield f"{counted(hidden, 'more incident')}: redrive incidents list --limit 1000"
    if found:
        yield f"next: redrive incidents show {short(ids[0], ids)}"
    if found and found[0]["state"] not in CLOSED:
        yield f"      redrive retry --incident {short(ids[0], ids)} --reason WHY"
