"""How events, replays and sinks look in an answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from orchestrator.domain.replays import ItemState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orchestrator.domain.circuits import Standing as CircuitStanding
    from orchestrator.domain.events import Answer, SinkCounts, StoredEvent
    from orchestrator.domain.replays import Item, Letter, Replay
    from orchestrator.flows.desk import Account, Fate


def event_view(event: StoredEvent) -> dict[str, Any]:
    """Show an event in a list; `time` is its sender's clock, `accepted_at` the server's."""
    record = event.record
    return {
        "id": record.id,
        "key": record.key,
        "source": record.source,
        "type": record.type,
        "lane": record.lane,
        "seq": event.seq,
        "time": record.time,
        "accepted_at": event.accepted_at,
        "organization_id": record.organization,
        "trace_id": record.trace,
        "bytes": len(record.body),
    }


def letter_view(letter: Letter) -> dict[str, Any]:
    """Show a dead letter in a list."""
    return event_view(letter.dead.event) | {"sink": letter.sink} | _why_dead(letter)


def _why_dead(letter: Letter) -> dict[str, Any]:
    dead = letter.dead
    return {
        "reason": dead.refusal.reason,
        "field": dead.refusal.field,
        "attempts": dead.attempts,
        "refused_at": dead.at,
        "discarded": asdict(letter.discarded) if letter.discarded else None,
    }


def whole_view(event: StoredEvent) -> dict[str, Any]:
    """Show the event itself; bytes that are no JSON as text."""
    try:
        return {"event": orjson.loads(event.record.body)}
    except ValueError:
        return {"event": event.record.body.decode(errors="replace")}


def fate_view(fate: Fate) -> dict[str, Any]:
    """Show what became of an event at one sink."""
    return {
        "sink": fate.sink,
        "state": fate.standing,
        "dead_letter": _why_dead(fate.letter) if fate.letter else None,
        "answers": [_answer(each) for each in fate.answers],
        "replays": [_sent_again(item, replay) for item, replay in fate.sent_again],
        "row": fate.held,
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {"at": answer.at, "outcome": answer.outcome, "detail": answer.detail}


def _sent_again(item: Item, replay: Replay | None) -> dict[str, Any]:
    told = {"id": item.replay_id, "state": item.state, "sent_at": item.at}
    told |= {"reason": item.refusal.reason, "field": item.refusal.field} if item.refusal else {}
    if replay is None:
        return told
    asked = {"asked_by": replay.actor, "asked_at": replay.created_at, "asked_because": replay.reason}
    return told | asked | {"patch": replay.patch, "traceparent": replay.context.traceparent}


def replay_view(replay: Replay, progress: Mapping[str, Mapping[ItemState, int]]) -> dict[str, Any]:
    """Show a replay with what became of its events at each sink."""
    shown = asdict(replay) | {"traceparent": replay.context.traceparent}
    shown["selection"]["keys"] = sorted(map(str, replay.selection.keys)) if replay.selection.keys else None
    counts = {sink: {str(each): states.get(each, 0) for each in ItemState} for sink, states in progress.items()}
    ended = "cancelled" if replay.cancelled else "ended"
    return shown | {"state": ended if replay.ended_at else "running", "sinks": counts}


def counts_view(counts: SinkCounts) -> dict[str, Any]:
    """Show what became of events, and whether that adds up."""
    return asdict(counts) | {"adds_up": counts.adds_up}


def account_view(account: Account, now: datetime) -> dict[str, Any]:
    """Show how a sink stands; ages in seconds."""
    error, rate = account.last_error, account.delivered_per_second
    return counts_view(account.counts) | {
        "configured": account.configured,
        "oldest_seconds": round(account.oldest_seconds(now), 3),
        "delivered_per_second": None if rate is None else round(rate, 3),
        "circuits": {str(lane): _circuit(each, now) for lane, each in account.circuits.items()},
        "last_error": _answer(error) if error else None,
    }


def _circuit(standing: CircuitStanding | None, now: datetime) -> dict[str, Any]:
    if standing is None:
        return {"state": "closed", "next_try_at": None, "next_try_seconds": 0.0, "reason": None, "forced": None}
    left = standing.seconds_left(now)
    return {
        "state": standing.state,
        "next_try_at": standing.reopen_at if left else None,
        "next_try_seconds": round(left, 3),
        "reason": standing.reason,
        "forced": asdict(standing.forced) if standing.forced else None,
    }
