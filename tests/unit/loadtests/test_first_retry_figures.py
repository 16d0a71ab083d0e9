"""What is told of a contestant: counted from two records that must agree."""

from __future__ import annotations

from random import Random

import pytest

from loadtests.first_retry.figures import account_of, wilson
from loadtests.first_retry.plan import Call, Kind, Plan, Window
from loadtests.first_retry.policies import CELERY, CELERY_RAISED, celery_gives_up, sidekiq, temporal
from loadtests.first_retry.record import Record, Request, Step
from loadtests.first_retry.table import compared, told

ZERO = 1_000.0
PLAN = Plan(
    seed=1,
    scale=60.0,
    seconds=20,
    drain_seconds=10,
    windows=(Window("model", Kind.OUTAGE, 5, 10),),
    calls=(
        Call(0, "model", 1),
        Call(1, "model", 6),
        Call(2, "model", 7),
        Call(3, "model", 8, Kind.PERMANENT),
        Call(4, "steady", 9, Kind.OOM),
    ),
)


def steps(number: int, run: str, began: float, outcome: str) -> list[Step]:
    """Give both lines of a run."""
    return [Step(ZERO + began, number, run, "began"), Step(ZERO + began + 0.5, number, run, outcome)]


def request(number: int, run: str, at: float, status: int, trouble: Kind | None = None) -> Request:
    """Give a line of the provider's log."""
    return Request(ZERO + at, number, PLAN.calls[number].dependency, run, status, trouble)


RECORD = Record(
    PLAN,
    ZERO,
    [
        *steps(0, "-", 1, "succeeded"),
        *steps(1, "-", 6, "failed"),
        *steps(1, "a", 8, "failed"),
        *steps(1, "b", 11.5, "succeeded"),
        *steps(2, "-", 7, "failed"),
        *steps(2, "c", 12, "succeeded"),
        *steps(2, "d", 13, "succeeded"),
        *steps(3, "-", 8, "failed"),
        *steps(4, "-", 9, "killed"),
    ],
    [
        request(0, "-", 1.1, 200),
        request(1, "-", 6.1, 503, Kind.OUTAGE),
        request(1, "a", 8.1, 503, Kind.OUTAGE),
        request(1, "b", 11.6, 200),
        request(2, "-", 7.1, 503, Kind.OUTAGE),
        request(2, "c", 12.1, 200),
        request(2, "d", 13.1, 200),
        request(3, "-", 8.1, 400, Kind.PERMANENT),
        Request(ZERO + 9, None, "model", "-", 503, Kind.OUTAGE),
    ],
)


def test_each_kind_has_its_row() -> None:
    """Failed, released, first well, never released, waits since the trouble was over, and what was sent into it."""
    account = account_of(RECORD, "redrive", "")
    rows = {each.kind: each for each in account.rows}
    outage = rows["outage"]
    assert (outage.failed, outage.released, outage.first_succeeded, outage.recovered) == (2, 2, 1, 2)
    assert (outage.duplicates, outage.into, outage.probes) == (1, 1, 1)
    assert (outage.wait_p50, outage.wait_p95) == (pytest.approx(2.25, abs=0.06), pytest.approx(2.5, abs=0.06))
    assert (rows["oom"].failed, rows["oom"].never_released) == (1, 1)
    assert account.of_recoverable.count == 1
    assert account.of_recoverable.of == 3
    assert account.of_released.of == 2
    assert account.never_released_though_recoverable == 1
    assert account.permanent_never_released == 1
    assert account.disagreements == []


def test_what_is_missed_is_named() -> None:
    """A first retry that fails, and a recoverable call that was never released, each miss a goal, and are shown."""
    account = account_of(RECORD, "redrive", "")
    assert len(account.missed) == 3
    assert "1 recoverable never released" in account.missed
    assert "permanent" in told(account)
    assert "33.3%" in compared([account])


