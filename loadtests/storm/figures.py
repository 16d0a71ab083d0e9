"""The figures of a storm, and its targets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.storm.playing import Played, Sample

HANDFUL: Final = 5
MOST_EXECUTIONS: Final = 6
# Memory is flat where it grows by no more than this after a third of the failures is in.
MOST_GROWTH: Final = 1.25
SETTLED_SHARE: Final = 3
LEAST_RATIO: Final = 0.5
SHOWN_SAMPLES: Final = 12
TARGET: Final = (
    f"at most {HANDFUL} incidents; at most {MOST_EXECUTIONS} workflow executions before the release; held while the "
    f"storm lasts; memory at most {MOST_GROWTH:g} x what it is with a third of the failures in; all redriven, at "
    f"{LEAST_RATIO:g} x kombu's confirmed publishing, one by one, or more"
)

# What is compared is not the same way of sending: said beside the figure.
PEER: Final = "each message waits for the confirm of the one before"
RELEASE: Final = "sends 100 ahead of their confirms to an AMQP broker, one by one to the embedded bus"


@dataclass(frozen=True, slots=True)
class Report:
    """One storm in figures. Seconds count from the first failure; `release_per_second` is over all redrives that
    succeeded, from the first of them to the last.
    """

    engine: str
    ledger: str
    failures: int
    storm_seconds: float
    incidents: int
    executions_before_release: dict[str, int]
    hold_seconds: float | None
    taken_in_per_second: float | None
    taken_in_seconds: float | None
    memory_mb: list[tuple[float, float, int]]
    memory_growth: float | None
    into_the_outage: int
    release_after_open_seconds: float | None
    redriven: int
    duplicates: int
    release_per_second: float
    best_second: int
    peer_per_second: float
    ratio: float
    first_retry: dict[str, Any]
    target: str
    missed: list[str]


def report_of(played: Played, engine: str, ledger: str, failures: int) -> Report:
    """Make the report of what was seen, and name the targets that were missed."""
    began, sink = float(played.generator["began"]), played.sink
    rate = rate_of(sink)
    released = float(sink["first_success"] or played.opened_at)
    before = executions_before(played.executions, released)
    growth = growth_of(played.samples, failures)
    taken_in = played.taken_in_at - began if played.taken_in_at else None
    ratio = rate / played.peer_per_second if played.peer_per_second else 0.0
    found = {
        f"{len(played.incidents)} incidents": len(played.incidents) > HANDFUL,
        f"{sum(before.values())} executions before the release": sum(before.values()) > MOST_EXECUTIONS,
        "never held": played.held_at is None,
        f"memory grew {growth or 0:.2f} x": growth is None or growth > MOST_GROWTH,
        f"{int(sink['succeeded'])} of {failures} redriven": int(sink["succeeded"]) < failures,
        f"release at {ratio:.2f} x confirmed publishing": ratio < LEAST_RATIO,
    }
    return Report(
        engine=engine,
        ledger=ledger,
        failures=failures,
        storm_seconds=round(float(played.generator["published"]) - began, 1),
        incidents=len(played.incidents),
        executions_before_release=before,
        hold_seconds=round(played.held_at - began, 2) if played.held_at else None,
        taken_in_per_second=round(failures / taken_in, 1) if taken_in else None,
        taken_in_seconds=round(taken_in, 1) if taken_in else None,
        memory_mb=shown(played.samples, began),
        memory_growth=round(growth, 3) if growth else None,
        into_the_outage=int(sink["refused"]),
        release_after_open_seconds=round(released - played.opened_at, 2) if sink["first_success"] else None,
        redriven=int(sink["succeeded"]),
        duplicates=int(sink["duplicates"]),
        release_per_second=round(rate, 1),
        best_second=best_second({int(second): done for second, done in sink["by_second"].items()}),
        peer_per_second=round(played.peer_per_second, 1),
        ratio=round(ratio, 3),
        first_retry=played.first_retry,
        target=TARGET,
        missed=[what for what, missed in found.items() if missed],
    )


def rate_of(sink: Mapping[str, Any]) -> float:
    """Give redrives a second, from the first that succeeded to the last; 0 where fewer than two did."""
    if int(sink["succeeded"]) < 2:  # noqa: PLR2004 - a rate needs two
        return 0.0
    return (int(sink["succeeded"]) - 1) / max(float(sink["last_success"]) - float(sink["first_success"]), 0.001)


def best_second(by_second: Mapping[int, int]) -> int:
    """Give the most redrives that succeeded within one second; `by_second` counts all until its end."""
    seconds = sorted(by_second)
    return max((by_second[each] - by_second.get(each - 1, 0) for each in seconds if each - 1 in by_second), default=0)


def executions_before(executions: Sequence[Mapping[str, Any]], at: float) -> dict[str, int]:
    """Count the executions that began before a moment (unix time), by action."""
    began = [(each["action"]["ref"], datetime.fromisoformat(each["start_timestamp"])) for each in executions]
    return dict(Counter(ref for ref, moment in began if moment.timestamp() < at))


def growth_of(samples: Sequence[Sample], failures: int) -> float | None:
    """Give the largest memory after a third of the failures was in, as a multiple of what it was then."""
    later = [each.memory_mb for each in samples if each.taken_in * SETTLED_SHARE >= failures]
    return max(later) / later[0] if later else None


def shown(samples: Sequence[Sample], began: float) -> list[tuple[float, float, int]]:
    """Choose a few samples: seconds since the beginning, MB, failures taken in."""
    step = max(1, len(samples) // SHOWN_SAMPLES)
    chosen = [*samples[::step], *samples[-1:]] if (len(samples) - 1) % step else samples[::step]
    return [(round(each.at - began, 1), round(each.memory_mb, 1), each.taken_in) for each in chosen]


def described(report: Report) -> str:
    """Write the report as a person reads it."""
    before = ", ".join(f"{count} {ref}" for ref, count in report.executions_before_release.items())
    taken_in = f"{report.taken_in_seconds} s ({report.taken_in_per_second} a second)"
    memory = "   ".join(f"{seconds:.0f} s {mb:.0f} MB ({count:,})" for seconds, mb, count in report.memory_mb)
    rest = f"{report.best_second} in the best; {report.duplicates} ran twice"
    lines = [
        f"{report.failures:,} failures in {report.storm_seconds} s; bus {report.engine}, ledger {report.ledger}",
        f"incidents              {report.incidents}",
        f"executions before      {sum(report.executions_before_release.values())} ({before or 'none'})",
        f"held after             {report.hold_seconds} s",
        f"all taken in after     {taken_in if report.taken_in_seconds else 'never'}",
        f"sent into the outage   {report.into_the_outage}",
        f"released after         {report.release_after_open_seconds} s since the dependency was back",
        f"redriven               {report.redriven:,} at {report.release_per_second} a second, {rest}",
        f"kombu, one by one      {report.peer_per_second} a second: {PEER}",
        f"the release reaches    {report.ratio} x of it; it {RELEASE}",
        f"memory                 grew {report.memory_growth} x: {memory}",
        f"first retries (ledger) {report.first_retry}",
    ]
    verdict = "; ".join(["MISSED", *report.missed]) if report.missed else "met"
    return "\n".join([*lines, f"target: {report.target}: {verdict}"])
