"""The nightly reconciler: which events a store has, held against which it was given; what is missing goes again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.conservation import Reconciliation
from orchestrator.domain.ids import derive
from orchestrator.domain.replays import Origin, Replay, Selection
from orchestrator.flows.sending_again import Word, record_gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.conservation import Reconciliations
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.replays import Replays

RECONCILER: Final = "reconciler"
AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """When the reconciler runs by itself: `every` so long, over what was accepted from `back` to `lag` ago."""

    every: timedelta = timedelta(days=1)
    back: timedelta = timedelta(hours=48)
    lag: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Conserver:
    """Does one reconciliation at a time; `holders` tell, for each sink that can be asked, which keys it has."""

    reconciliations: Reconciliations
    replays: Replays
    ledger: Ledger
    holders: Mapping[str, Callable[[Iterable[UUID]], set[UUID]]]
    pattern: Pattern = Pattern()

    def run_once(self, now: datetime) -> Reconciliation | None:
        """Do what waits longest, or what is due; None when nothing is.

        Raises DependencyUnreachable when the log or the store does not answer: it is done again then, from its start.
        """
        self._ask_for_due(now)
        asked = self.reconciliations.next()
        if asked is None:
            return None
        done = self._checked(asked, now)
        self.reconciliations.finish(done)
        return done

    def _ask_for_due(self, now: datetime) -> None:
        if not self.pattern.every:
            return
        for sink in self.holders:
            last = self.reconciliations.last(sink, RECONCILER)
            if last is None or (last.done_at is not None and now - last.asked_at >= self.pattern.every):
                self.reconciliations.ask(self._due(sink, last, now))

    def _due(self, sink: str, last: Reconciliation | None, now: datetime) -> Reconciliation:
        """Make the next one; its id follows from the one before, so that two processes ask for one."""
        key = derive(RECONCILER, sink, last.id if last else "first")
        return Reconciliation(key, sink, now - self.pattern.back, now - self.pattern.lag, RECONCILER, now)

    def _checked(self, asked: Reconciliation, now: datetime) -> Reconciliation:
        has = self.holders.get(asked.sink)
        if has is None:  # the settings name this sink no longer
            return replace(asked, done_at=now)
        checked, after, gaps = 0, 0, list[int]()
        # What was accepted a moment ago is not asked about: its row may be on its way.
        hours = replace(asked, until=min(asked.until, now - self.pattern.lag))
        while page := self.reconciliations.given(hours, after, AT_ONCE):
            there = has([each.key for each in page])
            gaps += [each.seq for each in page if each.key not in there]
            checked, after = checked + len(page), page[-1].seq
        done = replace(asked, done_at=now, checked=checked, missing=len(gaps))
        return self._sent(done, gaps, now) if gaps else done

    def _sent(self, done: Reconciliation, gaps: list[int], now: datetime) -> Reconciliation:
        word = Word(derive("gap", done.id), RECONCILER, f"{len(gaps)} events are not in {done.sink}", now)
        selection = Selection(dead=False, sink=done.sink, since=done.since, until=done.until)
        replay = Replay(word.id, word.actor, word.reason, now, selection, origin=Origin.RECONCILER)
        sent = self.replays.begin_with(replay, done.sink, gaps)
        with self.ledger.transaction() as tx:
            record_gap(tx, word, replay, {"missing": len(gaps), "sent": sent})
        return replace(done, replay_id=replay.id, sent=sent)
