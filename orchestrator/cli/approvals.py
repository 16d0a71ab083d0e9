"""The verbs on what waits for a person's consent: the list, yes, and no."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import typer

from orchestrator.cli.answers import Refusal
from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown, told
from orchestrator.cli.columns import wrapped
from orchestrator.cli.naming import short
from orchestrator.cli.reasons import Reason
from orchestrator.cli.tables import Column, counted, print_table
from orchestrator.cli.times import ago, coarse, now
from orchestrator.domain.approving import ApprovalState

COLUMNS: Final = (
    Column("id"),
    Column("asked", right=True),
    Column("failures", right=True),
    Column("state"),
    Column("time left", right=True),
    Column("otherwise"),
    Column("by", 6),
)
MOST: Final = 100
# Characters of an id.
WHOLE: Final = 36
approvals = typer.Typer(
    name="approvals", help="Recoveries that wait for somebody's consent; without a verb, the list.",
    invoke_without_command=True,
)  # fmt: skip
Id = Annotated[str, typer.Argument(help="The recovery's id, or its beginning.")]


@approvals.callback()
def group(context: typer.Context, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show what waits for somebody's consent."""
    if context.invoked_subcommand is None:
        list_approvals(api=api, as_json=as_json)


@approvals.command("list")
def list_approvals(
    state: Annotated[list[ApprovalState] | None, typer.Option(help="Only these; more than once.")] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List what waits for consent, newest first; --state shows what was decided, by whom and why."""
    found = _listed(api, state or [ApprovalState.WAITING])
    if as_json:
        as_data(found)
        return
    if not found:
        told("none" if state else "nothing waits; what was decided: redrive approvals list --state approved")
        return
    ids = [each["id"] for each in found]
    print_table(COLUMNS, [_row(each, ids) for each in found])
    for each in found:
        for line in wrapped(_why(each), f"{short(each['id'], ids)}  "):
            typer.echo(line)
    if waiting := [each for each in found if each["state"] == ApprovalState.WAITING]:
        shown(f"next: redrive approvals approve {short(waiting[0]['id'], ids)} --reason WHY")


@approvals.command()
def approve(id_: Id, reason: Reason, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Agree: the recovery starts now. The first answer counts, wherever it is given."""
    _answer(api, id_, "approve", reason, as_json=as_json)


@approvals.command()
def reject(id_: Id, reason: Reason, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Refuse: nothing of it goes. The first answer counts, wherever it is given."""
    _answer(api, id_, "reject", reason, as_json=as_json)


def _answer(api: str, given: str, verb: str, reason: str, *, as_json: bool) -> None:
    id_ = _meant(api, given)
    answer = call("POST", api, path_of("recovery", "retries", id_, verb), {"reason": reason})
    if as_json:
        as_data(answer)
        return
    shown(f"recovery {id_} is {answer['state']}")
    if verb == "approve":
        shown(f"next: redrive recoveries watch {short(id_)}")


def _listed(api: str, states: list[ApprovalState]) -> list[dict[str, Any]]:
    asked = "".join(f"&state={each}" for each in states)
    found: list[dict[str, Any]] = call("GET", api, f"/api/v1/approvals?limit={MOST}{asked}")["approvals"]
    return found


def _meant(api: str, given: str) -> str:
    """Find the recovery that waits by the beginning of its id; one that waits no longer is named in full."""
    found = [each["id"] for each in _listed(api, [ApprovalState.WAITING]) if each["id"].startswith(given.lower())]
    if len(found) > 1:
        raise Refusal(f"{len(found)} of those that wait begin with {given}: name one with more of its id")
    if not found and len(given) < WHOLE:
        raise Refusal(f"expected the id of a recovery that waits for consent, got {given}\nnext: redrive approvals")
    return str(found[0]) if found else given


def _row(each: dict[str, Any], ids: list[str]) -> tuple[str | int, ...]:
    current = now()
    left = (datetime.fromisoformat(each["until"]) - current).total_seconds()
    waits = each["state"] == ApprovalState.WAITING
    remains = coarse(max(left, 0)) if waits else "-"
    asked = ago(each["asked_at"], current)
    return short(each["id"], ids), asked, each["failures"], each["state"], remains, each["otherwise"], each["asked_by"]


def _why(each: dict[str, Any]) -> str:
    if each["state"] == ApprovalState.WAITING:
        return f"{counted(each['failures'], 'failure')}: {each['reason']}"
    return f"{each['state']} by {each['decided_by']}: {each['decided_reason']}"
