"""Gathering: what comes while the log writes shares the next commit, and no request answers for another."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

from orchestrator.api.ingest import gathering
from orchestrator.api.ingest.gathering import Gatherer
from orchestrator.api.ingest.working import Busy
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.accepting import Accepting, Arrival, Fate
from tests.events import event
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from orchestrator.domain.events import Appended, EventRecord


@dataclass
class SlowLog(MemoryEventLog):
    """A log that writes when it is let, and notes how many events each commit has."""

    let: Flag = field(default_factory=Flag)
    began: Flag = field(default_factory=Flag)
    commits: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Be empty."""
        MemoryEventLog.__init__(self)

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Wait, and write."""
        self.began.set()
        assert self.let.wait(60)
        self.commits.append(len(records))
        return super().append(records)


class CutOff:
    """A ledger that is away."""

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Raise."""
        raise DependencyUnreachable("the ledger", "cut off")
        yield


@dataclass
class Hanging:
    """A ledger that takes its time to say that it is away."""

    let: Flag = field(default_factory=Flag)
    asked: Flag = field(default_factory=Flag)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Raise, once it is let."""
        self.asked.set()
        assert self.let.wait(60)
        raise DependencyUnreachable("the ledger", "time-out")
        yield


async def brought(gatherer: Gatherer, accepting: Accepting, *arrivals: Arrival) -> list[Fate]:
    """Bring events as one request does."""
    return [each.fate for each in await gatherer.accept(accepting, arrivals)]


def test_what_comes_meanwhile_shares_the_next_commit() -> None:
    """One writes; twenty that come meanwhile are one commit; each hears of its own events, in their order."""
    log = SlowLog()
    accepting, gatherer = Accepting(Scene(log=log).intake), Gatherer()

    async def scenario() -> list[list[Fate]]:
        first = asyncio.create_task(brought(gatherer, accepting, Arrival(event(event_id="0"))))
        await asyncio.to_thread(log.began.wait, 60)
        others = [
            brought(gatherer, accepting, Arrival(event(event_id=str(number))), Arrival(event(event_id="0")))
            for number in range(1, 21)
        ]
        rest = asyncio.gather(*others)
        await asyncio.sleep(0)
        log.let.set()
        return [await first, *await rest]

    first, *rest = asyncio.run(scenario())
    assert first == [Fate.ACCEPTED]
    assert rest == [[Fate.ACCEPTED, Fate.DUPLICATE]] * 20
    assert log.commits == [1, 40]


def test_telemetry_does_not_answer_for_a_failure_s_ledger() -> None:
    """Gathered in one go while the ledger is away, a failure is answered so, and a model call is accepted."""
    accepting, gatherer = Accepting(replace(Scene().intake, ledger=CutOff())), Gatherer()

    async def scenario() -> list[Any]:
        both = brought(gatherer, accepting, Arrival(failed_event(0))), brought(gatherer, accepting, Arrival(event()))
        found = await asyncio.gather(*both, return_exceptions=True)
        return [*found, await brought(gatherer, accepting, Arrival(event()))]

    failure, telemetry, afterwards = asyncio.run(scenario())
    assert isinstance(failure, DependencyUnreachable)
    assert telemetry == afterwards == [Fate.ACCEPTED]


def test_telemetry_does_not_wait_for_a_ledger_that_is_slow() -> None:
    """While the ledger hangs with a failure, model calls that come are accepted; a failure that comes waits with it."""
    ledger = Hanging()
    accepting, gatherer = Accepting(replace(Scene().intake, ledger=ledger)), Gatherer()

    async def scenario() -> tuple[list[Fate], list[Any]]:
        first = asyncio.create_task(brought(gatherer, accepting, Arrival(failed_event(0))))
        await asyncio.to_thread(ledger.asked.wait, 60)
        second = asyncio.create_task(brought(gatherer, accepting, Arrival(failed_event(1))))
        try:
            telemetry = await asyncio.wait_for(brought(gatherer, accepting, Arrival(event())), 30)
        finally:
            ledger.let.set()
        return telemetry, await asyncio.gather(first, second, return_exceptions=True)

    telemetry, failures = asyncio.run(scenario())
    assert telemetry == [Fate.ACCEPTED]
    assert all(isinstance(each, DependencyUnreachable) for each in failures)


def test_no_more_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may wait is told to come again; those that wait are answered."""
    monkeypatch.setattr(gathering, "MOST_GATHERED", 2)
    log = SlowLog()
    accepting, gatherer = Accepting(Scene(log=log).intake), Gatherer()

    async def scenario() -> list[Any]:
        first = asyncio.create_task(brought(gatherer, accepting, Arrival(event())))
        await asyncio.to_thread(log.began.wait, 60)
        rest = asyncio.gather(
            *(brought(gatherer, accepting, Arrival(event())) for _ in range(3)), return_exceptions=True
        )
        await asyncio.sleep(0)
        log.let.set()
        return [await first, *await rest]

    first, second, third, fourth = asyncio.run(scenario())
    assert first == second == third == [Fate.ACCEPTED]
    assert isinstance(fourth, Busy)
