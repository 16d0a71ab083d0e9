"""A plan that nobody could carry out is refused, with the field that is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.plan import LONGEST_SECONDS, Gate, Pace, Plan, PlanName, Route, check
from orchestrator.domain.routes.constraints import Constraints
from orchestrator.domain.schedule import Rung, Schedule

PLAN = Plan(PlanName.RETRY, "so")
WRONG_SCHEDULES = [
    ({"windows": ("8-12",)}, "gate.windows"),
    ({"windows": ("08:00-12:60",)}, "12:60"),
    ({"windows": ("24:01-12:00",)}, "24:01"),
    ({"windows": ("24:00-12:00",)}, "never open"),
    ({"windows": ("08:00-08:00",)}, "never open"),
    ({"windows": ("12:00-13:00", "sut 08:00-12:00")}, "'sut'"),
    ({"windows": ("sat, sun 08:00-12:00",)}, "gate.windows"),
    ({"windows": ("sat-sun-mon 08:00-12:00",)}, "'sat-sun-mon'"),
    ({"windows": ("08:00-12:00",) * 21}, "at most 20 gate.windows"),
    ({"blackouts": ("Christmas",)}, "gate.blackouts"),
    ({"blackouts": ("2026-02-30",)}, "gate.blackouts"),
    ({"blackouts": ("2026-12-24/2026-12-23",)}, "gate.blackouts"),
    ({"blackouts": ("2026-12-24/9999-12-31",)}, "gate.blackouts"),
    ({"blackouts": ("2026-12-24",) * 401}, "at most 400 gate.blackouts"),
    ({"ladder": (Rung(0, "0 0 * * *"),)}, "gate.ladder"),
    ({"ladder": (Rung(3, "0 0 * * *"), Rung(3, "0 1 * * *"))}, "gate.ladder"),
    ({"ladder": (Rung(20, "0 0 * * *"),)}, "gate.max_tries"),
    ({"ladder": tuple(Rung(after, "0 0 * * *") for after in range(1, 12))}, "at most 10 gate.ladder"),
    ({"ladder": (Rung(1, "0," * 101),)}, "200 characters"),
    ({"grace": -1}, "gate.misfire_grace_seconds"),
    ({"grace": float("nan")}, "gate.misfire_grace_seconds"),
]
WRONG = [
    (replace(PLAN, name=PlanName.REROUTE), "route.queue"),
    (replace(PLAN, name=PlanName.REROUTE, route=Route()), "route.table"),
    (replace(PLAN, name=PlanName.REROUTE, route=Route("large", table=True)), "route.table"),
    (replace(PLAN, name=PlanName.REROUTE, route=Route(kwargs={"a": 1}, table=True)), "route.table"),
    (replace(PLAN, name=PlanName.REROUTE, route=Route(exchange="x")), "route.routing_key"),
    (replace(PLAN, name=PlanName.REROUTE, route=Route("large", "x", "k")), "route.queue"),
    (replace(PLAN, name=PlanName.REROUTE, route=Route("large", hop_limit=2)), "route.hop_limit"),
    (replace(PLAN, name=PlanName.REROUTE, route=Route("large", constraints=Constraints())), "route.constraints"),
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
    *((replace(PLAN, gate=Gate(schedule=Schedule("0 * * * *", **wrong))), field) for wrong, field in WRONG_SCHEDULES),
]
RIGHT = [
    PLAN,
    replace(PLAN, name=PlanName.REROUTE, route=Route("large")),
    replace(PLAN, name=PlanName.CRON_BACKOFF, gate=Gate(schedule=Schedule("0 * * * *"))),
    replace(PLAN, gate=Gate(max_tries=9, schedule=Schedule("0 * * * *", ladder=(Rung(1, "x"), Rung(8, "y"))))),
    replace(PLAN, name=PlanName.REROUTE, route=Route(exchange="x", routing_key="", kwargs={"a": 1})),
    replace(PLAN, name=PlanName.REROUTE, route=Route(kwargs={"a": 1})),
    replace(
        PLAN, name=PlanName.REROUTE, route=Route(table=True, constraints=Constraints(regions=("eu",)), hop_limit=1)
    ),
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
