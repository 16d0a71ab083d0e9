"""A selection as a condition on the ledger's rows, and why a failure cannot go as an expression: each in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Text, and_, case, cast, exists, func, literal, null, or_, select, true

from orchestrator.domain.failures import FailureState
from orchestrator.domain.release import ENDED, Halt
from orchestrator.domain.routes.arguments import JSON_TYPE
from orchestrator.domain.searching import Why
from orchestrator.domain.selection import MOVABLE
from orchestrator.ledger.schema import failure_arguments, failures, incidents, releases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Column, ColumnElement, Dialect

    from orchestrator.domain.searching import Judging
    from orchestrator.domain.selection import Selection

ESCAPE: Final = "\\"
# The release that holds a failure on a person's word, while it runs: what it holds was asked for already. One that was
# aborted holds nothing, though its end is not written before it may move again.
holder: Final = releases.alias("holder")
HELD_BY: Final = and_(
    holder.c.id == failures.c.command_release_id,
    holder.c.state.not_in([str(state) for state in ENDED]),
    func.coalesce(holder.c.halted, "") != str(Halt.ABORTED),
)
DECLARED: Final = cast(failures.c.declaration, Text)
# Arguments are replaced in JSON alone; of a sealed message nobody can tell before it is opened.
_IN_JSON: Final = func.coalesce(failures.c.message["content_type"].as_string(), "").in_([JSON_TYPE, ""])


def selected(selection: Selection, dialect: Dialect) -> ColumnElement[bool]:
    """Tell the failures that a selection means."""
    return and_(true(), *_of_failures(selection, dialect), *_of_incidents(selection))


def _of_failures(selection: Selection, dialect: Dialect) -> Iterator[ColumnElement[bool]]:
    table = failures.c
    if selection.ids:
        yield table.id.in_(selection.ids)
    if selection.states:
        yield table.state.in_([str(each) for each in sorted(selection.states)])
    if selection.task is not None:
        yield like_glob(table.task, selection.task, dialect)
    for column, wanted in ((table.queue, selection.queue), (table.organization, selection.organization)):
        if wanted is not None:
            yield column == wanted
    if selection.kind is not None:
        yield table.kind == str(selection.kind)
    if selection.since is not None:
        yield table.occurred_at >= selection.since
    if selection.until is not None:
        yield table.occurred_at < selection.until
    for name, value in selection.arguments.items():
        mine = failure_arguments.c
        yield exists().where(mine.failure_id == table.id, mine.name == name, mine.value == value)


def _of_incidents(selection: Selection) -> Iterator[ColumnElement[bool]]:
    if selection.incident_id is not None:
        yield failures.c.incident_id == selection.incident_id
    wanted = {"signature": selection.signature, "dependency": selection.dependency}
    said = [incidents.c[name] == value for name, value in wanted.items() if value is not None]
    if said:
        yield failures.c.incident_id.in_(select(incidents.c.id).where(*said))


def like_glob(column: Column[str], pattern: str, dialect: Dialect) -> ColumnElement[bool]:
    """Tell what matches a pattern of which `*` stands for any text and `?` for one character, all else for itself.

    Upper and lower case differ, on both databases: LIKE of SQLite ignores that, its GLOB does not, and has classes.
    """
    if "*" not in pattern and "?" not in pattern:
        return column == pattern
    if dialect.name == "sqlite":
        return column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    for special in (ESCAPE, "%", "_"):
        pattern = pattern.replace(special, ESCAPE + special)
    return column.like(pattern.replace("*", "%").replace("?", "_"), escape=ESCAPE)


def why_not(judging: Judging) -> ColumnElement[str]:
    """Tell why a failure cannot go, NULL where it can; `holder` has to be joined by HELD_BY."""
    table = failures.c
    told = [
        *((table.state == str(state), why) for state, why in _BY_STATE.items()),
        (holder.c.id.is_not(None), Why.ASKED_FOR),
        (table.blocked == str(Why.MISSING), Why.MISSING),
        (table.blocked == str(Why.REDACTED), Why.REDACTED),
        *(() if judging.keys_known else ((table.blocked == str(Why.SEALED), Why.SEALED),)),
        (table.expires_at <= judging.now, Why.EXPIRED),
    ]
    if judging.declarations is not None:
        told.append((or_(DECLARED.not_in(sorted(judging.declarations)), ~_IN_JSON), Why.NOT_EDITABLE))
    return case(*((condition, literal(str(why))) for condition, why in told), else_=null())


def can_go(judging: Judging) -> ColumnElement[bool]:
    """Tell the failures that can go, as `why_not` has it, for whoever changes rows and can join nothing."""
    table = failures.c
    barred = [Why.MISSING, Why.REDACTED, *(() if judging.keys_known else (Why.SEALED,))]
    held = select(literal(1)).select_from(holder).where(HELD_BY).correlate(failures)
    conditions = [
        table.state.in_([str(each) for each in sorted(MOVABLE)]),
        or_(table.command_release_id.is_(None), ~held.exists()),
        func.coalesce(table.blocked, "").not_in([str(each) for each in barred]),
        or_(table.expires_at.is_(None), table.expires_at > judging.now),
    ]
    if judging.declarations is not None:
        conditions += [DECLARED.in_(sorted(judging.declarations)), _IN_JSON]
    return and_(*conditions)


_BY_STATE: Final = {
    FailureState.RELEASED: Why.RELEASED,
    FailureState.RECOVERED: Why.RECOVERED,
    FailureState.DISCARDED: Why.DISCARDED,
    FailureState.REDELIVERY_PENDING: Why.PENDING,
}
