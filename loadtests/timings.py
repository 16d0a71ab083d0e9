"""How long a call took, from the stamps that front and workers left: seconds of one monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from loadtests.turns import Arm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from loadtests.turns import Turn

# A turn's first calls meet what the other arm has left in the pool: they are not measured.
SETTLE_SECONDS: Final = 0.3
SUCCESS: Final = "SUCCESS"
# What is measured of each call, by its name in a Run and in the result.
SPANS: Final = {
    "end_to_end": "from the request at the front to the end of the run",
    "worker": "from the worker's receipt of the message to the end of the run",
    "beside_model": "the same, without the time that the model was asked to take",
}


class StampError(ValueError):
    """A line of stamps that cannot be read."""


@dataclass(frozen=True, slots=True)
class Run:
    """The first run of one call. `sent`, `received` and `ended` are moments; None for what had not come at the end.

    `model` is how many seconds the provider was asked to take.
    """

    block: str
    sent: float
    model: float
    received: float | None = None
    ended: float | None = None
    state: str | None = None

    @property
    def succeeded(self) -> bool:
        """Tell whether it ran well, and all its stamps are there."""
        return self.state == SUCCESS and self.received is not None

    @property
    def worker(self) -> float:
        """Seconds from the worker's receipt of the message to the end of the run, the plugin's part included."""
        return self._until_end(self.received)

    @property
    def beside_model(self) -> float:
        """The same without the model's own time, whose spread would hide what is small."""
        return self.worker - self.model

    @property
    def end_to_end(self) -> float:
        """Seconds from the request that enqueued the call to the end of the run."""
        return self._until_end(self.sent)

    def _until_end(self, since: float | None) -> float:
        if since is None or self.ended is None:
            raise ValueError("expected a run that was received and has ended, got one that was not; ask `succeeded`")
        return self.ended - since


def first_runs(calls: Iterable[Mapping[str, Any]], stamps: Iterable[str], seconds_per_token: float) -> list[Run]:
    """Match the front's calls with the workers' stamps; raises StampError for a line that is no stamp.

    Of a call that was redriven the first run counts: what came after is recovery, not overhead.
    """
    received: dict[str, float] = {}
    ended: dict[str, tuple[float, str]] = {}
    for what, task_id, at, state in _read(stamps):
        if what == "received":
            received.setdefault(task_id, at)
        else:
            ended.setdefault(task_id, (at, state))
    return [
        Run(
            each["block"],
            each["sent"],
            each["generated_tokens"] * seconds_per_token,
            received.get(each["id"]),
            *ended.get(each["id"], (None, None)),
        )
        for each in calls
    ]


def measured(runs: Iterable[Run], turns: Iterable[Turn]) -> dict[str, list[Run]]:
    """Give each turn's runs by its block: those of calls sent once it had settled, that succeeded at once."""
    taken: dict[str, list[Run]] = {turn.block: [] for turn in turns}
    began: dict[str, float] = {}
    for run in sorted(runs, key=lambda each: each.sent):
        since = began.setdefault(run.block, run.sent)
        if run.block in taken and run.succeeded and run.sent >= since + SETTLE_SECONDS:
            taken[run.block].append(run)
    return taken


def paired(
    measured: Mapping[str, Sequence[Run]], turns: Sequence[Turn], span: str
) -> list[tuple[list[float], list[float]]]:
    """Give the durations of one span, in seconds, in pairs of turns: with the plugin, without."""
    pairs = []
    for two in zip(turns[::2], turns[1::2], strict=True):
        by_arm = {turn.arm: [float(getattr(run, span)) for run in measured[turn.block]] for turn in two}
        pairs.append((by_arm[Arm.ON], by_arm[Arm.OFF]))
    return pairs


def _read(stamps: Iterable[str]) -> Iterator[tuple[Literal["received", "ended"], str, float, str]]:
    for line in stamps:
        match line.split():
            case ["received", task_id, at] | ["received", task_id, _, at, _]:
                yield "received", task_id, float(at), ""
            case ["ended", task_id, at, state] | ["ended", task_id, _, _, at, state, _]:
                yield "ended", task_id, float(at), state
            case ["accepted" | "began", *_]:
                pass
            case _:
                raise StampError(f"expected 'received ID SECONDS' or 'ended ID SECONDS STATE', got {line!r}")
