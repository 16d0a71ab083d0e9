"""Cost completeness: the answers that clients received, held against the rows of model calls in the warehouse."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from loadtests.accounts.retries import share_of
from loadtests.accounts.stories import WELL
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.accounts.stories import Story

NAME: Final = "cost_completeness"
MOST_TOLD: Final = 5
Tokens = tuple[int, int]


@dataclass(slots=True)
class Costs:
    """What was answered, what of it has its row with the same tokens, and rows of answers that nobody gave."""

    received: int = 0
    matched: int = 0
    extra: int = 0
    wrong: list[str] = field(default_factory=list)

    def figure(self) -> Figure:
        """Give the share; 1 means that each answer has its row, and that there is no row more."""
        if not self.received:
            return Figure.unmeasured(NAME, "share", "expected answers of the provider to instrumented calls, got none")
        told = ", ".join(self.wrong[:MOST_TOLD])
        about = f"{self.extra} rows of answers that nobody gave" + (f"; calls {told}" if told else "")
        return share_of(NAME, self.matched, self.received + self.extra, about)


def costs_of(instrumented: Sequence[Story], rows: Sequence[Mapping[str, Any]]) -> Costs:
    """Match them call by call, by their tokens.

    An answer whose run was killed, or whose client had gone, may have its row or not: nobody received it for certain.
    So may one whose run was killed before it told its end.
    """
    by_call: defaultdict[str, Counter[Tokens]] = defaultdict(Counter)
    for row in rows:
        by_call[str(row["task_id"])][int(row["tokens_input"]), int(row["tokens_output"])] += 1
    costs = Costs()
    for story in instrumented:
        _add(costs, story, by_call[story.call.id])
    return costs


def _add(costs: Costs, story: Story, rows: Counter[Tokens]) -> None:
    given = Counter((each.tokens_in, each.tokens_out) for each in story.asked if each.status == WELL)
    received = _received(story)
    matched, extra = (received & rows).total(), (rows - given).total()
    costs.received += received.total()
    costs.matched += matched
    costs.extra += extra
    if extra or matched < received.total():
        costs.wrong.append(story.call.id)


def _received(story: Story) -> Counter[Tokens]:
    """Count the answers, by their tokens, that came to a run which succeeded."""
    left, received = Counter(story.stamped), Counter[Tokens]()
    for each in story.asked:
        if each.status == WELL and left[each.attempt]:
            left[each.attempt] -= 1
            received[each.tokens_in, each.tokens_out] += 1
    return received
