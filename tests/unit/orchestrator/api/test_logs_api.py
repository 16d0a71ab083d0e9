"""What the API shows of the warehouse: costs, their sums, prompts and their likeness."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from eventbus.wire import PROMPT_SIMILARITY
from orchestrator.domain.events import Price, PricingStatus
from orchestrator.warehouse.loader import load
from orchestrator.warehouse.rows import SimilarityRow, cost_row
from orchestrator.warehouse.schema import STORE, migrate
from tests.events import CALL, NOON, event, record
from tests.scene import Scene
from tests.unit.orchestrator.api.conftest import Served
from tests.unit.orchestrator.api.test_reading_api import pages
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.orchestrator.api.conftest import Server


@pytest.fixture(params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Served]:
    """The API before a warehouse of each kind."""
    sqlite = f"sqlite:///{tmp_path}/warehouse.sqlite"
    url: str = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(url)
    engine = STORE.open(url)
    yield server.serve(Served(Scene(), warehouse=engine))
    engine.dispose()


def call(api: Served, hours: float = 0, usd: str | None = "0.1", **data: Any) -> str:
    """Load a model call that was made so many hours after noon; gives its id."""
    price = Price(PricingStatus.MISSING if usd is None else PricingStatus.PRICED, usd and Decimal(usd), "v1")
    made = replace(record(price=price), time=NOON + timedelta(hours=hours))
    load(api.warehouse, [cost_row(made, CALL | data)])
    return str(made.key)


def prompt(api: Served, score: float | None, **changes: Any) -> str:
    """Load a prompt with its score; gives its id."""
    made = record(event(PROMPT_SIMILARITY, {}))
    row = SimilarityRow(
        id=made.key,
        prompt_hash="aa",
        similarity_score=score,
        matched_prompt_hash=None if score is None else "bb",
        blocked=False,
        organization_id="acme",
        created_at=NOON,
    )
    load(api.warehouse, [replace(row, **changes)])
    return str(made.key)


def groups(api: Served, query: str) -> list[dict[str, Any]]:
    """Ask for all groups, page by page."""
    return [each for page in pages(api, f"/api/v1/cost-logs?{query}", "groups") for each in page]


def test_costs_are_paged_newest_first(api: Served) -> None:
    """Each page names the next, the last one none; together they hold every call once, the newest first."""
    made = [call(api, hours) for hours in (0, 3, 1, 2)]
    found = pages(api, "/api/v1/cost-logs?limit=2", "cost_logs")
    assert [len(page) for page in found] == [2, 2]
    assert [each["id"] for page in found for each in page] == [made[1], made[3], made[2], made[0]]


def test_calls_of_one_moment_are_each_shown_once(api: Served) -> None:
    """Pages do not repeat or skip rows that have the same time."""
    made = {call(api) for _ in range(5)}
    found = [each["id"] for page in pages(api, "/api/v1/cost-logs?limit=2", "cost_logs") for each in page]
    assert len(found) == 5
    assert set(found) == made


def test_a_cost_is_shown_as_it_was_loaded(api: Served) -> None:
    """Amounts are exact text; a call without a price has null and says so."""
    call(api, usd="0.0000000001")
    (shown,) = api.ask("GET", "/api/v1/cost-logs").json()["cost_logs"]
    assert (shown["usd_cost"], shown["model"], shown["response_id"]) == ("0.0000000001", "gpt-4o", "chatcmpl-1")
    assert shown["created_at"].startswith("2025-11-20T12:00:00.123456")
    call(api, usd=None)
    (shown,) = api.ask("GET", "/api/v1/cost-logs?pricing_status=missing").json()["cost_logs"]
    assert shown["usd_cost"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("model=gpt-4o", 2), ("model=m2", 1), ("provider=openai", 3), ("organization_id=other", 1), ("user_id=ann", 1),
        ("since=2025-11-20T13:00:00Z", 2), ("until=2025-11-20T13:00:00%2B00:00", 1), ("response_id=chatcmpl-1", 3),
        ("model=gpt-4o&organization_id=other", 0), ("workflow_execution_id=w-1&agent_id=planner&node_id=n-1", 3),
    ],
)  # fmt: skip
def test_costs_are_filtered(api: Served, query: str, count: int) -> None:
    """Each parameter keeps the rows that have its value; several keep what has them all."""
    call(api, 0)
    call(api, 2, user_id="ann")
    call(api, 4, organization_id="other", **{"gen_ai.response.model": "m2"})
    assert len(api.ask("GET", f"/api/v1/cost-logs?{query}").json()["cost_logs"]) == count


def test_costs_add_up_in_groups(api: Served) -> None:
    """Each group has its calls, tokens and exact sum; calls without a price are counted and are in no sum."""
    for _ in range(3):
        call(api)
    call(api, usd=None)
    call(api, usd="2", **{"gen_ai.response.model": "m2"})
    assert groups(api, "group_by=model") == [
        {"key": "gpt-4o", "calls": 4, "tokens_input": 400, "tokens_output": 200, "usd_cost": "0.3000000000",
         "unpriced": 1},
        {"key": "m2", "calls": 1, "tokens_input": 100, "tokens_output": 50, "usd_cost": "2.0000000000", "unpriced": 0},
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize(
    ("group_by", "field"),
    [("agent", "agent_id"), ("workflow", "workflow_execution_id"), ("node", "node_id"),
     ("organization", "organization_id"), ("provider", "gen_ai.provider.name")],
)  # fmt: skip
def test_groups_are_paged_by_name(api: Served, group_by: str, field: str, limit: int) -> None:
    """Pages of groups hold each once, by name; what belongs to none comes last."""
    for value in ("b", "ä", "a", None, "a"):
        call(api, **{field: value if value or field.startswith("gen_ai") is False else "z"})
    found = [each["key"] for each in groups(api, f"group_by={group_by}&limit={limit}")]
    last = "z" if field.startswith("gen_ai") else None
    assert len(found) == 4
    assert set(found) == {"a", "b", "ä", last}
    assert found[-1] == last or last == "z"


def test_costs_add_up_by_hour_and_day(api: Served) -> None:
    """Hours and days are those of UTC."""
    for hours in (0, 0.2, 1, 12):
        call(api, hours)
    hourly = [(each["key"], each["calls"]) for each in groups(api, "group_by=hour&limit=2")]
    assert hourly == [("2025-11-20T12:00:00Z", 2), ("2025-11-20T13:00:00Z", 1), ("2025-11-21T00:00:00Z", 1)]
    daily = [(each["key"], each["calls"]) for each in groups(api, "group_by=day")]
    assert daily == [("2025-11-20T00:00:00Z", 3), ("2025-11-21T00:00:00Z", 1)]


def test_prompts_are_listed_and_filtered_by_score(api: Served) -> None:
    """Prompts that are like one before them can be asked for; one that had nothing to be compared with has no score."""
    like, alone = prompt(api, 0.95), prompt(api, None, blocked=True)
    prompt(api, 0.2, organization_id="other")
    found = api.ask("GET", "/api/v1/similarity-logs?min_score=0.9").json()["similarity_logs"]
    assert [(each["id"], each["similarity_score"], each["matched_prompt_hash"]) for each in found] == [
        (like, 0.95, "bb")
    ]
    (blocked,) = api.ask("GET", "/api/v1/similarity-logs?blocked=true&organization_id=acme").json()["similarity_logs"]
    assert (blocked["id"], blocked["similarity_score"]) == (alone, None)
    assert len(pages(api, "/api/v1/similarity-logs?limit=1", "similarity_logs")) == 3


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "modle=gpt-4o", "since=2025-11-20T13:00:00", "since=noon", "group_by=colour",
     "cursor=7", "cursor=1b76fc9e-6ebf-4ed4-a3fc-531ea0090cef", "group_by=model&cursor=%ff", "group_by=model&cursor=a",
     "pricing_status=free", "model=%00"],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(api: Served, query: str) -> None:
    """422 for limits, names, times and cursors that are none, and for a parameter nobody knows."""
    if query == "model=%00" and api.warehouse.dialect.name == "sqlite":
        pytest.skip("SQLite compares with any text")
    refused(api.ask("GET", f"/api/v1/cost-logs?{query}"), 422, "invalid-request")


def test_a_warehouse_that_is_away_is_unavailable(server: Server) -> None:
    """503 with Retry-After, as for every store that does not answer."""
    served = server.serve(Served(Scene(), warehouse=STORE.open("postgresql://nobody@127.0.0.1:1/none")))
    answer = served.ask("GET", "/api/v1/similarity-logs")
    refused(answer, 503, "unavailable")
    assert answer.headers["Retry-After"]
