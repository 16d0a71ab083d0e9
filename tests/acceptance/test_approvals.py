"""A recovery that waits for a person, with the real pack, StackStorm and orchestrator, each of which may be away."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acceptance.field import Field

HOSTILE = "{{ 7*7 }} <% 7*7 %> {% for x in [7] %}{{ x * 7 }}{% endfor %} <!channel>"
NAMES = ("a", "b", "c")
ONCE_MORE = Counter(dict.fromkeys(NAMES, 2))


@pytest.fixture
def waiting(field: Field) -> Field:
    """A field with three failed tasks that may not run twice by themselves: nothing goes without a person."""
    field.send("charge", *NAMES)
    field.until(
        "the failures to wait", lambda: field.incident()["size"] == 3 and field.incident()["state"] == "waiting"
    )
    return field


def say(field: Field, command: str) -> dict[str, Any]:
    """Say something in chat; gives the execution once it has ended."""
    asked = {"command": command, "user": "ada", "source_channel": "ops"}
    (done,) = field.st2("POST", "/aliasexecution/match_and_execute", json=asked)["results"]
    return ended(field, done["execution"]["id"])


def ended(field: Field, execution: str) -> dict[str, Any]:
    """Wait until an execution has ended."""
    ends = ("succeeded", "failed", "timeout", "canceled")

    def over() -> dict[str, Any] | None:
        found: dict[str, Any] = field.st2("GET", f"/executions/{execution}")
        return found if found["status"] in ends else None

    found: dict[str, Any] = field.until(f"{execution} to end", over)
    return found


def proposed(field: Field) -> tuple[str, str, str]:
    """Propose in chat; gives the recovery, the workflow that asks, and its inquiry, once the orchestrator knows it."""
    done = say(field, f"redrive retry incident {field.incident()['id']} {HOSTILE}")
    assert done["status"] == "succeeded", done["result"]
    told = done["result"]["result"]
    inquiry = field.until("the inquiry to be known", lambda: approval(field)["inquiry_id"])
    return told["recovery_id"], told["asking_execution_id"], inquiry


def approval(field: Field) -> dict[str, Any]:
    """Give the one approval there is."""
    (only,) = field.ask("/api/v1/approvals")["approvals"]
    return dict(only)


def recovered(field: Field) -> None:
    """See that each task has run once more, by one recovery."""
    field.until("the incident to recover", lambda: field.incident()["state"] == "recovered")
    assert field.runs() == ONCE_MORE
    assert len(field.ask("/api/v1/recovery/retries")["retries"]) == 1


def who(field: Field) -> list[tuple[str, str, str]]:
    """Give (kind, actor, reason) of each command."""
    return [(each["kind"], each["actor"], each["reason"]) for each in field.incident()["commands"]]


def test_chat_asks_and_chat_agrees(waiting: Field) -> None:
    """From the words in chat to the tasks' second run; hostile words arrive as they were typed; the workflow ends."""
    recovery, workflow, inquiry = proposed(waiting)
    assert waiting.runs() == Counter(NAMES)
    shown = say(waiting, "redrive incidents")["result"]["result"]["text"]
    assert "charge" in shown
    agreed = say(waiting, f"redrive approve {recovery} {HOSTILE}")
    assert agreed["result"]["result"]["text"] == f"recovery {recovery} is running"
    recovered(waiting)
    assert [(kind, reason) for kind, _, reason in who(waiting)] == [("retry", HOSTILE), ("approve", HOSTILE)]
    assert all(actor.startswith("ada via ") for _, actor, _ in who(waiting))
    output = ended(waiting, workflow)["result"]["output"]
    assert (output["recovery_id"], output["late"]) == (recovery, True)
    response = waiting.st2("GET", f"/executions/{inquiry}")["result"]["response"]
    assert response["approve"] is True
    assert response["reason"].endswith(HOSTILE)


def test_stackstorm_is_killed_while_it_asks(waiting: Field) -> None:
    """Started again, it takes the answer as if nothing had been: one recovery, each task once more."""
    _, workflow, inquiry = proposed(waiting)
    waiting.stack.child("stackstorm").kill()
    waiting.stack.start_stackstorm()
    waiting.st2("PUT", f"/inquiries/{inquiry}", json={"id": inquiry, "response": {"approve": True, "reason": HOSTILE}})
    output = ended(waiting, workflow)["result"]["output"]
    assert (output["answered"], output["late"]) == (True, False)
    recovered(waiting)
    assert [(kind, reason) for kind, _, reason in who(waiting)] == [("retry", HOSTILE), ("approve", HOSTILE)]


@pytest.mark.slow
def test_somebody_answers_while_stackstorm_is_away(waiting: Field) -> None:
    """The answer counts at once; StackStorm, started again, hears of it, and its workflow ends."""
    recovery, workflow, inquiry = proposed(waiting)
    waiting.stack.child("stackstorm").kill()
    answered = waiting.command("POST", f"/api/v1/recovery/retries/{recovery}/approve", {"reason": "by hand"})
    assert answered.status_code == 200, answered.text
    recovered(waiting)
    waiting.stack.start_stackstorm()
    assert ended(waiting, workflow)["status"] == "succeeded"
    waiting.until("StackStorm to be told", lambda: approval(waiting)["told"])
    assert waiting.st2("GET", f"/executions/{inquiry}")["result"]["response"]["approve"] is True


def test_an_answer_that_comes_late_changes_nothing(waiting: Field) -> None:
    """Refused in Redrive, then agreed to in chat: nothing runs, and chat is told who was first."""
    recovery, workflow, _ = proposed(waiting)
    refused = waiting.command("POST", f"/api/v1/recovery/retries/{recovery}/reject", {"reason": "not now"})
    assert refused.status_code == 200, refused.text
    late = say(waiting, f"redrive approve {recovery} please")
    assert late["status"] == "failed"
    assert "has rejected" in late["result"]["result"]["text"]
    output = ended(waiting, workflow)["result"]["output"]
    assert (output["state"], output["late"]) == ("aborted", True)
    assert waiting.runs() == Counter(NAMES)
    assert [kind for kind, _, _ in who(waiting)] == ["retry", "reject"]


def test_every_word_of_chat_reaches_the_orchestrator(waiting: Field) -> None:
    """Each alias of the pack, said once to the real one: each is done, and tells something."""
    incident, done = waiting.incident()["id"], {}
    for words in ("incidents", f"show {incident}", f"why {incident}", "approvals", "hold till", "release till"):
        done[words.split()[0]] = say(waiting, f"redrive {words}")
    done["ack"] = say(waiting, f"redrive ack {incident}")
    recovery, _, _ = proposed(waiting)
    for words in ("approvals", f"recovery {recovery}", "recoveries", f"abort {recovery}"):
        done[words.split()[0]] = say(waiting, f"redrive {words}")
    assert {words: each["result"] for words, each in done.items() if each["status"] != "succeeded"} == {}
    texts = {words: each["result"]["result"]["text"] for words, each in done.items()}
    assert texts["abort"] == f"recovery {recovery} is aborted"
    assert recovery in texts["approvals"]
    assert recovery in texts["recoveries"]
    assert incident in texts["incidents"]
    assert all(texts.values())
    told = {each["name"] for each in waiting.st2("GET", "/actionalias", params={"pack": "redrive"})}
    assert told - {"acknowledge", "approve", "reject", "retry_incident"} <= set(done)
    assert waiting.incident()["acknowledged_by"].startswith("ada via ")
