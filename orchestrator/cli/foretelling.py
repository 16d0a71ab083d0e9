"""The screen of a dry run: what would go, what would not and why, whether it would succeed, what it would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.cli.naming import short
from orchestrator.cli.tables import counted, figure
from orchestrator.cli.times import lasting

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_INCIDENTS = 5
SAMPLES = 2


def foretold(dry: dict[str, Any]) -> Iterator[str]:
    """Give the lines of the screen."""
    reasons = dry.get("reasons") or []
    yield f"would {dry['command']}  {dry['eligible']:,} of {_named(dry)}; {dry['not_eligible']:,} not eligible"
    yield from _incidents(dry.get("incidents") or [])
    if dry.get("dependency"):
        yield f"dependency   {dry['dependency']['name']} is {dry['dependency']['health']}: {dry['dependency']['why']}"
    yield from (f"waits for    {each}" for each in dry.get("waits_for") or ())
    yield from (f"overrides    {each}" for each in dry.get("overrides") or ())
    yield from (f"duplicates   {each}" for each in dry["duplicates"])
    for each in reasons:
        yield f"not eligible {each['count']:,}: {each['why']}"
        yield from (
            f"             {one['task']} {one['task_id']} ({one['failure_id']})" for one in each["samples"][:SAMPLES]
        )
    if not reasons:
        yield from (f"not eligible {each['task_id']} ({each['failure_id']}): {each['why']}" for each in dry["refused"])
    yield from _candidates(dry.get("decision"))
    for place, line in enumerate(predicted(dry.get("prediction"))):
        yield f"{'' if place else 'first retry':<13}{line}"
    yield from _load(dry)
    if dry.get("note"):
        yield f"note         {dry['note']}"


def _named(dry: dict[str, Any]) -> str:
    incidents = dry.get("incidents") or []
    return str(dry["task"]) if dry.get("task") else f"{counted(len(incidents), 'incident')}"


def _incidents(found: list[dict[str, Any]]) -> Iterator[str]:
    if len(found) > 1:
        ids = [each["id"] for each in found]
        for each in found[:MOST_INCIDENTS]:
            yield f"incident     {short(each['id'], ids)}  {each['eligible']:,} of {each['task']}, {each['state']}"
    if len(found) > MOST_INCIDENTS:
        yield f"incident     and {len(found) - MOST_INCIDENTS:,} more"


def _candidates(decision: dict[str, Any] | None) -> Iterator[str]:
    if decision is None:
        return
    chosen = decision["chosen"]
    yield f"goes to      {chosen['name'] if chosen else 'nowhere: no route is open'}"
    for each in decision["candidates"]:
        standing = f"refused: {each['refused']}" if each["refused"] else f"open, place {each['place']}"
        yield f"candidate    {each['name']}: {standing}"


def predicted(prediction: dict[str, Any] | None) -> Iterator[str]:
    """Say whether first retries would succeed, over all and by group, each with what says so."""
    if not prediction:
        return
    yield _chance(prediction)
    yield from prediction.get("evidence") or ()
    groups = prediction.get("groups") or []
    said: dict[str, dict[str, None]] = {}
    for each in groups if len(groups) > 1 else ():
        said.setdefault(_chance(each), {})[_group(each)] = None
    yield from (f"{', '.join(names)}: {chance}" for chance, names in said.items())


def _group(group: dict[str, Any]) -> str:
    """Name a group by what it leans on and by what its failures have in common."""
    named = [str(group[each]) for each in ("dependency", "signature") if group.get(each)]
    return " ".join(named) or str(group.get("task") or "others")


def _chance(prediction: dict[str, Any]) -> str:
    says = prediction.get("says")
    if not prediction["enough"]:
        return str(says or "not enough evidence")
    told = f"{prediction['probability']:.0%} would succeed"
    if prediction.get("low") is not None and prediction.get("high") is not None:
        told += f" ({prediction['low']:.0%} to {prediction['high']:.0%})"
    return f"{told}; {says}" if says else told


def _load(dry: dict[str, Any]) -> Iterator[str]:
    for each in dry.get("load") or ():
        seconds = f" for {lasting(each['seconds'])}" if each.get("seconds") is not None else ""
        yield f"adds         {figure(each['per_second'])} a second to {each['dependency'] or 'no dependency'}{seconds}"
    if dry.get("seconds") is not None:
        yield f"takes        {lasting(dry['seconds'])}"
    elif dry.get("seconds_says"):
        yield f"takes        {dry['seconds_says']}"
