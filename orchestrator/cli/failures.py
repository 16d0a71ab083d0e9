"""The verbs about failures: found by what is known of them, one of them whole, as CSV, given up."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, failure_of, shown, text_of, told
from orchestrator.cli.autopsy import told_failure
from orchestrator.cli.commanding import again
from orchestrator.cli.exits import FAILED, PARTLY
from orchestrator.cli.foretelling import MOST_INCIDENTS
from orchestrator.cli.naming import failure_named, incident_of, short
from orchestrator.cli.outlook import failing
from orchestrator.cli.reasons import Reason
from orchestrator.cli.selecting import Incident, ids_of
from orchestrator.cli.tables import Column, counted, print_table
from orchestrator.cli.times import ago, before, now
from orchestrator.domain.failures import FailureState, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS: Final = (Column("failure"), Column("since", right=True), Column("state", 4), Column("what", 18))
PATH: Final = "/api/v1/failures"
CSV: Final = "text/csv"
# Failures that are listed where nobody says how many.
USUAL: Final = 100
failures = typer.Typer(name="failures", help="Failed runs, one by one.", no_args_is_help=True)


@failures.command("list")
def list_failures(  # noqa: PLR0917 - options are given by name  # long: each option is a parameter
    task: Annotated[str | None, typer.Option(help="Of tasks with this name; * stands for any text.")] = None,
    queue: Annotated[str | None, typer.Option(help="Published to this queue.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Of this kind.")] = None,
    signature: Annotated[str | None, typer.Option(help="With this signature.")] = None,
    dependency: Annotated[str | None, typer.Option(help="That lean on this.")] = None,
    organization: Annotated[str | None, typer.Option(help="Of this organisation.")] = None,
    since: Annotated[str | None, typer.Option(help="Failed from then on: 2h ago, or a time with an offset.")] = None,
    until: Annotated[str | None, typer.Option(help="Failed before then.")] = None,
    state: Annotated[list[FailureState] | None, typer.Option(help="In these states; more than once.")] = None,
    incident: Incident = None,
    arg: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Called with this; more than once.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=1_000, help="So many at most; 100 when left out.")] = None,
    *,
    as_csv: Annotated[bool, typer.Option("--csv", help="All of them as CSV, for a spreadsheet.")] = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List failures, oldest first, by what is known of them: all that is given must hold."""
    current = now()
    asked = {
        "task": task,
        "queue": queue,
        "kind": kind,
        "signature": signature,
        "dependency": dependency,
        "organization": organization,
        "since": before(since, current) if since else None,
        "until": before(until, current) if until else None,
        "state": state,
        "incident": incident_of(api, incident) if incident else None,
        "argument": arg,
    }
    query = urlencode({name: value for name, value in asked.items() if value}, doseq=True)
    if as_csv:
        if limit is not None or as_json:
            raise typer.BadParameter("expected --csv, which gives all, without --limit and without --json")
        _stream(api, query)
        return
    limit = limit or USUAL
    found = call("GET", api, f"{PATH}?limit={limit}&{query}")["failures"]
    if as_json:
        as_data(found)
        return
    print_table(
        COLUMNS, ((each["id"], ago(each["occurred_at"], current), each["state"], _what(each)) for each in found)
    )
    if found:
        more = f"; there may be more than {limit}: --limit, or --csv for all" if len(found) == limit else ""
        told(f"next: redrive failures show {found[0]['id']}{more}")
    else:
        told("none: leave something out, or see redrive incidents list")


def _stream(api: str, query: str) -> None:
    """Hand CSV on as it comes: what is in it was made safe where it was made."""
    for piece in text_of(api, f"{PATH}?{query}", CSV):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _what(each: dict[str, Any]) -> tuple[str, ...]:
    facts = each["exception"]
    return failing(str(each["task"]), str(facts["type"]), str(facts["message"]))


@failures.command("show")
def show(
    failure_id: Annotated[str, typer.Argument(help="The failure's id.")],
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Show one whole: what failed, why it is as it is, its traceback, its attempts, what to do next."""
    found = failure_of(api, failure_named(failure_id))
    if as_json:
        as_data(found)
        return
    for line in told_failure(found):
        shown(line)


@failures.command("discard")
def discard(
    reason: Reason,
    failure_ids: Annotated[list[str] | None, typer.Argument(help="These, by id.")] = None,
    ids: Annotated[str | None, typer.Option(metavar="FILE", help="Those of a file; - reads stdin.")] = None,
    incident: Incident = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it only what would happen is shown.")] = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Give failures up, held or dead ones, by your name; without --yes, show how many."""
    if sum(map(bool, (failure_ids, ids, incident))) != 1:
        raise typer.BadParameter("expected ids of failures, or --ids, or --incident; see redrive failures list")
    named: dict[str, Any] = {"incident_id": incident_of(api, incident)} if incident else {}
    body = {"reason": reason} | (
        named or {"ids": [failure_named(each) for each in failure_ids or ()] or ids_of(ids or "")}
    )
    answer = call("POST", api, f"{PATH}/discard", body | {"dry_run": not yes})
    if as_json:
        as_data(answer)
    else:
        for line in _discarded(answer, "discarded" if yes else "would discard"):
            shown(line)
    if not answer["discarded"]:
        told("nothing was done: none of them is held or dead")
        raise typer.Exit(FAILED)
    if not yes:
        again()
    if answer["not_discarded"]:
        raise typer.Exit(PARTLY)


def _discarded(answer: dict[str, Any], verb: str) -> Iterator[str]:
    yield f"{verb}: {counted(answer['discarded'], 'failure')}"
    incidents = answer["incidents"]
    for each in incidents[:MOST_INCIDENTS]:
        states = ", ".join(f"{count:,} {state}" for state, count in sorted(each["failures"].items()))
        yield f"  of incident {short(each['id'], [one['id'] for one in incidents])}: {states}"
    if len(incidents) > MOST_INCIDENTS:
        yield f"  and of {len(incidents) - MOST_INCIDENTS:,} incidents more"
    for state, count in sorted(answer["not_discarded"].items()):
        yield f"  left as they are: {count:,} {state}"
