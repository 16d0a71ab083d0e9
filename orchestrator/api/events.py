"""Events as an operator asks for them: lists, one of them whole, why it is where it is; sent again, or given up."""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Request, Response

from orchestrator.api.event_bodies import MOST_LISTED, CancelQuery, Chosen, DiscardBody, ListQuery, ReplayBody
from orchestrator.api.event_views import event_view, fate_view, letter_view, replay_view, whole_view
from orchestrator.api.idempotency import stored_answer
from orchestrator.api.paging import link_next
from orchestrator.api.problems import CursorUnknown, KeyMissing
from orchestrator.domain.commands import CommandKind, StoredAnswer
from orchestrator.domain.errors import NotFound
from orchestrator.domain.ids import derive
from orchestrator.domain.replays import Selection
from orchestrator.flows.sending_again import Again, Word, begin_replay, cancel_replay, discard, intend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.api.needs import Api
    from orchestrator.flows.desk import Desk

# Events that a dry run names.
SHOWN = 20
router = APIRouter(prefix="/api/v1/events", tags=["events"])
Key = Annotated[str | None, Header(min_length=1, max_length=255, alias="Idempotency-Key")]


@router.get("")
def list_events(query: Annotated[ListQuery, Query()], request: Request, response: Response) -> dict[str, Any]:
    """List events, newest first; with `dead` the dead letters of one sink or of all, discarded ones too."""
    desk: Desk = request.app.state.api.desk
    selection = _selection(desk, query, None)
    if query.dead:
        letters = desk.replays.letters(selection, query.limit, _place(query.cursor))
        link_next(request, response, query.limit, [f"{each.dead.event.seq}:{each.sink}" for each in letters])
        return {"dead_letters": [letter_view(each) for each in letters]}
    before = _number(query.cursor) if query.cursor else None
    events = desk.replays.events(selection, query.limit, before)
    link_next(request, response, query.limit, [each.seq for each in events])
    stands = desk.replays.standings(query.sink, [each.seq for each in events]) if query.sink else {}
    return {"events": [event_view(each) | {"state": stands.get(each.seq)} for each in events]}


