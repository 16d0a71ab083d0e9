"""What a body of a recovery may hold: what no database and no message can hold is refused, and is never an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from orchestrator.api.recovery_bodies import RetryBody

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

RETRY = "/api/v1/recovery/retry"
KEY = {"Idempotency-Key": "k1"}
IDS = [str(UUID(int=number)) for number in (8, 16, 24, 0, 32)]
ALONE = "\ud800"


@pytest.mark.parametrize(
    "what",
    [
        {"query": {"task": "*"}, "edits": {"size": 2**70}},
        {"query": {"task": "*"}, "edits": {"size": [1]}},
        {"query": {"task": "*"}, "edits": {"size": {"a": 1}}},
        {"query": {"task": "*"}, "edits": {"size": ALONE}},
        {"query": {"task": "*"}, "edits": {ALONE: 1}},
        {"query": {"task": "*"}, "edits": {"size": "a\x00b"}},
        {"query": {"task": ALONE}},
        {"query": {"arguments": {"size": ALONE}}},
        {"query": {"since": "0001-01-01T00:00:00+14:00"}},
        {"query": {"until": "9999-12-31T23:59:59-14:00"}},
        {"query": {"task": "*"}, "gate": {"at": "9999-12-31T23:59:59-14:00"}},
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_nobody_can_hold_is_refused(api: Served, what: dict[str, Any], dry_run: bool) -> None:
    """Before any database is asked, and in words without SQL."""
    answer = api.ask("POST", RETRY, {**what, "reason": "r", "dry_run": dry_run}, headers=KEY)
    assert answer.status_code == 422, answer.text
    assert "SELECT" not in answer.text.upper()


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400"])
def test_an_edit_is_a_finite_number(api: Served, value: str) -> None:
    """JSON has no other."""
    body = f'{{"query": {{"task": "*"}}, "edits": {{"size": {value}}}, "reason": "r", "dry_run": true}}'
    answer = api.ask("POST", RETRY, None, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}, answer.text


def test_a_list_of_failures_takes_no_time_that_is_none_in_utc(api: Served) -> None:
    """The same in a URL."""
    answer = api.ask("GET", "/api/v1/failures?since=0001-01-01T00:00:00%2B14:00")
    assert answer.status_code == 422, answer.text
    assert "SELECT" not in answer.text.upper()


def digest(body: dict[str, Any], seed: str) -> str:
    """Give the digest of a body, made by a process that hashes with this seed."""
    code = (
        "import sys\nfrom orchestrator.api.recovery_bodies import RetryBody\n"
        "print(RetryBody.model_validate_json(sys.argv[1]).digest())"
    )
    told = [sys.executable, "-c", code, json.dumps(body)]
    run = subprocess.run(
        told, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True, timeout=60
    )
    return run.stdout.strip()


@pytest.mark.parametrize(
    "body",
    [{"query": {"task": "a", "states": ["held", "dead"]}, "reason": "r"}, {"ids": IDS, "reason": "r"}],
)
def test_the_same_request_is_the_same_after_a_restart(body: dict[str, Any]) -> None:
    """Whatever order a process has its sets in."""
    assert len({digest(body, seed) for seed in ("1", "2")}) == 1


def test_the_order_of_ids_says_nothing() -> None:
    """They are a set; another set is another request."""
    one, turned, other = (
        RetryBody.model_validate({"ids": ids, "reason": "r"}).digest() for ids in (IDS, IDS[::-1], IDS[1:])
    )
    assert one == turned != other
