"""One failure in words: what failed, why it stands as it does, its traceback, its attempts, what to type next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.times import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWEST: Final = 10
MOVABLE: Final = ("held", "dead")


def told_failure(failure: dict[str, Any]) -> Iterator[str]:
    """Give the lines about a failure."""
    yield f"failure     {failure['id']}"
    yield f"task        {failure['task']} {failure['task_id']}"
    yield f"failed      {clock(failure['occurred_at'])}, captured as {failure['captured']}"
    yield f"state       {failure['state']}" + (f": {failure['reason']}" if failure["reason"] else "")
    yield f"kind        {failure['kind']}: {failure['why']}"
    yield f"dependency  {failure['dependency'] or '-'}"
    yield f"incident    {failure['incident_id']}"
    for name, value in sorted((failure.get("arguments") or {}).items()):
        yield f"argument    {name} = {json.dumps(value)}"
    yield from _message(failure["message"])
    if not failure["idempotent"]:
        yield "twice       it is not declared idempotent: it runs again on a person's word alone"
    facts = failure["exception"]
    yield f"exception   {facts['type']}: {facts['message']}"
    yield from (f"            | {line}" for line in facts["traceback"].rstrip().splitlines())
    attempts = failure["attempts"]
    if len(attempts) > NEWEST:
        yield f"attempts    {len(attempts)}, the newest {NEWEST}:"
    for each in attempts[-NEWEST:]:
        reason = f": {each['reason']}" if each["reason"] else ""
        told = f"attempt {each['number']}, {each['plan']}, {each['state']}{reason}"
        yield f"{clock(each['published_at'] or each['recorded_at'])}  {told}"
    yield from _next(failure)


def _message(message: dict[str, Any]) -> Iterator[str]:
    where = message["routing_key"] + (f" of exchange {message['exchange']}" if message["exchange"] else "")
    yield f"message     {message['bytes']:,} bytes, to {where}"
    if message["redacted"]:
        yield f"redacted    {', '.join(message['redacted'])}"


def _next(failure: dict[str, Any]) -> Iterator[str]:
    if failure["not_redrivable"]:
        yield f"cannot go   {failure['not_redrivable']}"
    if failure["state"] in MOVABLE:
        verb = f"failures discard {failure['id']}" if failure["not_redrivable"] else f"retry --failure {failure['id']}"
        yield f"next: redrive {verb} --reason WHY"
    else:
        yield f"next: redrive why {failure['id']}"
