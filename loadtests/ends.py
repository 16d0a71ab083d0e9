"""How the calls of Locust's users end: at first go, or after a failure, from their intended starts. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from loadtests.evidence import Answered
from loadtests.stamps import StampError

FIRST: Final = "call, end to end"
RECOVERED: Final = "call, recovered"
MALFORMED: Final = "call, malformed"
SUCCESS: Final = "SUCCESS"
# Calls that never end are forgotten, the oldest first.
MOST_OPEN: Final = 200_000
FIRST_RUN: Final = "-"


@dataclass(slots=True)
class _Open:
    intended: float
    malformed: bool
    failed: bool = False


@dataclass(slots=True)
class Ends:
    """The calls of one Locust process that have not ended well yet."""

    _open: dict[str, _Open] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, call: str, intended: float, *, malformed: bool = False) -> None:
        """Know a call that is about to be sent; `intended` is when it was meant to be."""
        if len(self._open) >= MOST_OPEN:
            del self._open[next(iter(self._open))]
        self._open[call] = _Open(intended, malformed)

    def forget(self, call: str) -> None:
        """Let go of a call that nobody took."""
        self._open.pop(call, None)

    def has(self, call: str) -> bool:
        """Tell whether a call is still waited for."""
        return call in self._open

    def read(self, line: str) -> Answered | None:
        """Take in a line of the workers' stamps; None for one that ends no call of ours. Raises StampError."""
        kind, *fields = line.split()
        if kind != "ended":
            return None
        try:
            call, attempt, _, at, state, _ = fields
            return self.ended(call, float(at), state, first=attempt == FIRST_RUN)
        except ValueError as error:
            raise StampError(f"expected 'ended ID ATTEMPT RECEIVED AT STATE INSIDE', got {line!r}") from error

    def ended(self, call: str, at: float, state: str, *, first: bool) -> Answered | None:
        """Take in the end of a run, its `first` or a redrive's; gives what is to be told of it.

        A first run that fails is told at once, and its recovery when that comes; a malformed call ends well by failing.
        """
        known = self._open.get(call)
        if known is None:
            return None
        succeeded, taken = state == SUCCESS, at - known.intended
        if known.malformed:
            del self._open[call]
            return Answered(known.intended, MALFORMED, taken, not succeeded)
        if succeeded:
            del self._open[call]
            return Answered(known.intended, FIRST if first and not known.failed else RECOVERED, taken, well=True)
        if not first or known.failed:
            return None
        known.failed = True
        return Answered(known.intended, FIRST, taken, well=False)
