"""Stories: the order of their steps."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.domain.story import Step, in_order
from tests.recovery import NOON


def test_steps_are_in_the_order_of_time() -> None:
    """What has no time stays behind the step before it; of equals the order stays."""
    late, early = NOON + timedelta(seconds=9), NOON - timedelta(seconds=9)
    given = [
        Step(None, "task.published", "first of all"),
        Step(late, "run.failed", "late"),
        Step(None, "plan.accepted", "behind late"),
        Step(NOON, "a.one", "one"),
        Step(NOON, "a.other", "other"),
        Step(early, "run.started", "early"),
    ]
    told = [each.text for each in in_order(given)]
    assert told == ["first of all", "early", "one", "other", "late", "behind late"]


def test_an_end_comes_behind_what_it_ends() -> None:
    """Of what has the same time: the redrive, then its release, the incident, and last what was told of it."""
    ends = ("outcome.told", "incident.closed", "release.ended", "attempt.ended")
    assert [each.what for each in in_order(Step(NOON, what, "") for what in ends)] == list(reversed(ends))