def test_a_request_that_the_worker_knows_nothing_of_is_a_disagreement() -> None:
    """The provider's log is held against the worker's record, run by run, and so are the ledger's counts."""
    more = Record(PLAN, ZERO, RECORD.steps, [*RECORD.requests, request(1, "e", 15, 200)])
    assert account_of(more, "redrive", "").disagreements == ["call 1 run e: provider 1, worker 0"]
    ledger = {"first_attempts": 2, "first_successes": 2, "duplicates": 1}
    assert account_of(RECORD, "redrive", "", ledger).disagreements == ["ledger: first_successes 2, worker 1"]


def test_a_run_that_is_under_way_may_have_asked_already() -> None:
    """An endless contestant is stopped in the midst of its runs: one request for each that has begun is no fault."""
    begun = [*RECORD.steps, Step(ZERO + 14, 1, "e", "began")]
    assert Record(PLAN, ZERO, begun, RECORD.requests).disagreements() == []
    once = [*RECORD.requests, request(1, "e", 14.1, 200)]
    assert Record(PLAN, ZERO, begun, once).disagreements() == []
    twice = [*once, request(1, "e", 14.2, 200)]
    assert Record(PLAN, ZERO, begun, twice).disagreements() == ["call 1 run e: provider 2, worker 0"]


@pytest.mark.parametrize("gone", ["first_attempts", "first_successes", "duplicates"])
def test_a_count_that_the_ledger_does_not_tell_is_a_disagreement(gone: str) -> None:
    """All three are held against the records: one that was renamed does not switch its check off."""
    counts = {"first_attempts": 2, "first_successes": 1, "duplicates": 1}
    assert account_of(RECORD, "redrive", "", counts).disagreements == []
    less = {name: count for name, count in counts.items() if name != gone}
    (found,) = account_of(RECORD, "redrive", "", less).disagreements
    assert found.startswith(f"ledger: {gone} missing, worker ")
    assert len(account_of(RECORD, "redrive", "", {}).disagreements) == 3


@pytest.mark.parametrize("line", [None, request(0, "-", 1.1, 200)], ids=["no line", "no trouble"])
def test_a_failure_that_the_provider_does_not_explain_is_named(line: Request | None) -> None:
    """It is no outage: it has a row of its own, and is one of those that can succeed."""
    found = [each for each in RECORD.requests if each.number != 0] + ([line] if line else [])
    wrong = [*steps(0, "-", 1, "failed"), *(each for each in RECORD.steps if each.number != 0)]
    account = account_of(Record(PLAN, ZERO, wrong, found), "redrive", "")
    rows = {each.kind: each.failed for each in account.rows}
    assert (rows["unexplained"], rows["outage"], account.of_recoverable.of) == (1, 2, 4)
    assert "unexplained" in told(account)


def test_the_table_says_who_ran_alone() -> None:
    """Redrive does; of the others, so many shared the machine."""
    names = ("redrive", "celery", "sidekiq")
    lines = compared([account_of(RECORD, each, "") for each in names]).splitlines()
    assert [" ".join(line.split()[:4]) for line in lines[2:]] == ["celery one of 2", "sidekiq one of 2"]
    assert lines[1].split()[:2] == ["redrive", "alone"]


def test_the_interval_is_wilson_s() -> None:
    """Known values: 0 of 10, and 5 of 10."""
    assert wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert wilson(5, 10) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))


def test_the_contestants_wait_as_documented() -> None:
    """Sidekiq's and Temporal's first and last delays, and Celery's end after three retries."""
    dice = Random(1)
    assert 15 <= (sidekiq(0, dice) or 0) <= 24
    assert 10**4 + 15 <= (sidekiq(10, dice) or 0) <= 10**4 + 15 + 99
    assert sidekiq(25, dice) is None
    assert [temporal(count) for count in (0, 1, 6, 7, 10_000)] == [1, 2, 64, 100, 100]
    assert [celery_gives_up(CELERY, count) for count in (2, 3)] == [False, True]
    assert not celery_gives_up(CELERY_RAISED, 3)