def _place(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    seq, _, sink = cursor.partition(":")
    return _number(seq), sink


def _number(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:  # noqa: PLR2004 - what 64 bits hold for sure
        raise CursorUnknown(cursor)
    return int(cursor)


def _selection(desk: Desk, chosen: Chosen, event_ids: list[str] | None, *, dead: bool = True) -> Selection:
    keys = None if event_ids is None else frozenset(desk.event(each).record.key for each in event_ids)
    sink = None if chosen.sink is None else desk.subscribed(chosen.sink)
    return Selection(dead=dead, sink=sink, since=chosen.since, until=chosen.until, type=chosen.type, keys=keys)


@router.post("/replay", status_code=HTTPStatus.ACCEPTED)
def replay(body: ReplayBody, request: Request, idempotency_key: Key = None) -> Response:
    """Send events again under their ids. Answers 202 with the Location of the replay.

    The same Idempotency-Key gives the same answer for 24 hours; without a dry run it is required.
    """
    api: Api = request.app.state.api
    selection = _selection(api.desk, body, body.event_ids, dead=body.dead)
    if body.dry_run:
        return _told(_preview(api.desk, selection, selection.sent_to(api.desk.sinks)))
    if idempotency_key is None:
        raise KeyMissing("events to be sent again")
    digest = sha256(body.model_dump_json().encode()).hexdigest()
    word = Word(
        derive("replay", idempotency_key, digest, api.clock().date()), request.state.actor, body.reason, api.clock()
    )
    again = Again(selection, body.patch, body.pace)
    _intend(api, word, CommandKind.REPLAY, selection, idempotency_key)
    with api.ledger.transaction() as tx:
        answer = stored_answer(tx, idempotency_key, digest, api.clock())
        if answer is None:
            sums = begin_replay(tx, api.desk, word, again)
            answer = _accepted(word.id, digest, sums)
            tx.store_answer(idempotency_key, answer)
    return Response(answer.body, answer.status, {"Location": answer.location}, media_type="application/json")


def _intend(api: Api, word: Word, verb: CommandKind, selection: Selection, key: str | None) -> None:
    """Say in the audit what is about to be done to the event log, unless this request was answered before."""
    if key is not None:
        with api.ledger.reading() as tx:
            if tx.knows_key(key):
                return
    what = {name: getattr(selection, name) for name in ("sink", "type", "since", "until")}
    said = {name: str(value) for name, value in what.items() if value is not None}
    named = {} if selection.keys is None else {"events": len(selection.keys)}
    intend(api.ledger, word, api.new_id(), verb, said | named)


def _accepted(replay_id: UUID, digest: str, sums: Any) -> StoredAnswer:  # noqa: ANN401 - as it is answered
    location = f"/api/v1/events/replays/{replay_id}"
    content = {"id": str(replay_id), "location": location, "events": sum(sums.values()), "sinks": dict(sums)}
    return StoredAnswer(digest, HTTPStatus.ACCEPTED, orjson.dumps(content).decode(), location)


def _preview(desk: Desk, selection: Selection, sinks: Sequence[str]) -> dict[str, Any]:
    sums = desk.replays.eligible(selection, sinks)
    shown: list[dict[str, Any]]
    if selection.dead:
        letters = desk.replays.letters(selection, SHOWN)
        shown = [letter_view(each) for each in letters if each.discarded is None]
    else:
        shown = [event_view(each) for each in desk.replays.events(selection, SHOWN)]
    return {"dry_run": True, "events": sum(sums.values()), "sinks": dict(sums), "first": shown}


@router.post("/discard")
def give_up(body: DiscardBody, request: Request, idempotency_key: Key = None) -> Response:
    """Give dead letters up, by a person's name: they stay dead in the count, and no replay takes them.

    The same Idempotency-Key gives the same answer for 24 hours; it is required where no event_ids are given.
    """
    api: Api = request.app.state.api
    selection = _selection(api.desk, body, body.event_ids)
    if body.dry_run:
        return _told(_preview(api.desk, selection, api.desk.sinks))
    if idempotency_key is None and body.event_ids is None:
        raise KeyMissing("dead letters to be given up")
    digest = sha256(body.model_dump_json().encode()).hexdigest()
    word = Word(api.new_id(), request.state.actor, body.reason, api.clock())
    _intend(api, word, CommandKind.DISCARD, selection, idempotency_key)
    with api.ledger.transaction() as tx:
        answer = stored_answer(tx, idempotency_key, digest, api.clock()) if idempotency_key else None
        if answer is None:
            answer = _given_up(discard(tx, api.desk, word, body.by, selection), body.by, word.id, digest)
            if idempotency_key:
                tx.store_answer(idempotency_key, answer)
    return Response(answer.body, answer.status, media_type="application/json")


def _given_up(number: int, by: str, command_id: UUID, digest: str) -> StoredAnswer:
    content = {"discarded": number, "by": by, "command_id": str(command_id)}
    return StoredAnswer(digest, HTTPStatus.OK, orjson.dumps(content).decode(), "/api/v1/events?dead=true")


def _told(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content, default=str), HTTPStatus.OK, media_type="application/json")


@router.get("/replays")
def list_replays(request: Request, limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100) -> dict[str, Any]:
    """List replays, newest first."""
    desk: Desk = request.app.state.api.desk
    return {"replays": [replay_view(each, desk.replays.progress(each.id)) for each in desk.replays.replays(limit)]}


@router.get("/replays/{replay_id}")
def read_replay(replay_id: UUID, request: Request) -> dict[str, Any]:
    """Show a replay: what was asked for, and what became of it at each sink."""
    desk: Desk = request.app.state.api.desk
    found = desk.replays.replay(replay_id)
    if found is None:
        raise NotFound("replay", str(replay_id))
    return replay_view(found, desk.replays.progress(replay_id))


@router.delete("/replays/{replay_id}")
def cancel(replay_id: UUID, query: Annotated[CancelQuery, Query()], request: Request) -> dict[str, Any]:
    """Stop a replay: what has not gone stays as it was. 409 after its end; gives the replay as it is then."""
    api: Api = request.app.state.api
    word = Word(api.new_id(), request.state.actor, query.reason, api.clock())
    with api.ledger.transaction() as tx:
        cancel_replay(tx, api.desk, word, replay_id)
    return read_replay(replay_id, request) | {"command_id": word.id}


@router.get("/{event_id:path}/why")
def why(event_id: str, request: Request) -> dict[str, Any]:
    """Tell why an event is where it is, at each sink; it is named by its key or its id."""
    desk: Desk = request.app.state.api.desk
    event = desk.event(event_id)
    return event_view(event) | {"sinks": [fate_view(each) for each in desk.fates(event)]}


@router.get("/{event_id:path}")
def read_event(event_id: str, request: Request) -> dict[str, Any]:
    """Show an event whole, with what became of it at each sink."""
    desk: Desk = request.app.state.api.desk
    event = desk.event(event_id)
    return event_view(event) | whole_view(event) | {"sinks": [fate_view(each) for each in desk.fates(event)]}
