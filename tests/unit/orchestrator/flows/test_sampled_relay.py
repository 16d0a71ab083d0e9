"""A relay whose sink takes a share of the spans: a trace that failed arrives whole, and every span is counted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from eventbus.wire import SPAN_ENDED, TASK_FAILED
from orchestrator.domain.events import Deferred, EventRecord, Lane, SinkCounts
from orchestrator.domain.sampling import is_in_share
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.forwarding import SAMPLING_WAIT, Limits, Relay
from orchestrator.sinks.memory import MemorySink
from tests.events import NOON, event, record
from tests.unit.orchestrator.flows.test_forwarding import Closed

SHARE = 0.3
TAKES = Subscription(frozenset({SPAN_ENDED, TASK_FAILED}), sample=SHARE)
TRACES = [f"{number:032x}" for number in range(6)]
OUT = next(trace for trace in TRACES if not is_in_share(trace, SHARE))
KEPT = next(trace for trace in TRACES if is_in_share(trace, SHARE))


def span(trace: str, *, failed: bool = False) -> EventRecord:
    """Make a span of a trace."""
    return replace(record(event(SPAN_ENDED, {})), trace=trace, failed=failed)


def failure(trace: str) -> EventRecord:
    """Make a failed task of a trace."""
    return replace(record(event(TASK_FAILED, {})), trace=trace, failed=True)


@dataclass(slots=True)
class Sampled:
    """A log, a sink that takes a share, and one time for both."""

    now: datetime = NOON
    limits: Limits = field(default_factory=lambda: Limits(events=3, linger=0))
    sink: MemorySink = field(default_factory=lambda: MemorySink("s", TAKES.types))
    log: MemoryEventLog = field(init=False)
    relays: list[Relay] = field(init=False)

    def __post_init__(self) -> None:
        self.log = MemoryEventLog(lambda: self.now)
        self.log.subscribe("s", TAKES)
        self.restart()

    def restart(self) -> None:
        """Begin with new relays, as another process would."""
        closed = Closed()
        self.relays = [
            Relay(self.log, self.sink, TAKES, lane, closed, lambda: 1, lambda: 0.0, self.limits) for lane in Lane
        ]

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, then let both relays move what they may."""
        self.now += timedelta(seconds=seconds)
        for relay in self.relays:
            while relay.run_once(self.now) is None:
                pass
        assert self.counts().adds_up

    def counts(self) -> SinkCounts:
        """Count."""
        return self.log.counts("s")


def test_a_failure_that_comes_later_keeps_the_whole_trace() -> None:
    """A span that would be dropped waits; what fails within that time brings it to the sink."""
    it = Sampled()
    it.log.append([span(OUT), span(KEPT)])
    it.run()
    assert it.counts() == SinkCounts(2, 0, 0, 2, 0, 2, 0)
    it.run(SAMPLING_WAIT - 1)
    it.log.append([failure(OUT), span(OUT)])
    it.run()
    assert it.counts() == SinkCounts(4, 0, 0, 4, 4, 0, 0)


def test_without_a_failure_it_is_left_out_and_stays_so() -> None:
    """After its time a span is sampled out in the commit of the cursor; what fails too late changes nothing."""
    it = Sampled()
    it.log.append([span(OUT), span(KEPT)])
    it.run(SAMPLING_WAIT)
    assert it.counts() == SinkCounts(2, 0, 1, 1, 1, 0, 0)
    it.log.append([failure(OUT)])
    it.restart()
    it.run(60)
    assert it.counts() == SinkCounts(3, 0, 1, 2, 2, 0, 0)


def test_a_batch_that_goes_again_may_be_judged_anew() -> None:
    """Nothing is decided while the cursor stands: a failure during an outage of the sink keeps the trace."""
    it = Sampled()
    it.log.append([span(OUT), span(KEPT)])
    it.sink.answer_next(Deferred("down"))
    it.run(SAMPLING_WAIT)
    assert it.counts().sampled_out == 0
    it.log.append([failure(OUT)])
    it.run(60)
    assert it.counts() == SinkCounts(3, 0, 0, 3, 3, 0, 0)


def test_spans_that_wait_keep_nobody_busy() -> None:
    """While a hundred spans a second come of age one after the other, a look is taken five times a second at most."""
    it, looks = Sampled(limits=Limits()), 0
    telemetry = next(relay for relay in it.relays if relay.lane is Lane.TELEMETRY)
    due, seconds = it.now, 20
    for number in range(100 * seconds):
        it.log.append([span(f"{number:032x}")])
        it.now += timedelta(milliseconds=10)
        while due <= it.now:
            looks += 1
            due = it.now + timedelta(seconds=telemetry.run_once(it.now) or 0.0001)
    assert it.counts().delivered > 0
    assert it.counts().sampled_out > 0
    assert it.counts().pending <= 100 * (SAMPLING_WAIT + 1)
    assert looks <= 5 * seconds + 5


Step = tuple[float, int, str]
STEPS = some.lists(
    some.tuples(
        some.floats(0, 4), some.integers(0, len(TRACES) - 1), some.sampled_from(["span", "span", "failed span", "task"])
    ),
    max_size=25,
)


@given(steps=STEPS)
def test_whatever_comes_when_failed_traces_are_whole(steps: list[Step]) -> None:
    """Each span arrives whose trace is of the share, or fails within its time; the others are counted as left out."""
    it, spans, failures = Sampled(), list[tuple[EventRecord, datetime]](), dict[str, list[datetime]]()
    for gap, number, kind in steps:
        trace = TRACES[number]
        made = failure(trace) if kind == "task" else span(trace, failed=kind == "failed span")
        it.now += timedelta(seconds=gap)
        it.log.append([made])
        if made.failed:
            failures.setdefault(trace, []).append(it.now)
        if kind != "task":
            spans.append((made, it.now))
        it.run()
    it.run(SAMPLING_WAIT)
    arrived = [each.record.key for each in it.sink.events]
    assert len(arrived) == len(set(arrived))
    for made, at in spans:
        trace = made.trace or ""
        in_time = [each for each in failures.get(trace, []) if each < at + timedelta(seconds=SAMPLING_WAIT)]
        if made.failed or is_in_share(trace, SHARE) or in_time:
            assert made.key in arrived
        elif trace not in failures:
            assert made.key not in arrived
    counts = it.counts()
    assert (counts.pending, counts.delivered) == (0, len(arrived))
    assert counts.sampled_out == len(steps) - len(arrived)
