"""Hours of costs, counted from the rows whenever rows of theirs came, however late, or were priced anew.

Whoever writes a cost marks its hour in the same commit. `refresh` reads the marks, counts their hours afresh, and takes
away the marks that it read: one that is committed meanwhile stays for the next time, so no row is ever missed.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, text

from orchestrator.stores import reachable, writing
from orchestrator.warehouse.queries import sum_usd, usd
from orchestrator.warehouse.schema import STORE, cost_hours, model_cost_logs, stale_hours

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Engine

HOUR: Final = timedelta(hours=1)
# How many hours one commit counts.
AT_ONCE: Final = 24
_BY: Final = ("organization_id", "agent_id", "provider", "model")


def hour_of(moment: datetime) -> datetime:
    """Give the beginning of the hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def mark_stale(connection: Connection, moments: Iterable[datetime]) -> None:
    """Have the hours of these moments counted afresh."""
    hours = sorted({hour_of(moment) for moment in moments})
    if hours:
        connection.execute(insert(stale_hours), [{"hour": hour} for hour in hours])


def refresh(engine: Engine) -> int:
    """Count the hours that changed, at most 24 of them, and say how many; 0 when none is left.

    Safe to run from several processes at once. Raises DependencyUnreachable.
    """
    with reachable(STORE.name), writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('warehouse rollups'))"))
        hours = connection.execute(select(stale_hours.c.hour).distinct().order_by(stale_hours.c.hour).limit(AT_ONCE))
        stale = list(hours.scalars())
        # In READ COMMITTED what is counted below may hold more than was marked here, never less.
        marks = list(connection.execute(select(stale_hours.c.id).where(stale_hours.c.hour.in_(stale))).scalars())
        for hour in stale:
            _count(connection, hour)
        for first in range(0, len(marks), 500):
            connection.execute(delete(stale_hours).where(stale_hours.c.id.in_(marks[first : first + 500])))
        return len(stale)


def _count(connection: Connection, hour: datetime) -> None:
    connection.execute(delete(cost_hours).where(cost_hours.c.hour == hour))
    found = [_row(hour, dict(each)) for each in connection.execute(_sums(connection, hour)).mappings()]
    if found:
        connection.execute(insert(cost_hours), found)


def _row(hour: datetime, sums: dict[str, Any]) -> dict[str, Any]:
    """Make a row of sums; where no call has a price, the cost is not known, which is not one of 0."""
    cost, tokens = sums["usd_cost"], ("tokens_input", "tokens_output")
    exact = {"hour": hour, "usd_cost": None if cost is None else usd(cost)}
    return sums | exact | {name: int(sums[name]) for name in tokens}


def _sums(connection: Connection, hour: datetime) -> Any:  # noqa: ANN401 - a SELECT of many types
    costs = model_cost_logs.c
    keys = [costs[name] for name in _BY]
    return (
        select(
            *keys,
            func.count().label("calls"),
            func.sum(costs.tokens_input).label("tokens_input"),
            func.sum(costs.tokens_output).label("tokens_output"),
            sum_usd(connection.dialect.name).label("usd_cost"),
            (func.count() - func.count(costs.usd_cost)).label("unpriced"),
        )
        .where(costs.created_at >= hour, costs.created_at < hour + HOUR)
        .group_by(*keys)
    )
