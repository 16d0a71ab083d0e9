"""What a failed task is part of, read from its message; and what is said where that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.domain.canvas import Canvas, Chord, Membership, canvas_of, chord_note
from orchestrator.domain.failures import Way
from tests.recovery import failure, message

BODY = {"task": "total", "args": [], "kwargs": {}, "options": {"task_id": "b-1"}, "subtask_type": None}


def link(task: str, **options: Any) -> dict[str, Any]:
    """Make a signature."""
    return {"task": task, "args": [], "kwargs": {}, "options": options, "subtask_type": None, "immutable": False}


def canvas(headers: dict[str, Any] | None = None, captured: Way = Way.EXCEPTION, **embed: Any) -> Canvas:
    """Read the canvas of a task with such headers and such an embed."""
    given = message()
    body = json.dumps([[1], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None} | embed]).encode()
    made = message(body=body, headers=dict(given.headers) | (headers or {}))
    return canvas_of(failure(message=made, captured=captured))


def test_a_task_alone_is_part_of_nothing() -> None:
    """Nothing is claimed, and nothing is late."""
    assert canvas() == Canvas(root_id="t0")


def test_the_links_after_it_are_named_in_their_order() -> None:
    """Celery carries the chain with its last link first."""
    found = canvas(chain=[link("last"), link("next")])
    assert found.member_of == (Membership.CHAIN,)
    assert found.later == ("next", "last")
    (said,) = found.holds
    assert said.startswith("the 2 links after it run with its result when a redrive succeeds; Celery has stored")
    assert found.what_can_be_done is None


def test_a_member_of_a_group_keeps_its_place() -> None:
    """Group and index come from the headers."""
    found = canvas({"group": "g-1", "group_index": 4, "parent_id": "p-1"})
    assert (found.member_of, found.group, found.group_index, found.parent_id) == ((Membership.GROUP,), "g-1", 4, "p-1")
    assert found.holds == ("a redrive keeps its group and its index in it",)
    assert found.why_late is None


def test_a_chord_that_has_failed_is_said_so() -> None:
    """Its body and what can be done are named."""
    found = canvas({"group": "g-1", "group_index": 0}, chord=BODY)
    assert found.member_of == (Membership.GROUP, Membership.CHORD)
    assert found.chord == Chord("total", "b-1")
    assert found.why_late
    assert "total, id b-1" in found.why_late
    assert "docs/canvas.md" in (found.what_can_be_done or "")


def test_a_member_that_is_a_chain_belongs_to_the_chord_of_its_last_link() -> None:
    """The message of its first link has no chord of its own."""
    found = canvas(chain=[link("last", chord=BODY, group_id="g-1")])
    assert found.member_of == (Membership.CHAIN, Membership.CHORD)
    assert found.chord == Chord("total", "b-1")


@pytest.mark.parametrize("captured", [Way.WORKER_KILLED, Way.COLD_SHUTDOWN, Way.ORPHANED, Way.UNDECODABLE, Way.REFUSED])
def test_a_chord_that_nobody_told_of_the_failure_still_waits(captured: Way) -> None:
    """Where nothing was stored for the task, the chord has not failed, and a redrive completes it."""
    found = canvas(captured=captured, chord=BODY, chain=[link("next")], errbacks=[link("heard")])
    assert (found.why_late, found.what_can_be_done) == (None, None)
    assert found.holds == (
        "the 1 links after it run with its result when a redrive succeeds",
        "the body of its chord still waits for it, and runs when every member has succeeded",
        "its errbacks run when a redrive fails",
    )


def test_callbacks_and_errbacks_are_named() -> None:
    """Errbacks have run once, and that is said."""
    found = canvas(callbacks=[link("after")], errbacks=[link("heard")])
    assert (found.callbacks, found.errbacks) == (("after",), ("heard",))
    assert "its errbacks have run, and run again when a redrive fails" in found.holds


UNKNOWN = [
    ({"content_type": "application/x-python-serialize", "body": b"\x80"}, "the body is pickled"),
    ({"content_type": "application/x-yaml"}, "the body is not JSON but application/x-yaml"),
    ({"content_type": ""}, "the body is not JSON but of no known type"),
    ({"headers": {"compression": "gzip", "group": "g-1"}}, "the body is compressed: gzip"),
    ({"body": b"", "claim": {"url": "file:///x", "bytes": 1, "sha256": ""}}, "the body lies elsewhere"),
    ({"body": b""}, "the body is not here"),
    ({"sealed": "..."}, "the message is sealed"),
    ({"missing": True}, "the body is not here"),
    ({"body": b'{"task": "app.call", "chord": null}'}, "the body is not one of Celery's protocol 2"),
    ({"body": b"[1, 2, 3]"}, "the body is not one of Celery's protocol 2"),
    ({"body": b"[" * 100_000}, "recursion"),
    ({"body": b"\xff"}, "decode"),
    ({"body": b"{"}, "Expecting"),
]


@pytest.mark.parametrize(("changes", "why"), UNKNOWN, ids=lambda each: str(each)[:40])
def test_what_cannot_be_read_is_unknown_with_the_reason(changes: dict[str, Any], why: str) -> None:
    """No body makes the answer fail; what the headers say is there all the same."""
    found = canvas_of(failure(message=message(**changes)))
    assert why in (found.unknown or "")
    assert found.group == changes.get("headers", {}).get("group")
    assert (found.chord, found.later) == (None, ())


@pytest.mark.parametrize("embed", [{"chain": 7}, {"chain": [7, None]}, {"chord": 7}, {"chord": {}}, {"callbacks": "x"}])
def test_a_strange_embed_is_no_error(embed: dict[str, Any]) -> None:
    """Whatever stands where signatures are expected, the answer is made."""
    assert canvas(**embed).unknown is None


def test_an_incident_says_how_many_of_its_failures_were_in_chords() -> None:
    """Only those count whose chord has failed; without one there is nothing to say."""
    waits = canvas(captured=Way.WORKER_KILLED, chord=BODY)
    assert chord_note([canvas(), waits]) is None
    note = chord_note([canvas(chord=BODY), canvas(chord=BODY), waits, canvas()])
    assert note
    assert note.startswith("2 of the failures looked at were part of a chord (body: total)")
