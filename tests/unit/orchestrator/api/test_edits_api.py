"""Edits and predictions over HTTP: what may be changed, what goes out, and what is shown of possible secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from eventbus import scrub
from orchestrator.domain.edits import NOT_SHOWN
from tests.recovery import failed_event

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

RETRY = "/api/v1/recovery/retry"
WHY = {"reason": "a smaller model will do"}
KEY = {"Idempotency-Key": "k1"}
DECLARED = {
    "dependency": "model",
    "idempotent": True,
    "search": ["size"],
    "edit": {"size": {"type": "integer", "maximum": 50}, "token": {"type": "string"}},
    "positions": {"size": 0, "token": None},
}
EDITS = {"size": 42, "token": "hunter2-word"}


def failed(api: Served, count: int = 3) -> None:
    """Let runs fail of a task whose arguments may be edited."""
    events = (failed_event(number, declaration=DECLARED, arguments={"size": "1"}) for number in range(count))
    api.scene.take_in(*events)
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})


def test_edited_failures_go_out_with_the_new_values_and_tell_no_secret(api: Served) -> None:
    """The broker gets both values; answers show the one that may be searched by, and of the other the name."""
    failed(api)
    answer = api.ask("POST", RETRY, {"query": {"task": "app.*"}, "edits": EDITS, **WHY}, headers=KEY)
    assert answer.status_code == 202, answer.text
    api.scene.answer(api.scene.release())
    api.scene.release()
    calls = [json.loads(letter.body)[:2] for letter in api.scene.redriver.letters]
    assert calls == [[[42], {"token": "hunter2-word"}]] * 3
    recovery = api.ask("GET", answer.headers["Location"])
    assert recovery.json()["edits"] == recovery.json()["after"]["edits"] == {"size": 42, "token": NOT_SHOWN}
    incident = api.ask("GET", "/api/v1/incidents").json()["incidents"][0]["id"]
    told = [recovery, *(api.ask("GET", path) for path in (f"/api/v1/incidents/{incident}", "/api/v1/recovery/retries"))]
    told += [api.ask("GET", "/api/v1/audit"), api.ask("GET", f"/api/v1/why/{incident}")]
    assert [each.status_code for each in told] == [200] * 5
    assert not any("hunter2-word" in each.text for each in told)


def test_the_audit_of_one_failure_tells_what_it_was_before(api: Served) -> None:
    """As far as it may be searched by: the former value of `size`, and the name alone of the other."""
    failed(api, 1)
    answer = api.ask("POST", RETRY, {"task_id": "t0", "edits": EDITS, **WHY})
    assert answer.status_code == 202, answer.text
    recovery = api.ask("GET", answer.headers["Location"]).json()
    assert recovery["before"]["edits"] == {"size": "1", "token": NOT_SHOWN}
    assert recovery["after"]["edits"] == {"size": 42, "token": NOT_SHOWN}


def test_a_failure_shows_what_it_may_be_searched_by_and_what_may_be_changed(api: Served) -> None:
    """Whoever wants to edit sees the rules first."""
    failed(api, 1)
    shown = api.ask("GET", f"/api/v1/failures/{api.scene.failures[0].failure.id}").json()
    assert (shown["arguments"], shown["editable"]) == ({"size": "1"}, DECLARED["edit"])
    assert shown["organization"] is None


def test_edits_that_no_task_allows_are_refused_with_the_reason(api: Served) -> None:
    """In the dry run already; nothing is recorded."""
    failed(api)
    for edits, why in (({"size": 51}, "a number up to 50, got 51"), ({"city": "Bonn"}, "only size, token, got 'city'")):
        for dry_run in (True, False):
            asked: dict[str, Any] = {"query": {"task": "app.*"}, "edits": edits, "dry_run": dry_run, **WHY}
            answer = api.ask("POST", RETRY, asked, headers={"Idempotency-Key": f"{edits}{dry_run}"})
            assert answer.status_code == 422, answer.text
            assert why in answer.json()["detail"]
    assert api.ask("GET", "/api/v1/recovery/retries").json()["retries"] == []


def test_the_dry_run_predicts_with_its_evidence(api: Served) -> None:
    """Before anything was redriven nobody can tell, and it says so; afterwards a number stands with what it is from."""
    failed(api, 12)
    asked = {"query": {"task": "app.*"}, "dry_run": True, **WHY}
    first = api.ask("POST", RETRY, asked).json()["prediction"]
    assert (first["enough"], first["probability"]) == (False, None)
    assert first["says"].startswith("Not enough evidence")
    api.ask("POST", RETRY, {"query": {"task": "app.*"}, **WHY}, headers=KEY)
    for _ in range(3):
        api.scene.answer(api.scene.release())
    failed(api, 14)
    told = api.ask("POST", RETRY, asked).json()["prediction"]
    assert told["enough"]
    assert told["low"] < told["probability"] < told["high"]
    assert "12 of the last 12 first retries of this signature succeeded" in told["evidence"][0]
    assert [group["failures"] for group in told["groups"]] == [2]


def test_a_message_that_is_not_in_json_is_not_eligible_for_edits(api: Served) -> None:
    """The dry run says so beforehand; without edits it goes as it is."""
    pickled = failed_event(0).data["message"] | {"content_type": "application/x-python-serialize"}
    api.scene.take_in(failed_event(0, declaration=DECLARED, message=pickled), failed_event(1, declaration=DECLARED))
    asked: dict[str, Any] = {"query": {"task": "app.*"}, "dry_run": True, **WHY}
    edited = api.ask("POST", RETRY, asked | {"edits": {"size": 2}}).json()
    assert (edited["eligible"], edited["not_eligible"]) == (1, 1)
    assert "its message is not in JSON" in edited["reasons"][0]["why"]
    assert api.ask("POST", RETRY, asked).json()["eligible"] == 2
    assert api.ask("POST", RETRY, asked | {"edits": {"size": 2}, "dry_run": False}, headers=KEY).status_code == 202
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    api.scene.answer(api.scene.release())
    assert [json.loads(letter.body)[0] for letter in api.scene.redriver.letters] == [[2]]


@pytest.mark.parametrize(
    "changes",
    [
        {"message": failed_event(0).data["message"] | {"redacted": ["args.0"], "resolvable": True}, "arguments": {}},
        {"arguments": {}},
    ],
)
def test_the_value_of_an_argument_that_its_worker_did_not_let_out_is_told_nowhere(
    api: Served, changes: dict[str, Any]
) -> None:
    """Its declaration lets it be searched by, but a rule redacts it there: one such failure is enough."""
    failed(api, 2)
    api.scene.take_in(failed_event(2, declaration=DECLARED, **changes))
    answer = api.ask("POST", RETRY, {"query": {"task": "app.*"}, "edits": {"size": 42}, **WHY}, headers=KEY)
    assert answer.status_code == 202, answer.text
    recovery = api.ask("GET", answer.headers["Location"]).json()
    assert recovery["edits"] == recovery["after"]["edits"] == {"size": NOT_SHOWN}


def test_a_secret_that_is_given_as_a_value_is_told_nowhere(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its argument is."""
    monkeypatch.setattr(scrub, "text", lambda text: text.replace("42", scrub.HIDDEN))
    failed(api, 1)
    answer = api.ask("POST", RETRY, {"task_id": "t0", "edits": {"size": 42}, **WHY})
    assert api.ask("GET", answer.headers["Location"]).json()["after"]["edits"] == {"size": NOT_SHOWN}
