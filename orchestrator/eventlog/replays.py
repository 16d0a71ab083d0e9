"""Replays, discards, and the operator's lists, on SQLite or PostgreSQL: beside the log, in its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exists, func, insert, literal, literal_column, select, true, update

from orchestrator.domain.events import Lane, Outcome
from orchestrator.domain.replays import Batch, ItemState, Standing
from orchestrator.eventlog.counting import marks, place
from orchestrator.eventlog.replay_rows import item_from, replay_from, replay_row, whole_letter
from orchestrator.eventlog.rows import answer_from, from_row
from orchestrator.eventlog.schema import STORE, answers, cursors, dead_letters, discards, events, replay_items, replays
from orchestrator.eventlog.selecting import chosen, in_front, standing, to_send, waits
from orchestrator.eventlog.settling import settle
from orchestrator.eventlog.totals import take_turn
from orchestrator.stores import insert_into, reachable, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from orchestrator.domain.events import Answer, Refusal, StoredEvent
    from orchestrator.domain.replays import Cancelled, Discard, Item, Letter, Replay, Selection

WAITING: Final = str(ItemState.WAITING)
# How many places one statement names: below the number of parameters of every SQLite that is in use.
AT_ONCE: Final = 500


class SqlReplays:
    """What is sent again, in the database of the log at `url`. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._engine = STORE.open(url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def events(self, selection: Selection, limit: int, before: int | None = None) -> list[StoredEvent]:
        """List events, whatever became of them, newest first, in front of a sequence number."""
        ahead = true() if before is None else events.c.seq < before
        query = select(events).where(chosen(selection), ahead).order_by(events.c.seq.desc()).limit(limit)
        with reachable(STORE.name), self._engine.connect() as connection:
            return [from_row(row) for row in connection.execute(query).mappings()]

    def letters(self, selection: Selection, limit: int, before: tuple[int, str] | None = None) -> list[Letter]:
        """List dead letters, discarded ones too, newest first, in front of a place and a sink's name."""
        gone = (discards.c.actor, discards.c.reason, discards.c.at)
        names = ("discarded_by", "discarded_reason", "discarded_at")
        columns = (dead_letters.c[name] for name in ("sink", "reason", "field", "attempts", "at"))
        of_sink = true() if selection.sink is None else dead_letters.c.sink == selection.sink
        same = (discards.c.sink == dead_letters.c.sink) & (discards.c.seq == dead_letters.c.seq)
        query = (
            select(events, *columns, *(column.label(name) for column, name in zip(gone, names, strict=True)))
            .join(dead_letters, dead_letters.c.seq == events.c.seq)
            .outerjoin(discards, same)
            .where(chosen(selection), of_sink, in_front(before))
            .order_by(events.c.seq.desc(), dead_letters.c.sink)
            .limit(limit)
        )
        with reachable(STORE.name), self._engine.connect() as connection:
            return [whole_letter(row) for row in connection.execute(query).mappings()]

    def standings(self, sink: str, seqs: Iterable[int]) -> Mapping[int, Standing]:
        """Tell how events stand with a sink that has subscribed."""
        found: dict[int, Standing] = {}
        with reachable(STORE.name), self._engine.connect() as connection:
            stands = standing(connection, sink)
            for some in _parts(seqs):
                rows = connection.execute(select(events.c.seq, stands).where(events.c.seq.in_(some)))
                found |= {seq: Standing(name) for seq, name in rows}
        return found

    def identified(self, event_id: str, limit: int) -> list[StoredEvent]:
        """List events that carry this id, whatever their source: a look at every row."""
        query = select(events).where(events.c.id == event_id).order_by(events.c.seq).limit(limit)
        with reachable(STORE.name), self._engine.connect() as connection:
            return [from_row(row) for row in connection.execute(query).mappings()]

    def last_error(self, sink: str) -> Answer | None:
        """Give what a sink answered last to a batch that it did not take."""
        bad = (answers.c.sink == sink, answers.c.outcome != Outcome.SUCCESS.value)
        query = select(answers).where(*bad).order_by(answers.c.id.desc()).limit(1)
        with reachable(STORE.name), self._engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else answer_from(row)

    def oldest_pending(self, sink: str) -> datetime | None:
        """Tell when the oldest event that waits for a sink was accepted."""
        with reachable(STORE.name), self._engine.connect() as connection:
            firsts = [_first_pending(connection, sink, lane) for lane in Lane]
        return min((each for each in firsts if each is not None), default=None)

    def eligible(self, selection: Selection, sinks: Sequence[str]) -> Mapping[str, int]:
        """Count for each sink what a replay would send now."""
        with reachable(STORE.name), self._engine.connect() as connection:
            found = to_send(connection, selection, sinks)
            rows = connection.execute(select(found.c.sink, func.count()).group_by(found.c.sink))
            return {sink: count for sink, count in rows}  # noqa: C416 - of rows, which dict() does not read

    def begin(self, replay: Replay, sinks: Sequence[str]) -> None:
        """Keep a replay with what is eligible for these sinks; one that is there already stays as it is."""
        with reachable(STORE.name), writing(self._engine) as connection:
            take_turn(connection)
            if not _kept(connection, replay):
                return
            found = to_send(connection, replay.selection, sinks)
            columns = (literal(replay.id, replay_items.c.replay_id.type), found.c.sink, found.c.seq)
            rows = select(*columns, literal_column(f"'{WAITING}'"))
            connection.execute(insert(replay_items).from_select(["replay_id", "sink", "seq", "state"], rows))
            _end_if_done(connection, replay, replay.created_at)

    def begin_with(self, replay: Replay, sink: str, seqs: Iterable[int]) -> int:
        """Keep a replay of these events, but for those that wait in another one; says how many."""
        with reachable(STORE.name), writing(self._engine) as connection:
            take_turn(connection)
            if not _kept(connection, replay):
                return 0
            free = [seq for some in _parts(seqs) for seq in _free(connection, sink, some)]
            rows = [{"replay_id": replay.id, "sink": sink, "seq": seq, "state": WAITING} for seq in free]
            if rows:
                connection.execute(insert(replay_items), rows)
            _end_if_done(connection, replay, replay.created_at)
            return len(rows)

    def replay(self, replay_id: UUID) -> Replay | None:
        """Look a replay up."""
        with reachable(STORE.name), self._engine.connect() as connection:
            row = connection.execute(select(replays).where(replays.c.id == replay_id)).mappings().one_or_none()
            return None if row is None else replay_from(row)

    def replays(self, limit: int) -> list[Replay]:
        """List the newest replays, newest first."""
        query = select(replays).order_by(replays.c.created_at.desc(), replays.c.id).limit(limit)
        with reachable(STORE.name), self._engine.connect() as connection:
            return [replay_from(row) for row in connection.execute(query).mappings()]

    def progress(self, replay_id: UUID) -> Mapping[str, Mapping[ItemState, int]]:
        """Count a replay's events by sink and state."""
        by = (replay_items.c.sink, replay_items.c.state)
        query = select(*by, func.count()).where(replay_items.c.replay_id == replay_id).group_by(*by).order_by(*by)
        told: dict[str, dict[ItemState, int]] = {}
        with reachable(STORE.name), self._engine.connect() as connection:
            for sink, state, count in connection.execute(query):
                told.setdefault(sink, {})[ItemState(state)] = count
        return told

    def next_batch(self, sink: str, limit: int) -> Batch | None:
        """Give what the oldest replay that has anything waiting for a sink has to send next."""
        waiting = (replay_items.c.sink == sink, replay_items.c.state == WAITING)
        has_any = exists().where(replay_items.c.replay_id == replays.c.id, *waiting)
        oldest = select(replays).where(replays.c.ended_at.is_(None), has_any)
        with reachable(STORE.name), self._engine.connect() as connection:
            row = connection.execute(oldest.order_by(replays.c.created_at, replays.c.id).limit(1)).mappings().first()
            if row is None:
                return None
            replay = replay_from(row)
            mine = select(replay_items.c.seq).where(replay_items.c.replay_id == replay.id, *waiting)
            seqs = connection.execute(mine.order_by(replay_items.c.seq).limit(limit)).scalars().all()
            these = select(events).where(events.c.seq.in_(seqs)).order_by(events.c.seq)
            found = [from_row(each) for each in connection.execute(these).mappings()]
            here = [each.seq for each in found]
            return Batch(replay, found, _patches(connection, replay, sink, here), set(seqs).difference(here))

    def settle(
        self,
        replay: Replay,
        sink: str,
        delivered: Iterable[int],
        refused: Mapping[int, Refusal],
        now: datetime,
    ) -> None:
        """Note what a sink answered, in one commit: what was delivered is a dead letter no longer."""
        with reachable(STORE.name), writing(self._engine) as connection:
            settle(connection, replay, sink, list(delivered), refused, now)
            _end_if_done(connection, replay, now)

    def cancel(self, replay_id: UUID, cancelled: Cancelled, now: datetime) -> int:
        """End a replay, and leave what still waits in it as it is; says how many, 0 where it had ended."""
        mine = (replay_items.c.replay_id == replay_id, replay_items.c.state == WAITING)
        told = {"cancelled_by": cancelled.actor, "cancelled_reason": cancelled.reason, "ended_at": now}
        with reachable(STORE.name), writing(self._engine) as connection:
            stopped = update(replay_items).where(*mine).values(state=str(ItemState.CANCELLED))
            count = connection.execute(stopped).rowcount
            if count:
                connection.execute(update(replays).where(replays.c.id == replay_id).values(told))
            return count

    def items_of(self, seq: int) -> list[Item]:
        """List what was sent again of one event, or is to be, in the order in which it was asked for."""
        query = select(replay_items).join(replays, replays.c.id == replay_items.c.replay_id)
        query = query.where(replay_items.c.seq == seq).order_by(replays.c.created_at, replays.c.id, replay_items.c.sink)
        with reachable(STORE.name), self._engine.connect() as connection:
            return [item_from(row) for row in connection.execute(query).mappings()]

    def discard(self, selection: Selection, discard: Discard) -> int:
        """Give dead letters up, but for those that wait in a replay; says how many."""
        with reachable(STORE.name), writing(self._engine) as connection:
            take_turn(connection)
            sinks = connection.execute(select(dead_letters.c.sink).distinct()).scalars().all()
            found = to_send(connection, selection, sinks)
            told = (literal(discard.actor), literal(discard.reason), literal(discard.at, discards.c.at.type))
            rows = select(found.c.sink, found.c.seq, *told)
            names = ["sink", "seq", "actor", "reason", "at"]
            return connection.execute(insert(discards).from_select(names, rows)).rowcount


def _first_pending(connection: Connection, sink: str, lane: Lane) -> datetime | None:
    """Look behind the cursor alone: what is in front of it may be the whole log."""
    behind = events.c.seq > place(connection, cursors, sink, lane)
    query = select(events.c.accepted_at).where(events.c.lane == lane.value, behind, marks(connection, sink).routed)
    return connection.execute(query.order_by(events.c.seq).limit(1)).scalar_one_or_none()


def _parts(seqs: Iterable[int]) -> Iterable[list[int]]:
    every = list(seqs)
    return (every[first : first + AT_ONCE] for first in range(0, len(every), AT_ONCE))


def _kept(connection: Connection, replay: Replay) -> bool:
    row = insert_into(replays, connection.dialect).values(replay_row(replay)).on_conflict_do_nothing()
    return connection.execute(row).rowcount == 1


def _free(connection: Connection, sink: str, seqs: list[int]) -> Sequence[int]:
    query = select(events.c.seq).where(events.c.seq.in_(seqs), ~waits(literal(sink))).order_by(events.c.seq)
    return connection.execute(query).scalars().all()


def _end_if_done(connection: Connection, replay: Replay, now: datetime) -> None:
    waiting = exists().where(replay_items.c.replay_id == replay.id, replay_items.c.state == WAITING)
    ended = update(replays).where(replays.c.id == replay.id, replays.c.ended_at.is_(None), ~waiting)
    connection.execute(ended.values(ended_at=now))


def _patches(connection: Connection, replay: Replay, sink: str, seqs: list[int]) -> Mapping[int, Mapping[str, Any]]:
    """Give the patch of each event: this replay's own, else the one with which the sink took it last."""
    if replay.patch is not None:
        return dict.fromkeys(seqs, replay.patch)
    before = (
        select(replays, replay_items.c.seq)
        .join(replay_items, replay_items.c.replay_id == replays.c.id)
        .where(replay_items.c.sink == sink, replay_items.c.state == str(ItemState.DELIVERED))
        .where(replay_items.c.seq.in_(seqs), replays.c.patch.is_not(None))
        .order_by(replays.c.created_at)
    )
    rows = connection.execute(before).mappings()
    return {row["seq"]: patch for row in rows if (patch := replay_from(row).patch) is not None}
