"""What an answer of the API that is no success means to whoever typed the command, and what to type next."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.safety import safe
from orchestrator.domain.errors import Conflict, DependencyUnreachable, RedriveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

NEWEST: Final = 5
LONGEST_VALUE: Final = 120


class NoAnswer(DependencyUnreachable):
    """Nobody answers there, or not what an orchestrator answers."""

    what_next = "\nnext: start it (redrive run, or redrive dev), or name another with --api URL or REDRIVE_API_URL"


class NotLetIn(DependencyUnreachable):
    """It wants a token, or another one."""

    says = "does not let us in"
    what_next = "\nnext: export REDRIVE_API_TOKEN=TOKEN, or REDRIVE_API_TOKEN_FILE=PATH, and type it again"


class NotNow(DependencyUnreachable):
    """It answers that it cannot now."""

    says = "cannot do this now"
    what_next = "\nnext: type it again in a moment; redrive mode shows whether it answers"


class Refusal(RedriveError):
    """It answered that it will not do this: why, and what to type next."""


class Changed(Refusal, Conflict):
    """What the command was decided on is not so any more: what changed, by whom and when."""


def error_of(answer: requests.Response) -> RedriveError:
    """Give the error that an answer stands for, as text that a terminal only shows."""
    problem = _problem(answer)
    detail = safe(problem.get("detail") or answer.reason or answer.status_code)
    where = f"the orchestrator at {safe(answer.url)}"
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return NotLetIn(where, detail)
    if answer.status_code in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        seconds = answer.headers.get("Retry-After")
        return NotNow(where, detail + (f"; it asks to wait {safe(seconds)} s" if seconds else ""))
    kind = Changed if answer.status_code == HTTPStatus.CONFLICT else Refusal
    return kind("\n".join([detail, *_changes(problem), *_next(problem)]))


def _problem(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _next(problem: dict[str, Any]) -> Iterator[str]:
    what_next = problem.get("what_next")
    if what_next:
        yield f"next: {safe(what_next)}"


def _changes(problem: dict[str, Any]) -> Iterator[str]:
    """Tell what changed meanwhile, the newest first; each member is text of somebody else."""
    changes = problem.get("changes") or []
    for each in changes[:NEWEST]:
        at, reason = str(each.get("at") or "")[:19], each.get("reason")
        yield safe(f"{at}  {each.get('actor')}: {each.get('verb')}" + (f": {reason}" if reason else ""))
        for line in _differences(each.get("before"), each.get("after")):
            yield f"            {safe(line)}"
    if len(changes) > NEWEST:
        yield f"and {len(changes) - NEWEST} more before that"
    if problem.get("revision"):
        yield f"its revision is {safe(problem['revision'])} now"


def _differences(before: object, after: object) -> Iterator[str]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"{name}: {_value(before.get(name))} -> {_value(after.get(name))}"


def _value(value: object) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:LONGEST_VALUE]
