"""A failed task's place in a canvas, read from its message: chain, group, chord, callbacks; and what a redrive does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.failures import Way

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.domain.failures import Failure, TaskMessage

# The ways after which nothing is stored in the result backend: for chord and chain the task has not ended yet.
UNTOLD: Final = frozenset(
    {Way.REFUSED, Way.UNDECODABLE, Way.WORKER_KILLED, Way.COLD_SHUTDOWN, Way.DELIVERY_LIMIT, Way.ORPHANED}
)
PARTS_OF_A_BODY: Final = 3
PICKLED: Final = "application/x-python-serialize"
DONE_BY_HAND: Final = (
    "redrive the task, so that its result is stored; once every member of the header has its result, publish the body "
    "with them under its own id (docs/canvas.md shows how): nothing does this by itself"
)


class Membership(StrEnum):
    """What a task can be a part of."""

    CHAIN = "chain"
    GROUP = "group"
    CHORD = "chord"


@dataclass(frozen=True, slots=True)
class Chord:
    """The body that waits for a chord's header: its task's name, and the id under which it runs."""

    body: str
    body_id: str | None


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where a task stands. `later` names the links of its chain that come after it, in their order.

    `unknown` says why the body of its message was not read: what it is part of is then known from the headers alone.
    `holds` says what a redrive keeps; `why_late`, what Celery has ended by itself when the task failed.
    """

    member_of: tuple[Membership, ...] = ()
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    group_index: int | None = None
    later: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ()
    errbacks: tuple[str, ...] = ()
    chord: Chord | None = None
    unknown: str | None = None
    holds: tuple[str, ...] = ()
    why_late: str | None = None
    what_can_be_done: str | None = None


def canvas_of(failure: Failure) -> Canvas:
    """Read the place of a failed task from its message; what cannot be read is said, and is no error."""
    try:
        embed, unknown = _embed(failure.message), None
    except (ValueError, TypeError, RecursionError) as error:
        embed, unknown = {}, str(error)
    headers = failure.message.headers
    later = tuple(reversed(_signatures(embed.get("chain"))))
    chord = _chord(embed, later)
    index = headers.get("group_index")
    parts = {
        Membership.CHAIN: bool(later),
        Membership.GROUP: bool(headers.get("group")),
        Membership.CHORD: chord is not None,
    }
    told = failure.captured not in UNTOLD
    return Canvas(
        member_of=tuple(each for each, holds in parts.items() if holds),
        root_id=_text(headers.get("root_id")),
        parent_id=_text(headers.get("parent_id")),
        group=_text(headers.get("group")),
        group_index=index if isinstance(index, int) else None,
        later=_names(later),
        callbacks=_names(_signatures(embed.get("callbacks"))),
        errbacks=_names(_signatures(embed.get("errbacks"))),
        chord=chord,
        unknown=unknown,
        holds=_holds(parts, embed, later, told=told),
        why_late=_why_late(chord) if chord and told else None,
        what_can_be_done=DONE_BY_HAND if chord and told else None,
    )


def chord_note(canvases: Iterable[Canvas]) -> str | None:
    """Say of some failures that Celery has failed chords with them; None where it has not."""
    bodies = [each.chord.body for each in canvases if each.chord and each.why_late]
    if not bodies:
        return None
    named = ", ".join(sorted(set(bodies)))
    return (
        f"{len(bodies)} of the failures looked at were part of a chord (body: {named}), which Celery has failed with "
        "them: a redrive stores their results, and no body runs by itself; each failure's canvas says what can be done"
    )


def _embed(message: TaskMessage) -> Mapping[str, Any]:
    """Give the third part of a body of protocol 2; raises ValueError with why it cannot be read."""
    _refuse_unreadable(message)
    body = json.loads(message.body)
    if not isinstance(body, list) or len(body) != PARTS_OF_A_BODY or not isinstance(body[2], dict):
        raise ValueError("the body is not one of Celery's protocol 2")
    return body[2]


def _refuse_unreadable(message: TaskMessage) -> None:
    if message.sealed:
        raise ValueError("the message is sealed")
    if message.missing or not message.body:
        raise ValueError("the body lies elsewhere" if message.claim else "the body is not here")
    if message.headers.get("compression"):
        raise ValueError(f"the body is compressed: {message.headers['compression']}")
    if message.content_type == PICKLED:
        raise ValueError("the body is pickled")
    if message.content_type != "application/json":
        raise ValueError(f"the body is not JSON but {message.content_type or 'of no known type'}")


def _chord(embed: Mapping[str, Any], later: tuple[Mapping[str, Any], ...]) -> Chord | None:
    """Find the chord that this task is a member of; where the member is a chain, its last link has it."""
    options = [link.get("options") for link in later]
    candidates = [embed.get("chord"), *(each.get("chord") for each in options if isinstance(each, Mapping))]
    body = next((each for each in candidates if isinstance(each, Mapping)), None)
    if body is None:
        return None
    body_options = body.get("options")
    body_id = body_options.get("task_id") if isinstance(body_options, Mapping) else None
    return Chord(str(body.get("task")), _text(body_id))


def _holds(
    parts: Mapping[Membership, bool], embed: Mapping[str, Any], later: tuple[Mapping[str, Any], ...], *, told: bool
) -> tuple[str, ...]:
    failed = "; Celery has stored the failure for each of them, and its own result takes that place" if told else ""
    ran = "have run, and run again" if told else "run"
    counted = "the body of its chord still waits for it, and runs when every member has succeeded"
    sentences = {
        f"the {len(later)} links after it run with its result when a redrive succeeds{failed}": bool(later),
        "a redrive keeps its group and its index in it": parts[Membership.GROUP],
        counted: parts[Membership.CHORD] and not told,
        "its callbacks run when a redrive succeeds": bool(embed.get("callbacks")),
        f"its errbacks {ran} when a redrive fails": bool(embed.get("errbacks")),
    }
    return tuple(sentence for sentence, holds in sentences.items() if holds)


def _why_late(chord: Chord) -> str:
    return (
        f"this task was part of a chord whose body is {chord.body}, id {chord.body_id}: when it failed, Celery counted "
        "it as failed, and fails the body once the other members have returned; a redrive stores the task's result, "
        "and the body does not run by itself. With a database as result backend it still does, where the redriven task "
        "succeeds before the last other member returns"
    )


def _signatures(value: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()


def _names(signatures: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(str(each.get("task")) for each in signatures)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
