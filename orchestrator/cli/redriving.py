"""The verbs that send failures on their way again: `retry` and `reroute`. Each shows first what it would do."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from orchestrator.cli.answers import NoAnswer
from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, shown, told
from orchestrator.cli.commanding import again
from orchestrator.cli.exits import FAILED, PARTLY
from orchestrator.cli.following import follow
from orchestrator.cli.foretelling import foretold
from orchestrator.cli.naming import short
from orchestrator.cli.reasons import Reason
from orchestrator.cli.selecting import Failure, Ids, Incident, Query, Task, chosen, edits_of
from orchestrator.cli.tables import counted
from orchestrator.cli.times import length
from orchestrator.domain.plan import PlanName
from orchestrator.domain.recoveries import Order

PLANS: Final = (PlanName.RETRY, PlanName.REROUTE, PlanName.CRON_BACKOFF)
# How the reason begins for those that only the limit kept.
BEYOND: Final = "beyond the limit"
# What the API takes as the time for an answer.
LEAST_WAIT: Final = timedelta(minutes=1)
MOST_WAIT: Final = timedelta(days=7)
RETRY: Final = "Redrive failures: one, a task's, an incident's, those of a file or a query. Shows first what would go."
REROUTE: Final = "Redrive failures elsewhere: to --queue, or where the table of routes says. Shows first what would go."


def redrive(  # noqa: PLR0917 - options are given by name  # long: each option is a parameter
    context: typer.Context,
    reason: Reason,
    failure: Failure = None,
    task: Task = None,
    incident: Incident = None,
    ids: Ids = None,
    query: Query = None,
    plan: Annotated[PlanName | None, typer.Option(help="retry, reroute or cron_backoff.")] = None,
    queue: Annotated[str | None, typer.Option(help="Reroute there; left out, the table of routes decides.")] = None,
    cron: Annotated[str | None, typer.Option(help="Go at the times of this expression of five fields.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Whose clock --cron means; UTC when left out.")] = None,
    in_flight: Annotated[int | None, typer.Option(min=1, help="So many at once at most.")] = None,
    order: Annotated[Order | None, typer.Option(help="Which go first: those that failed first, or last.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many at most.")] = None,
    edit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another argument, JSON or text; more than once.")
    ] = None,
    revision: Annotated[int | None, typer.Option(min=1, help="Only while the incident has this revision.")] = None,
    approval: Annotated[str | None, typer.Option(metavar="1h", help="Ask a person first, for so long.")] = None,
    otherwise: Annotated[
        str | None, typer.Option(help="Where nobody answers: approve or reject, which it is when left out.")
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Wait for nothing; the audit says so.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it only what would happen is shown.")] = False,
    watch: Annotated[
        bool | None, typer.Option("--watch/--no-watch", help="Follow it to its end; so it is on a terminal.")
    ] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Send failures on their way again; registered as `retry` and as `reroute`."""
    rerouted = context.info_name == "reroute"
    body = chosen(api, failure=failure, task=task, incident=incident, ids=ids, query=query) | {
        "reason": reason,
        "force": force,
    }
    body |= _how(plan, queue, cron, timezone, rerouted=rerouted)
    more = {
        "pace": {"in_flight": in_flight} if in_flight else None,
        "order": order,
        "limit": limit,
        "edits": edits_of(edit or ()) or None,
        "revision": revision,
        "approval": _approval(approval, otherwise),
    }
    body |= {name: value for name, value in more.items() if value is not None}
    _redrive(api, f"/api/v1/recovery/{context.info_name}", body, yes=yes, as_json=as_json, watch=watch)


