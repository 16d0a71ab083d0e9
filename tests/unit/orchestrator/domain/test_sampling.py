"""Which spans a sink with a share gets: whole traces, the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from eventbus.wire import LLM_CALL, SPAN_ENDED
from orchestrator.domain.sampling import Verdict, doubtful_trace, is_in_share, judge
from orchestrator.domain.subscriptions import Subscription
from tests.events import event, record, stored

TRACES = [f"{number:032x}" for number in range(20_000)]
HALF = Subscription(frozenset({SPAN_ENDED, LLM_CALL}), sample=0.5)
SHARES = some.floats(0, 1)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 1.0])
def test_the_share_of_traces_is_the_share_asked_for(share: float) -> None:
    """Of many traces, however alike their ids, so many are kept, within four standard deviations."""
    kept = sum(is_in_share(trace, share) for trace in TRACES)
    assert abs(kept - share * len(TRACES)) <= 4 * (len(TRACES) * share * (1 - share)) ** 0.5


@given(trace=some.text("0123456789abcdef", min_size=32, max_size=32), low=SHARES, high=SHARES)
def test_a_trace_of_a_share_is_of_each_greater_one(trace: str, low: float, high: float) -> None:
    """Two sinks with two shares see the same traces, one of them more."""
    low, high = sorted((low, high))
    assert not is_in_share(trace, low) or is_in_share(trace, high)


def test_each_process_decides_alike() -> None:
    """What one process keeps, another keeps: nothing of the decision is drawn by lot or by process."""
    told = "from orchestrator.domain.sampling import *; print([is_in_share(f'{n:032x}', 0.3) for n in range(200)])"
    printed = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout.strip() == str([is_in_share(trace, 0.3) for trace in TRACES[:200]])


def test_only_spans_in_a_trace_are_in_doubt() -> None:
    """Events of another type, in no trace, of a share, or that tell of a failure themselves, are kept."""
    out = next(trace for trace in TRACES if not is_in_share(trace, 0.5))
    kept = next(trace for trace in TRACES if is_in_share(trace, 0.5))
    span = record(event(SPAN_ENDED, {}))
    given = {
        "in doubt": replace(span, trace=out),
        "of the share": replace(span, trace=kept),
        "failed": replace(span, trace=out, failed=True),
        "without a trace": replace(span, trace=None),
        "a cost": replace(record(), trace=out),
    }
    doubts = [doubtful_trace(each, HALF) for each in stored(*given.values())]
    assert dict(zip(given, doubts, strict=True)) == dict.fromkeys(given) | {"in doubt": out}


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(0.0, Verdict.WAIT), (4.9, Verdict.WAIT), (5.0, Verdict.DROP), (-4.0, Verdict.WAIT), (-3600.0, Verdict.DROP)],
)
def test_a_span_in_doubt_waits_before_it_is_dropped(age: float, verdict: Verdict) -> None:
    """A failure may still come; a clock that was put back makes nobody wait for an hour."""
    assert judge("t", set(), age, 5.0) is verdict
    assert judge("t", {"t"}, age, 5.0) is Verdict.KEEP
    assert judge(None, set(), age, 5.0) is Verdict.KEEP
