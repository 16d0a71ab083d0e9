"""First retries as figures: how many succeeded, of which kind, after which wait, and how often the accounts differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from loadtests.accounts.excusing import excused_of
from loadtests.accounts.kinds import met_by
from loadtests.accounts.rows import Failed, row_of, table_of, waits_of
from loadtests.accounts.witnesses import agreement_of, states_of
from loadtests.first_retry.figures import Share, p95
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.accounts.excusing import Excused
    from loadtests.accounts.stories import Story
    from loadtests.accounts.witnesses import Agreement, Told
    from loadtests.evidence import Evidence

SHARE, COUNT, SECONDS = "share", "count", "s"
MOST_TOLD: Final = 50
NONE_MADE: Final = "expected first retries, got none; see whether a fault made calls fail (faults_made)"
NONE_FAILED: Final = "expected calls that fail and can be recovered, got none; see faults_made"


@dataclass(frozen=True, slots=True)
class Retries:
    """All that is told of first retries: the calls that failed, and the three accounts."""

    failed: Sequence[Failed]
    agreement: Agreement
    in_flight: int
    states: dict[str, int]
    excused: Excused

    def figures(self) -> list[Figure]:
        """Give the figures; one that rests on nothing is unmeasured."""
        recoverable = [each for each in self.failed if each.met.recoverable]
        return [
            self._success(),
            _recoverable(recoverable),
            _disagreements(self.agreement),
            _never_released(recoverable),
            self._duplicates(),
            *_waits(waits_of(recoverable)),
        ]

    def _success(self) -> Figure:
        told = self.agreement.ledger
        if not told.first_attempts:
            return Figure.unmeasured("first_retry_success", SHARE, NONE_MADE)
        about = f"by the ledger; {self.in_flight} still in flight" if self.in_flight else "by the ledger"
        return share_of("first_retry_success", told.first_successes, told.first_attempts, about)

    def _duplicates(self) -> Figure:
        """Take the higher of the two counts that there are, without those that a kill may have made."""
        ledger = (self.agreement.ledger.duplicates or 0) - self.excused.ledger
        seen = (self.agreement.seen.duplicates or 0) - self.excused.seen
        about = f"by the ledger {ledger}, by worker and provider {seen}; of calls under way when a process died "
        about += f"{max(self.excused.ledger, self.excused.seen)} more"
        if not self.agreement.ledger.first_attempts:
            return Figure.unmeasured("duplicate_executions", COUNT, NONE_MADE)
        runs = self.agreement.seen.first_attempts
        return Figure("duplicate_executions", COUNT, max(ledger, seen), samples=runs, about=about)

    def as_data(self) -> dict[str, Any]:
        """Give it JSON-ready, as the report has it under `first_retry`."""
        told, found = self.agreement.ledger, self.agreement.disagreements
        share = Share.make(told.first_successes, told.first_attempts)
        return {
            "numerator": told.first_successes,
            "denominator": told.first_attempts,
            "share": share.share,
            "low": share.low,
            "high": share.high,
            "in_flight": self.in_flight,
            "states": self.states,
            "accounts": {name: asdict(getattr(self.agreement, name)) for name in ("ledger", "settle", "seen")},
            "agree": not found,
            "disagreements": found[:MOST_TOLD],
            "disagreements_more": max(0, len(found) - MOST_TOLD),
            "left_out": self.agreement.left_out[:MOST_TOLD],
            "left_out_more": max(0, len(self.agreement.left_out) - MOST_TOLD),
            "kinds": [each.as_data() for each in table_of(self.failed)],
            "total": row_of("sum", self.failed).as_data(),
        }


def retries_of(evidence: Evidence, stories: Sequence[Story], instrumented: Sequence[Story]) -> Retries:
    """Account for first retries. `instrumented` are the calls whose worker has the plugin: who else fails stays so."""
    failed = [Failed(each, met_by(each, evidence.struck)) for each in instrumented if each.failed]
    in_flight = int(evidence.first_retry.get("first_in_flight", 0))
    told = agreement_of(evidence, stories)
    return Retries(failed, told, in_flight, states_of(evidence.attempts), excused_of(evidence, stories))


def share_of(name: str, count: int, of: int, about: str = "") -> Figure:
    """Make the figure of a share with its Wilson interval; `of` is above 0."""
    made = Share.make(count, of)
    return Figure(
        name,
        SHARE,
        count / of,
        low=made.low,
        high=made.high,
        samples=of,
        numerator=count,
        denominator=of,
        about=about,
    )


def _recoverable(failed: Sequence[Failed]) -> Figure:
    if not failed:
        return Figure.unmeasured("first_retry_recoverable", SHARE, NONE_FAILED)
    succeeded = sum(each.story.first_succeeded for each in failed)
    return share_of("first_retry_recoverable", succeeded, len(failed), "by worker and provider; never released is none")


def _disagreements(agreement: Agreement) -> Figure:
    if not (agreement.ledger.first_attempts or agreement.seen.first_attempts):
        return Figure.unmeasured("first_retry_disagreements", COUNT, NONE_MADE)
    about = f"ledger {_told(agreement.ledger)}, settle {_told(agreement.settle)}, seen {_told(agreement.seen)}"
    if agreement.disagreements:
        about += f"; first: {agreement.disagreements[0]}"
    found = len(agreement.disagreements)
    samples = max(agreement.ledger.first_attempts, agreement.seen.first_attempts)
    return Figure("first_retry_disagreements", COUNT, found, samples=samples, about=about)


def _told(told: Told) -> str:
    return f"{told.first_successes} of {told.first_attempts}"


def _never_released(failed: Sequence[Failed]) -> Figure:
    if not failed:
        return Figure.unmeasured("recoverable_never_released", COUNT, NONE_FAILED)
    left = [each.story.call.id for each in failed if each.story.first_retry is None]
    about = f"among them {left[0]}" if left else ""
    return Figure("recoverable_never_released", COUNT, len(left), samples=len(failed), about=about)


def _waits(waits: Sequence[float]) -> list[Figure]:
    names = ("added_wait_p50_s", "added_wait_p95_s")
    if not waits:
        return [Figure.unmeasured(name, SECONDS, NONE_FAILED) for name in names]
    about = (
        "from the end of the trouble to the success; those of one fault depend on each other, so without an interval"
    )
    values = (median(waits), p95(waits))
    return [
        Figure(name, SECONDS, value, samples=len(waits), about=about) for name, value in zip(names, values, strict=True)
    ]