def _how(
    plan: PlanName | None, queue: str | None, cron: str | None, timezone: str | None, *, rerouted: bool
) -> dict[str, Any]:
    """Give plan, route and gate; raises BadParameter where the words contradict each other."""
    plan = plan or (PlanName.REROUTE if rerouted or queue else PlanName.CRON_BACKOFF if cron else PlanName.RETRY)
    if plan not in PLANS:
        raise typer.BadParameter(f"expected one of {', '.join(PLANS)}, got {plan}", param_hint="--plan")
    if (plan is PlanName.CRON_BACKOFF) != bool(cron):
        raise typer.BadParameter(f"expected --cron with --plan cron_backoff and with no other, got plan {plan}")
    if timezone and not cron:
        raise typer.BadParameter("expected --cron beside --timezone, got none")
    if (rerouted or queue) and plan is not PlanName.REROUTE:
        raise typer.BadParameter(f"expected --plan reroute with {'--queue' if queue else 'reroute'}, got {plan}")
    if plan is PlanName.REROUTE:
        return {"route": {"queue": queue} if queue else {"table": True}} | ({} if rerouted else {"plan": plan})
    if cron:
        return {"plan": plan, "gate": {"cron": cron} | ({"timezone": timezone} if timezone else {})}
    return {}


def _approval(asked: str | None, otherwise: str | None) -> dict[str, Any] | None:
    """Give what a person is asked first; raises BadParameter, also where only the answer of nobody was given."""
    if asked is None:
        if otherwise is not None:
            raise typer.BadParameter("expected --approval beside --otherwise, got none", param_hint="--otherwise")
        return None
    if otherwise not in {None, "approve", "reject"}:
        raise typer.BadParameter(f"expected approve or reject, got {otherwise!r}", param_hint="--otherwise")
    seconds = length(asked)
    if seconds is None or not LEAST_WAIT <= seconds <= MOST_WAIT:
        raise typer.BadParameter(
            f"expected from 1m to 7d in which a person may answer, as 10m or 2h, got {asked!r}", param_hint="--approval"
        )
    return {"timeout_seconds": seconds.total_seconds(), "otherwise": otherwise or "reject"}


def _redrive(api: str, path: str, body: dict[str, Any], *, yes: bool, as_json: bool, watch: bool | None) -> None:
    dry = call("POST", api, path, body | {"dry_run": True})
    if not yes or not dry["eligible"]:
        _show(dry, as_json=as_json)
        if yes or not dry["eligible"]:
            told("nothing was done: none is eligible")
            raise typer.Exit(FAILED)
        again(dry.get("revision") if "incident_id" in body and "revision" not in body else None)
        raise typer.Exit(PARTLY if _refused(dry) else 0)
    answer = _done(api, path, body)
    _accepted(answer, as_json=as_json)
    if refused := _refused(dry):
        told(f"{refused:,} were not eligible")
    ended = 0
    if watch or (watch is None and sys.stderr.isatty() and not as_json and answer["state"] == "accepted"):
        ended = follow(api, answer["id"])
    if ended or refused:
        raise typer.Exit(ended or PARTLY)


def _show(dry: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        as_data(dry)
        return
    for line in foretold(dry):
        shown(line)


def _refused(dry: dict[str, Any]) -> int:
    """Count those that cannot go; who asked for a limit wanted those beyond it to stay."""
    beyond = sum(int(each["count"]) for each in dry.get("reasons") or () if each["why"].startswith(BEYOND))
    return int(dry["not_eligible"]) - beyond


def _done(api: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return call("POST", api, path, body, **{"Idempotency-Key": str(uuid4())})
    except NoAnswer:
        told("whether it was accepted is not known: redrive recoveries list shows it if it was")
        raise


def _accepted(answer: dict[str, Any], *, as_json: bool) -> None:
    for each in answer.get("waits_for", ()):
        told(f"it waits for: {each}")
    for each in answer.get("overrides", ()):
        told(f"forced, overriding: {each}")
    if answer.get("note"):
        told(answer["note"])
    if as_json:
        as_data(answer)
        return
    begun = short(answer["id"])
    shown(f"{answer['state']}: recovery {begun}, {counted(answer.get('failures', 1), 'failure')}")
    if answer["state"] == "proposed":
        shown(f"a person has to agree: redrive approvals approve {begun} --reason WHY")
    else:
        shown(f"follow it: redrive recoveries watch {begun}")
