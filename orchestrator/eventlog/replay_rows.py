"""A replay as rows, and back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from orchestrator.domain.events import Refusal
from orchestrator.domain.replays import Cancelled, Discard, Item, ItemState, Letter, Origin, Replay, Selection
from orchestrator.eventlog.rows import letter_from

if TYPE_CHECKING:
    from sqlalchemy import RowMapping


def replay_row(replay: Replay) -> dict[str, Any]:
    """Give the columns of a replay."""
    return {
        "id": replay.id,
        "actor": replay.actor,
        "reason": replay.reason,
        "created_at": replay.created_at,
        "selection": _selection_text(replay.selection),
        "patch": None if replay.patch is None else orjson.dumps(replay.patch).decode(),
        "pace": replay.pace,
        "origin": str(replay.origin),
        "ended_at": replay.ended_at,
        "cancelled_by": replay.cancelled.actor if replay.cancelled else None,
        "cancelled_reason": replay.cancelled.reason if replay.cancelled else None,
    }


def replay_from(row: RowMapping) -> Replay:
    """Read a replay back."""
    patch = row["patch"]
    return Replay(
        id=row["id"],
        actor=row["actor"],
        reason=row["reason"],
        created_at=row["created_at"],
        selection=_selection(orjson.loads(row["selection"])),
        patch=None if patch is None else orjson.loads(patch),
        pace=row["pace"],
        origin=Origin(row["origin"]),
        ended_at=row["ended_at"],
        cancelled=Cancelled(row["cancelled_by"], row["cancelled_reason"]) if row["cancelled_by"] else None,
    )


def item_from(row: RowMapping) -> Item:
    """Read one event of a replay back."""
    refusal = None if row["reason"] is None else Refusal(row["reason"], row["field"])
    return Item(row["replay_id"], row["sink"], row["seq"], ItemState(row["state"]), refusal, row["at"])


def whole_letter(row: RowMapping) -> Letter:
    """Read a dead letter back, with who gave it up."""
    actor = row["discarded_by"]
    discarded = None if actor is None else Discard(actor, row["discarded_reason"], row["discarded_at"])
    return Letter(row["sink"], letter_from(row), discarded)


def _selection_text(selection: Selection) -> str:
    return orjson.dumps(
        {
            "dead": selection.dead,
            "sink": selection.sink,
            "since": selection.since,
            "until": selection.until,
            "type": selection.type,
            "keys": None if selection.keys is None else sorted(map(str, selection.keys)),
        }
    ).decode()


def _selection(text: dict[str, Any]) -> Selection:
    moments = {name: datetime.fromisoformat(text[name]) if text[name] else None for name in ("since", "until")}
    keys = None if text["keys"] is None else frozenset(map(UUID, text["keys"]))
    return Selection(dead=text["dead"], sink=text["sink"], type=text["type"], keys=keys, **moments)
