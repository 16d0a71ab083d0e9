"""Approvals in the terminal: the list, yes, and no."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.cli.exits import DONE, FAILED
from tests.unit.orchestrator.cli.conftest import flat
from tests.unit.orchestrator.cli.test_redriving import WHY, said

if TYPE_CHECKING:
    from tests.unit.orchestrator.cli.conftest import Answering

APPROVALS = "/api/v1/approvals"
ONE, OTHER = "7c01aa5e-0000-5000-8000-000000000001", "7c01aa5e-9000-5000-8000-000000000002"
HOSTILE = "\x1b[2J{{ 7*7 }} \u202e why"


def approval(id_: str = ONE, **changes: Any) -> dict[str, Any]:
    """Make one as the API shows it: asked three minutes ago, with an hour left."""
    asked = datetime.now(UTC) - timedelta(minutes=3, seconds=5)
    until = datetime.now(UTC) + timedelta(hours=1, seconds=30)
    return {
        "id": id_, "asked_by": "ada via pack", "reason": HOSTILE, "failures": 40_000, "asked_at": asked.isoformat(),
        "until": until.isoformat(), "otherwise": "reject", "state": "waiting", "decided_by": None,
        "decided_reason": None, "decided_at": None, "inquiry_id": None, "told": False, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("words", [(), ("list",)], ids=" ".join)
def test_what_waits_is_listed_with_its_time_and_what_happens_otherwise(fake: Answering, words: tuple[str, ...]) -> None:
    """Within 80 columns, its reason shown and not obeyed, and the next command to type."""
    fake.say("GET", APPROVALS, {"approvals": [approval()]})
    shown = said(fake, "approvals", *words).stdout
    head, row, why, following = shown.splitlines()
    assert head.split() == ["id", "asked", "failures", "state", "time", "left", "otherwise", "by"]
    for each in ("7c01aa5e", "3m", "40,000", "waiting", "1h", "reject"):
        assert each in row
    assert "40,000 failures: \\x1b[2J{{ 7*7 }} \\u202e why" in why
    assert following == "next: redrive approvals approve 7c01aa5e --reason WHY"
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_what_was_decided_says_by_whom_and_why(fake: Answering) -> None:
    """Asked for by its state; as data, whole."""
    decided = approval(state="approved", decided_by="nobody in time", decided_reason="so")
    fake.say("GET", APPROVALS, {"approvals": [decided]})
    assert "approved by nobody in time: so" in said(fake, "approvals", "list", "--state", "approved").stdout
    assert json.loads(said(fake, "approvals", "--json").stdout) == [decided]


def test_nothing_waits(fake: Answering) -> None:
    """It says so, and how to see what was decided."""
    fake.say("GET", APPROVALS, {"approvals": []})
    assert "redrive approvals list --state approved" in flat(said(fake, "approvals").stderr)


@pytest.mark.parametrize(("verb", "state"), [("approve", "running"), ("reject", "aborted")])
def test_an_answer_is_given_by_the_beginning_of_the_id(fake: Answering, verb: str, state: str) -> None:
    """The recovery that waits and begins so; what to type next is said."""
    fake.say("GET", APPROVALS, {"approvals": [approval()]})
    fake.say("POST", f"/api/v1/recovery/retries/{ONE}/{verb}", {"id": ONE, "state": state})
    done = said(fake, "approvals", verb, "7c01", *WHY)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (DONE, f"recovery {ONE} is {state}")
    assert ("redrive recoveries watch 7c01aa5e" in done.stdout) == (verb == "approve")


def test_a_beginning_of_none_or_of_two_is_refused(fake: Answering) -> None:
    """Nothing is answered."""
    fake.say("GET", APPROVALS, {"approvals": [approval(), approval(OTHER)]})
    for given in ("7c01", "ffff"):
        done = said(fake, "approvals", "approve", given, *WHY)
        assert done.exit_code == FAILED
