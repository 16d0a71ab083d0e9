"""The story of each call, as worker and provider saw it; nobody asks the ledger for it.

A run succeeded where its worker says SUCCESS and the provider answered it with 200. One that was killed after its
answer did not: nobody received what it brought. Where it was killed later still, between its result and its last stamp,
the result backend says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from loadtests.evidence import Asked, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadtests.evidence import Call, Evidence

Seen = TypeVar("Seen", Run, Asked)
FIRST: Final = "-"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
SKIPPED: Final = "SKIPPED"
WELL: Final = 200


@dataclass(frozen=True)
class Story:
    """One call with its runs and with what it asked of the provider, both in the order of time."""

    call: Call
    runs: Sequence[Run]
    asked: Sequence[Asked]

    @cached_property
    def answered(self) -> Counter[str]:
        """Count the provider's good answers for each attempt, those included that nobody received."""
        return Counter(each.attempt for each in self.asked if each.status == WELL)

    @cached_property
    def said(self) -> Counter[str]:
        """Count, for each attempt, the runs of which the worker says that they succeeded."""
        return Counter(each.attempt for each in self.runs if each.state == SUCCESS)

    @cached_property
    def succeeded(self) -> Counter[str]:
        """Count, for each attempt, the runs that succeeded: worker and provider both say so."""
        return self.said & self.answered

    @cached_property
    def stamped(self) -> Counter[str]:
        """Count those of them that lived long enough to tell their end: these have told all that there is to tell."""
        lived = Counter(each.attempt for each in self.runs if each.state == SUCCESS and each.ended is not None)
        return lived & self.answered

    @property
    def contradicted(self) -> list[str]:
        """Name the attempts of which the worker says that they succeeded, and the provider knows no good answer."""
        return sorted(attempt for attempt, said in self.said.items() if said > self.answered[attempt])

    @property
    def first_run(self) -> Run | None:
        """Give the first run that is no redrive; None for a call that never came that far."""
        return next((each for each in self.runs if each.attempt == FIRST), None)

    @property
    def failed(self) -> bool:
        """Tell whether the call did not succeed without a redrive, though something of it was seen."""
        return bool(self.runs or self.asked) and not self.succeeded[FIRST]

    @cached_property
    def first_retry(self) -> str | None:
        """Name the redrive that was seen first, None where none was."""
        seen = [(_moment(each), each.attempt) for each in self.runs if each.attempt != FIRST]
        seen += [(each.at, each.attempt) for each in self.asked if each.attempt != FIRST]
        return min(seen)[1] if seen else None

    @property
    def first_succeeded(self) -> bool:
        """Tell whether the first redrive succeeded."""
        return self.first_retry is not None and self.succeeded[self.first_retry] > 0

    @property
    def duplicates(self) -> int:
        """Count the runs that succeeded after one had."""
        return max(0, self.succeeded.total() - 1)

    @property
    def recovered_at(self) -> float | None:
        """Give the moment at which a redrive of it first succeeded."""
        ends = [
            each.ended
            for each in self.runs
            if each.attempt != FIRST
            and each.state == SUCCESS
            and each.ended is not None
            and self.answered[each.attempt]
        ]
        return min(ends, default=None)

    @property
    def failed_at(self) -> float:
        """Give the moment at which its first run ended, or was last heard of."""
        run = self.first_run
        asked = [each.at for each in self.asked if each.attempt == FIRST]
        if run is None:
            return max(asked, default=self.call.sent)
        return run.ended if run.ended is not None else max([_moment(run), *asked])


def stories_of(evidence: Evidence) -> list[Story]:
    """Tell of every call that was sent; runs and requests of others (probes) are nobody's."""
    runs, asked = _by_id(evidence.runs), _by_id(evidence.asked)
    return [
        Story(
            call,
            _resolved(sorted(runs.get(call.id, ()), key=_moment), evidence.results.get(call.id)),
            sorted(asked.get(call.id, ()), key=lambda each: each.at),
        )
        for call in evidence.calls
    ]


def _resolved(runs: list[Run], result: str | None) -> list[Run]:
    """Let the last run have succeeded where the result backend says that one did, and none has told of it."""
    told = any(each.state == SUCCESS for each in runs)
    if result != SUCCESS or told or not runs or runs[-1].began is None or runs[-1].state is not None:
        return runs
    return [*runs[:-1], replace(runs[-1], state=SUCCESS)]


def _by_id(found: Iterable[Seen]) -> Mapping[str, list[Seen]]:
    by_id: defaultdict[str, list[Seen]] = defaultdict(list)
    for each in found:
        by_id[each.id].append(each)
    return by_id


def _moment(run: Run) -> float:
    return next((at for at in (run.began, run.received, run.ended) if at is not None), inf)
