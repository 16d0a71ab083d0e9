"""What a sink answered to events that were sent again, as rows: delivered ones are dead letters no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from orchestrator.domain.replays import ANSWERABLE, ItemState
from orchestrator.eventlog.rows import storable
from orchestrator.eventlog.schema import dead_letters, events, replay_items
from orchestrator.eventlog.totals import take_turn, unsettle
from orchestrator.stores import insert_into

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from orchestrator.domain.events import Refusal
    from orchestrator.domain.replays import Replay


def settle(  # noqa: PLR0913, PLR0917 - what was sent, where to, and both kinds of answers
    connection: Connection,
    replay: Replay,
    sink: str,
    delivered: Sequence[int],
    refused: Mapping[int, Refusal],
    now: datetime,
) -> None:
    """Write it; an event that another process has settled meanwhile keeps what it was told."""
    buries = replay.missing and bool(refused)
    if buries:
        take_turn(connection)
    open_ones = _unanswered(connection, replay, sink, [*delivered, *refused])
    gone = [seq for seq in delivered if seq in open_ones]
    _note(connection, replay, sink, gone, {"state": str(ItemState.DELIVERED), "at": now})
    connection.execute(delete(dead_letters).where(dead_letters.c.sink == sink, dead_letters.c.seq.in_(gone)))
    for seq, refusal in sorted(refused.items()):
        if seq in open_ones:
            told = {"reason": storable(refusal.reason), "field": storable(refusal.field), "at": now}
            _note(connection, replay, sink, [seq], told | {"state": str(ItemState.REFUSED)})
            if buries:
                _bury(connection, {"sink": sink, "seq": seq, **told})


def _unanswered(connection: Connection, replay: Replay, sink: str, seqs: Sequence[int]) -> set[int]:
    mine = (replay_items.c.replay_id == replay.id, replay_items.c.sink == sink, replay_items.c.seq.in_(seqs))
    query = select(replay_items.c.seq).where(*mine, replay_items.c.state.in_(ANSWERABLE))
    return set(connection.execute(query.with_for_update()).scalars())


def _note(connection: Connection, replay: Replay, sink: str, seqs: Sequence[int], values: Mapping[str, object]) -> None:
    mine = (replay_items.c.replay_id == replay.id, replay_items.c.sink == sink, replay_items.c.seq.in_(seqs))
    connection.execute(update(replay_items).where(*mine).values(dict(values)))


def _bury(connection: Connection, letter: Mapping[str, object]) -> None:
    """File a dead letter, or give the one that is there its new reason and one more attempt; none of what went."""
    if connection.execute(select(events.c.seq).where(events.c.seq == letter["seq"])).scalar() is None:
        return
    unsettle(connection, str(letter["sink"]), int(str(letter["seq"])))
    fresh = insert_into(dead_letters, connection.dialect).values({**letter, "attempts": 1})
    again = {name: fresh.excluded[name] for name in ("reason", "field", "at")}
    counted = again | {"attempts": dead_letters.c.attempts + 1}
    connection.execute(fresh.on_conflict_do_update(index_elements=["sink", "seq"], set_=counted))
