"""A plan that nobody could carry out is refused, with the field that is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.plan import LONGEST_SECONDS, Gate, Pace, Plan, PlanName, Route, check

PLAN = Plan(PlanName.RETRY, "so")
WRONG = [
    (replace(PLAN, name=PlanName.REROUTE), "route.queue"),
    (replace(PLAN, name=PlanName.CRON_BACKOFF), "gate.cron"),
    (replace(PLAN, pace=Pace(0)), "pace.in_flight"),
    (replace(PLAN, gate=Gate(max_tries=0)), "gate.max_tries"),
    (replace(PLAN, gate=Gate(factor=0.9)), "gate.factor"),
    (replace(PLAN, gate=Gate(factor=101)), "gate.factor"),
    (replace(PLAN, gate=Gate(factor=float("nan"))), "gate.factor"),
    (replace(PLAN, gate=Gate(first_after=-1)), "gate.first_after_seconds"),
    (replace(PLAN, gate=Gate(first_after=float("inf"))), "gate.first_after_seconds"),
    (replace(PLAN, gate=Gate(first_after=LONGEST_SECONDS + 1)), "gate.first_after_seconds"),
    (replace(PLAN, gate=Gate(max_distance=0)), "gate.max_distance_seconds"),
    (replace(PLAN, gate=Gate(at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))))), "gate.at"),
    (replace(PLAN, gate=Gate(at=datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14))))), "gate.at"),
    (replace(PLAN, gate=Gate(max_distance=float("nan"))), "gate.max_distance_seconds"),
]
RIGHT = [
    PLAN,
    replace(PLAN, name=PlanName.REROUTE, route=Route("large")),
    replace(PLAN, name=PlanName.CRON_BACKOFF, gate=Gate(cron="0 * * * *")),
    replace(PLAN, name=PlanName.ESCALATE),
    replace(PLAN, name=PlanName.IGNORE),
    replace(PLAN, gate=Gate(first_after=0, factor=1, max_distance=0.1, max_tries=1)),
]


@pytest.mark.parametrize(("plan", "field"), WRONG)
def test_the_field_that_is_wrong_is_named(plan: Plan, field: str) -> None:
    """The error says what was expected of which field."""
    with pytest.raises(InvalidPlan, match="expected ") as caught:
        check(plan)
    assert field in str(caught.value)


@pytest.mark.parametrize("plan", RIGHT)
def test_a_plan_that_can_be_carried_out_is_taken(plan: Plan) -> None:
    """What is right is not refused."""
    check(plan)


@pytest.mark.parametrize("name", PlanName)
def test_three_plans_redrive_and_two_do_not(name: PlanName) -> None:
    """Retry, reroute and cron backoff publish tasks again; escalate and ignore do not."""
    assert replace(PLAN, name=name).redrives is (name in ("retry", "reroute", "cron_backoff"))
