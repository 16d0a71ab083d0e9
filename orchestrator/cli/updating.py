"""The verb of an incident's desk: whose it is, that somebody knows, who is woken when, how bad it is, its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown
from orchestrator.cli.commanding import again
from orchestrator.cli.naming import incident_of, short
from orchestrator.cli.reasons import Reason
from orchestrator.cli.tables import counted
from orchestrator.cli.times import after, clock, now
from orchestrator.domain.incidents import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY: Final = "nobody"
NEVER: Final = "off"
MOMENTS: Final = ("acknowledged_at", "snoozed_until")
Id = Annotated[str, typer.Argument(help="The incident's id, or its beginning.")]


def update(  # noqa: PLR0917 - the options of a command line are given by name
    incident_id: Id,
    reason: Reason,
    assign: Annotated[str | None, typer.Option(metavar="WHO", help="It is theirs now; nobody takes it away.")] = None,
    snooze: Annotated[str | None, typer.Option(metavar="2h", help="Wake nobody for so long; off ends it.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="How bad it is.")] = None,
    revision: Annotated[int | None, typer.Option(min=1, help="Only while it has this revision.")] = None,
    *,
    acknowledge: Annotated[bool, typer.Option("--acknowledge", help="You know of it: wake nobody else.")] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Give it up, with its failures; wants --yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Discard; without it only what would go is shown.")] = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Assign, acknowledge, snooze, grade or discard an incident. What changed meanwhile is told, with exit code 1."""
    wanted: dict[str, Any] = {"acknowledge": True} if acknowledge else {}
    wanted |= {"severity": severity} if severity else {}
    wanted |= {"owner": None if assign == NOBODY else assign} if assign else {}
    wanted |= {"snooze_until": None if snooze == NEVER else after(snooze, now())} if snooze else {}
    if bool(wanted) == discard:
        raise typer.BadParameter(
            "expected --assign, --acknowledge, --snooze or --severity, or --discard alone; see --help"
        )
    whole = incident_of(api, incident_id)
    body = {"reason": reason} | ({"revision": revision} if revision else {}) | (wanted or {"discard": True})
    path = path_of("incidents", whole)
    if discard and not yes:
        _foreseen(call("PATCH", api, path, body | {"dry_run": True}), whole, revision, as_json=as_json)
        return
    answer = call("PATCH", api, path, body)
    if as_json:
        as_data(answer)
        return
    for line in changed(answer):
        shown(line)


def _foreseen(dry: dict[str, Any], whole: str, revision: int | None, *, as_json: bool) -> None:
    if as_json:
        as_data(dry)
    else:
        shown(f"would discard incident {short(whole)} as it is at revision {dry['revision']}:")
        for line in _given_up(dry):
            shown(line)
    again(None if revision else dry["revision"])


def _given_up(dry: dict[str, Any]) -> Iterator[str]:
    failures = dry["before"].get("failures") or {}
    yield from (f"  {count:,} {state}" for state, count in sorted(failures.items()))
    yield f"  {counted(sum(failures.values()), 'failure')} given up for good: no rule and no retry takes them again"


def changed(answer: dict[str, Any]) -> Iterator[str]:
    """Give the lines about what is otherwise now."""
    before, now_is = answer["before"], answer["after"]
    yield f"incident    {short(answer['id'])}, revision {answer['revision']}"
    for name in sorted({*before, *now_is}):
        label = name.replace("_", " ")
        yield f"{label:<11} {_value(name, now_is.get(name))} (was {_value(name, before.get(name))})"
    if not before and not now_is:
        yield "            it was so already: nothing changed"


def _value(name: str, value: object) -> str:
    if value is None:
        return "nothing"
    if name in MOMENTS:
        return clock(str(value))
    return value if isinstance(value, str) else json.dumps(value)
