"""Group commit: one commit for all who waited, to each its own answer, and nobody is left waiting."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.errors import DependencyUnreachable, Unstorable
from orchestrator.domain.events import Appended
from orchestrator.eventlog.group import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

PATIENCE = 30.0


class Killed(BaseException):
    """The thread that leads is interrupted."""


@dataclass
class Disk:
    """Takes groups one by one; the first waits until it is let go. `bad` rows are refused, `ends_with` is raised."""

    groups: list[list[list[int]]] = field(default_factory=list)
    go: Event = field(default_factory=Event)
    begun: Event = field(default_factory=Event)
    bad: int | None = None
    ends_with: list[BaseException] = field(default_factory=list)

    def commit(self, batches: Sequence[Sequence[int]]) -> list[Appended]:
        """Keep the batches."""
        self.begun.set()
        assert self.go.wait(PATIENCE)
        if any(self.bad in rows for rows in batches):
            raise Unstorable("disk", "so")
        if len(self.groups) and self.ends_with:
            raise self.ends_with.pop()
        self.groups.append([list(rows) for rows in batches])
        return [Appended(new=len(rows), duplicate=0) for rows in batches]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Give threads to call from."""
    with ThreadPoolExecutor(8) as made:
        yield made


def in_line(
    pool: ThreadPoolExecutor, group: GroupCommit[int], disk: Disk, *batches: list[int]
) -> list[Future[Appended]]:
    """Have one caller write, and the others wait behind it in this order; then let the disk go."""
    calls = [pool.submit(group.append, [0])]
    assert disk.begun.wait(PATIENCE)
    for waiting, rows in enumerate(batches, 1):
        calls.append(pool.submit(group.append, rows))
        deadline = time.monotonic() + PATIENCE
        while group.waiting < waiting:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    disk.go.set()
    return calls


def test_who_comes_during_a_commit_shares_the_next_one(pool: ThreadPoolExecutor) -> None:
    """Five callers behind one are one more commit, in the order in which they came; each is told its own numbers."""
    disk = Disk()
    group = GroupCommit(disk.commit)
    calls = in_line(pool, group, disk, [1], [2, 3], [4], [5], [6, 7, 8])
    assert [each.result(PATIENCE).new for each in calls] == [1, 1, 2, 1, 1, 3]
    assert disk.groups == [[[0]], [[1], [2, 3], [4], [5], [6, 7, 8]]]
    assert group.append([9]).new == 1


def test_a_commit_is_bounded(pool: ThreadPoolExecutor) -> None:
    """What does not fit goes with the next commit; a batch that is larger than a commit goes alone."""
    disk = Disk()
    calls = in_line(pool, GroupCommit(disk.commit, most=3), disk, [1, 2], [3], [4], [5, 6, 7, 8], [9])
    assert all(each.result(PATIENCE) for each in calls)
    assert disk.groups == [[[0]], [[1, 2], [3]], [[4]], [[5, 6, 7, 8]], [[9]]]


def test_one_that_cannot_be_stored_fails_alone(pool: ThreadPoolExecutor) -> None:
    """The callers beside it are written one by one, and only its own is refused."""
    disk = Disk(bad=2)
    calls = in_line(pool, GroupCommit(disk.commit), disk, [1], [2], [3])
    assert [calls[number].result(PATIENCE).new for number in (0, 1, 3)] == [1, 1, 1]
    with pytest.raises(Unstorable):
        calls[2].result(PATIENCE)
    assert disk.groups == [[[0]], [[1]], [[3]]]


def test_a_database_that_is_away_is_told_to_all_of_the_group(pool: ThreadPoolExecutor) -> None:
    """Nobody of a failed commit believes its rows stored; the next commit is tried again."""
    disk = Disk(ends_with=[DependencyUnreachable("disk", "gone")])
    group = GroupCommit(disk.commit)
    calls = in_line(pool, group, disk, [1], [2])
    assert calls[0].result(PATIENCE).new == 1
    for each in calls[1:]:
        with pytest.raises(DependencyUnreachable):
            each.result(PATIENCE)
    assert group.append([3]).new == 1


def test_a_leader_that_is_interrupted_leaves_nobody_waiting(pool: ThreadPoolExecutor) -> None:
    """Whatever ends the leader's commit, those of its group are told, and another leads."""
    disk = Disk(ends_with=[Killed()])
    group = GroupCommit(disk.commit, most=2)
    calls = in_line(pool, group, disk, [1], [2], [3])
    for each in calls[1:3]:
        with pytest.raises(Killed):
            each.result(PATIENCE)
    assert calls[3].result(PATIENCE).new == 1
