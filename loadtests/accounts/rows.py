"""The table of first retries: a row for each kind of trouble that first runs met, and their sum."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from loadtests.first_retry.figures import Share, p95

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.accounts.kinds import Met
    from loadtests.accounts.stories import Story


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that failed at first, with what it met."""

    story: Story
    met: Met

    @property
    def wait(self) -> float | None:
        """Give the seconds from the end of its trouble to its success; None where it has none of the two."""
        if self.story.recovered_at is None or self.met.over is None:
            return None
        return max(0.0, self.story.recovered_at - self.met.over)


@dataclass(frozen=True, slots=True)
class Row:
    """The failures of one kind. Waits are seconds; `share` is that of the released whose first retry succeeded."""

    kind: str
    recoverable: int
    failed: int
    released: int
    first_succeeded: int
    never_released: int
    recovered: int
    duplicates: int
    wait_p50: float | None
    wait_p95: float | None
    share: float | None
    low: float | None
    high: float | None

    def as_data(self) -> dict[str, Any]:
        """Give it JSON-ready."""
        return asdict(self)


def row_of(kind: str, failed: Sequence[Failed]) -> Row:
    """Sum the failures of one kind up."""
    stories = [each.story for each in failed]
    waits = waits_of(failed)
    released = sum(each.first_retry is not None for each in stories)
    succeeded = sum(each.first_succeeded for each in stories)
    share = Share.make(succeeded, released)
    return Row(
        kind=kind,
        recoverable=sum(each.met.recoverable for each in failed),
        failed=len(failed),
        released=released,
        first_succeeded=succeeded,
        never_released=len(failed) - released,
        recovered=sum(each.recovered_at is not None for each in stories),
        duplicates=sum(each.duplicates for each in stories),
        wait_p50=round(median(waits), 3) if waits else None,
        wait_p95=round(p95(waits), 3) if waits else None,
        share=share.share,
        low=share.low,
        high=share.high,
    )


def waits_of(failed: Sequence[Failed]) -> list[float]:
    """Give the waits of those that recovered, the shortest first."""
    return sorted(each.wait for each in failed if each.wait is not None)


def table_of(failed: Sequence[Failed]) -> list[Row]:
    """Give a row for each kind that was met, in the order of their names."""
    kinds = sorted({each.met.kind for each in failed})
    return [row_of(kind, [each for each in failed if each.met.kind == kind]) for kind in kinds]
