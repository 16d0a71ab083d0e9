"""The verb that tells what kind a failure is, and which rule says so: of one that is known, or is described."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, failure_of, shown, told
from orchestrator.cli.exits import USAGE
from orchestrator.domain.failures import Way

if TYPE_CHECKING:
    from orchestrator.domain.classify import Case, Explanation

STDIN = "-"


def classify(
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Print every rule that was asked, in order.")] = False,
    failure: Annotated[str | None, typer.Option(help="The id of a failure; asks the API.")] = None,
    event: Annotated[str | None, typer.Option(help="A file of a failure's event as JSON; - is stdin.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="The exception's type, with its module.")] = None,
    message: Annotated[str, typer.Option(help="Its message.")] = "",
    status: Annotated[int | None, typer.Option(help="The HTTP status that was answered.")] = None,
    code: Annotated[str | None, typer.Option(help="The error code that was answered, or a SQLSTATE.")] = None,
    retry_after: Annotated[float | None, typer.Option(min=0, help="Seconds that the dependency asked to wait.")] = None,
    chain: Annotated[list[str] | None, typer.Option(help="A type beneath it; more than once, nearest first.")] = None,
    task: Annotated[str, typer.Option(help="The task's name.")] = "",
    dependency: Annotated[str | None, typer.Option(help="What the task leans on.")] = None,
    captured: Annotated[Way, typer.Option(help="How the run ended.")] = Way.EXCEPTION,
    never: Annotated[list[str] | None, typer.Option(help="A type that the declaration excludes; repeatable.")] = None,
    api: Api = DEFAULT_API,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as data.")] = False,
) -> None:
    """Tell what kind a failure is and why, by the rules of the settings and the built-in ones."""
    from orchestrator.domain.classify import Case
    from orchestrator.domain.classify import explain as explained
    from orchestrator.domain.failures import ExceptionFacts
    from orchestrator.settings import load_rules

    if sum(each is not None for each in (failure, event, type_)) != 1:
        raise _usage("expected one of --failure, --event and --type")
    stored = failure_of(api, failure) if failure else None
    if stored is not None:
        case = _stored(stored)
    elif event is not None:
        case = _event(event)
    else:
        facts = ExceptionFacts(type_ or "", message, "", tuple(chain or ()), status, retry_after, code)
        case = Case(captured, facts, tuple(never or ()), task, dependency)
    _tell(case, explained(case, load_rules()), stored, as_json=as_json, every=explain)


def _tell(case: Case, found: Explanation, stored: dict[str, Any] | None, *, as_json: bool, every: bool) -> None:
    from orchestrator.domain.signature import look_of

    look = look_of(case.task, case.facts)
    known = {name: stored[name] for name in ("kind", "why")} if stored else None
    if as_json:
        typer.echo(json.dumps(_document(found, look, known)))
        return
    for number, each in enumerate(found.asked if every else (), 1):
        answer = f"yes: {each.verdict.kind}" if each.verdict else "no"
        shown(f"{number:3}. {each.name:<18} {answer:<20} {each.reads}")
    shown(f"kind       {found.verdict.kind}")
    shown(f"why        {found.verdict.why}")
    shown(f"rule       {found.verdict.rule}")
    shown(f"signature  {look}")
    if known:
        shown(f"stored     {known['kind']}: {known['why']}")


def _document(found: Explanation, look: str, stored: dict[str, Any] | None) -> dict[str, Any]:
    asked = [{"rule": each.name, "reads": each.reads, "matched": each.verdict is not None} for each in found.asked]
    verdict = {"kind": found.verdict.kind, "why": found.verdict.why, "rule": found.verdict.rule}
    return verdict | {"signature": look, "asked": asked} | ({"stored": stored} if stored else {})


def _stored(stored: dict[str, Any]) -> Case:
    """Read a failure as the API shows it."""
    from orchestrator.domain.classify import Case
    from orchestrator.domain.failures import ExceptionFacts

    exception = stored["exception"]
    answered = {name: exception.get(name) for name in ("status", "retry_after", "code")}
    facts = ExceptionFacts(
        exception["type"], exception["message"], exception["traceback"], tuple(exception["chain"]), **answered
    )
    never, dependency = tuple(stored.get("never") or ()), stored.get("dependency")
    return Case(Way(stored["captured"]), facts, never, stored["task"], dependency)


def _event(path: str) -> Case:
    """Read an event, or its data alone."""
    from datetime import UTC, datetime

    from eventbus.wire import TASK_FAILED, Event, from_mapping
    from orchestrator.domain.classify import Case
    from orchestrator.flows.reading import failure_of as failure_in

    try:
        given = json.loads(sys.stdin.read() if path == STDIN else Path(path).read_text())
        bare = isinstance(given, dict) and "specversion" not in given
        sent = Event("bare", "urn:redrive:cli", TASK_FAILED, datetime.now(UTC), given) if bare else from_mapping(given)
        return Case.of(failure_in(sent))
    except OSError as error:
        raise _usage(f"--event: expected a file that can be read, got {path}: {error.strerror}") from None
    except ValueError as error:
        raise _usage(f"--event: expected a redrive.task.failed.v1 event as JSON, got: {error}") from None


def _usage(words: str) -> typer.Exit:
    told(words)
    return typer.Exit(USAGE)
