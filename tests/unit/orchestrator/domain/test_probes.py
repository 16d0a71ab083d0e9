"""Probes: when the next one goes, whose run a probe's is, and what of it may be shown."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.probes import (
    LONGEST_WAIT,
    HttpProbe,
    ProbeResult,
    ProbeSpec,
    SqlProbe,
    TaskProbe,
    TcpProbe,
    is_probe,
    next_probe_at,
    run_of,
    shown,
)
from tests.recovery import NOON

SPEC = TcpProbe("h", 1, every=10)


@given(st.floats(0, 1, exclude_max=True), st.one_of(st.none(), st.floats(0, LONGEST_WAIT)))
def test_a_probe_that_was_asked_to_wait_waits(jitter: float, asked: float | None) -> None:
    """The next probe goes after its distance, less a tenth at most, and never before what was asked."""
    waits = next_probe_at(SPEC, ProbeResult(passed=False, why="429", retry_after=asked), NOON, jitter) - NOON
    assert timedelta(seconds=max(9, asked or 0)) <= waits <= timedelta(seconds=max(10, asked or 0))


@pytest.mark.parametrize("asked", [LONGEST_WAIT + 1, 1e300, -5.0])
def test_a_wait_that_nobody_means_is_not_believed(asked: float) -> None:
    """A slip in the unit must neither end the probes nor break them."""
    assert next_probe_at(SPEC, ProbeResult(passed=False, why="429", retry_after=asked), NOON, 0) == NOON + timedelta(
        seconds=10
    )


def test_a_probes_run_is_told_by_its_task() -> None:
    """Of a task's id and a run's alone it shows that the run was a probe's; any other run is none."""
    task_id = str(uuid4())
    assert is_probe(run_of(task_id), task_id)
    assert not is_probe(run_of(task_id), str(uuid4()))
    assert not is_probe(uuid4(), task_id)
    assert not is_probe(None, task_id)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (HttpProbe("https://me:s3cret@api.example.com:8443/s3cret?key=s3cret"), "GET https://api.example.com:8443"),
        (TcpProbe("db", 5432), "tcp://db:5432"),
        (SqlProbe("postgresql://me:s3/cret@db/orders"), "sql postgresql://(hidden)"),
        (SqlProbe("postgresql://me:s3cret@db/orders"), "sql postgresql://db"),
        (TaskProbe("app.ping", "canaries"), "task app.ping on queue canaries"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_probe_is_shown_without_secrets(spec: ProbeSpec, expected: str) -> None:
    """What names a probe to a person holds no user, password, path or query."""
    assert shown(spec) == expected
