"""A recovery that waits for a person: proposed, decided by the first answer or by its time, told to StackStorm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from orchestrator.domain.approving import GIVEN_UP_AFTER
from orchestrator.domain.failures import FailureState
from orchestrator.domain.recoveries import RecoveryState
from orchestrator.flows.approving import InquiryAnswerer, Lapser
from orchestrator.stackstorm.memory import MemoryWorkflows
from tests.recovery import failed_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from tests.unit.orchestrator.api.conftest import Served

RETRIES = "/api/v1/recovery/retries"
HOSTILE = "{{ 7*7 }} <% 7*7 %> \u202e <!channel>"


def proposed(api: Served, otherwise: str = "reject", failures: int = 3, **more: Any) -> str:
    """Propose to retry an incident of so many failures, to be decided within a minute; gives the recovery's id."""
    api.scene.take_in(*(failed_event(number) for number in range(failures)))
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    answer = propose(api, {"timeout_seconds": 60, "otherwise": otherwise}, **more)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def propose(api: Served, approval: dict[str, Any], key: str = "k", **more: Any) -> requests.Response:
    """Ask for a recovery of the newest incident."""
    body = {"incident_id": str(api.scene.incident.id), "reason": HOSTILE, "approval": approval, **more}
    return api.ask("POST", "/api/v1/recovery/retry", body, headers={"Idempotency-Key": key})


def say(api: Served, recovery: str, verb: str, reason: str = "so") -> requests.Response:
    """Answer."""
    return api.ask("POST", f"{RETRIES}/{recovery}/{verb}", {"reason": reason})


def state_of(api: Served, recovery: str) -> str:
    """Tell how a recovery stands."""
    return str(api.ask("GET", f"{RETRIES}/{recovery}").json()["state"])


def lapse(api: Served) -> int:
    """Let the orchestrator look at what nobody has decided."""
    return Lapser(api.scene.ledger, api.scene.clock).run_once()


def commands(api: Served) -> list[tuple[str, str]]:
    """Give (kind, actor) of what people did about the incident, oldest first."""
    with api.scene.ledger.reading() as tx:
        return [(str(each.kind), each.actor) for each in tx.commands_of(api.scene.incident.id)]


def test_a_proposal_claims_nothing_and_nothing_goes(api: Served) -> None:
    """It is a recovery with a place to look at, and waits; its incident's failures are as they were."""
    api.scene.take_in(failed_event(0), failed_event(1))
    answer = propose(api, {"timeout_seconds": 60})
    told = answer.json()
    assert (answer.status_code, told["state"], told["failures"], told["otherwise"]) == (202, "proposed", 2, "reject")
    assert answer.headers["Location"] == f"{RETRIES}/{told['id']}"
    assert state_of(api, told["id"]) == "proposed"
    waits = api.ask("GET", answer.headers["Location"]).json()["waits_for"]
    assert waits == [f"somebody's consent until {told['until']}, then reject"]
    assert api.scene.release() == []
    assert {each.command_release_id for each in api.scene.failures} == {None}
    assert propose(api, {"timeout_seconds": 60.0}).json() == told
    (shown,) = api.ask("GET", "/api/v1/approvals").json()["approvals"]
    assert (shown["id"], shown["state"], shown["reason"], shown["failures"]) == (told["id"], "waiting", HOSTILE, 2)


def test_consent_starts_it_once(api: Served) -> None:
    """The first yes starts it; any later answer changes nothing and says who decided."""
    recovery = proposed(api)
    answer = say(api, recovery, "approve", HOSTILE)
    assert (answer.status_code, answer.json()["state"], answer.json()["progress"]["asked"]) == (200, "running", 3)
    for verb in ("approve", "reject"):
        late = say(api, recovery, verb)
        assert late.status_code == 409
        assert "unauthenticated on loopback has approved" in late.json()["detail"]
        assert "changes nothing" in late.json()["detail"]
    assert len(api.scene.release()) == 1  # the canary
    assert [kind for kind, _ in commands(api)] == ["retry", "approve"]
    (shown,) = api.ask("GET", "/api/v1/approvals?state=approved").json()["approvals"]
    assert (shown["decided_by"], shown["decided_reason"]) == ("unauthenticated on loopback", HOSTILE)


def test_a_refusal_ends_it(api: Served) -> None:
    """Nothing goes, and the recovery says who refused it."""
    recovery = proposed(api)
    assert say(api, recovery, "reject").json()["state"] == "aborted"
    assert api.scene.release() == []
    assert "rejected by unauthenticated on loopback: so" in api.ask("GET", f"{RETRIES}/{recovery}").json()["note"]
    assert say(api, recovery, "approve").status_code == 409
    assert [kind for kind, _ in commands(api)] == ["retry", "reject"]


@pytest.mark.parametrize(("otherwise", "state", "sent"), [("approve", "running", 1), ("reject", "aborted", 0)])
def test_when_nobody_answers_what_was_configured_is_done(api: Served, otherwise: str, state: str, sent: int) -> None:
    """At its time and not before, once, without any StackStorm; an answer after it changes nothing."""
    recovery = proposed(api, otherwise)
    api.scene.later(59)
    assert lapse(api) == 0
    api.scene.later(1)
    late = say(api, recovery, "approve" if otherwise == "reject" else "reject")
    assert late.status_code == 409
    assert "got one after it" in late.json()["detail"]
    assert (lapse(api), lapse(api)) == (1, 0)
    assert state_of(api, recovery) == state
    assert len(api.scene.release()) == sent
    assert commands(api)[-1] == (otherwise, "nobody in time")
    assert "nobody in time has" in say(api, recovery, "approve").json()["detail"]


def test_consent_by_time_where_nothing_can_go_any_more_is_a_refusal(api: Served) -> None:
    """What was proposed went by other means meanwhile: the recovery ends, and says why."""
    recovery = proposed(api, "approve")
    other = api.ask(
        "POST", "/api/v1/recovery/retry", {"incident_id": str(api.scene.incident.id), "reason": "now"},
        headers={"Idempotency-Key": "other"},
    )  # fmt: skip
    assert other.status_code == 202
    assert say(api, recovery, "approve").status_code == 409
    assert state_of(api, recovery) == "proposed"
    api.scene.later(60)
    assert (lapse(api), lapse(api)) == (1, 0)
    assert state_of(api, recovery) == "aborted"
    assert "it cannot go" in api.ask("GET", f"{RETRIES}/{recovery}").json()["note"]


def test_a_proposal_that_is_aborted_asks_nobody_any_more(api: Served) -> None:
    """Ended by a person before any answer: decided, and its inquiry is told."""
    recovery = proposed(api)
    api.ask("POST", f"{RETRIES}/{recovery}/inquiry", {"inquiry_id": "inq"})
    assert say(api, recovery, "abort").json()["state"] == "aborted"
    (shown,) = api.ask("GET", "/api/v1/approvals?state=rejected").json()["approvals"]
    assert (shown["decided_by"], shown["decided_reason"]) == ("unauthenticated on loopback", "so")
    api.scene.later(60)
    assert lapse(api) == 0
    assert answerer(api, workflows := asking()).run_once() == 1
    assert workflows.inquiries["inq"] == {"approve": False, "reason": "unauthenticated on loopback: so"}


def test_what_cannot_be_proposed_is_refused(api: Served) -> None:
    """Nothing that could go, a time that is too short, too long, or another word for what is done otherwise."""
    api.scene.take_in(failed_event(0))
    for approval in ({"timeout_seconds": 59}, {"timeout_seconds": 604_801}, {"otherwise": "retry"}):
        assert propose(api, approval, key=str(uuid4())).status_code == 422
    with api.scene.ledger.transaction() as tx:
        (stored,) = tx.failures_of(api.scene.incident.id, 10)
        tx.save_failure(type(stored)(**{**_fields(stored), "state": FailureState.RECOVERED}))
    assert propose(api, {}, key="none").status_code == 409
    with api.scene.ledger.reading() as tx:
        assert tx.recoveries([RecoveryState.PROPOSED], 10) == []


def _fields(stored: object) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in type(stored).__dataclass_fields__}  # type: ignore[attr-defined]


def test_an_answer_about_nothing_is_refused(api: Served) -> None:
    """404 for a recovery that nobody knows, 409 for one that asked nobody."""
    assert say(api, str(uuid4()), "approve").status_code == 404
    api.scene.take_in(failed_event(0))
    started = api.ask("POST", "/api/v1/recovery/retry", {"task_id": "t0", "reason": "now"}).json()["id"]
    answer = say(api, started, "approve")
    assert answer.status_code == 409
    assert "asked nobody" in answer.json()["detail"]
    assert api.ask("POST", f"{RETRIES}/{started}/inquiry", {"inquiry_id": "i"}).status_code == 404


def asking() -> MemoryWorkflows:
    """Make a StackStorm that asks by the inquiry `inq`."""
    workflows = MemoryWorkflows()
    workflows.inquiries["inq"] = None
    return workflows


def answerer(api: Served, workflows: MemoryWorkflows) -> InquiryAnswerer:
    """Make what tells StackStorm."""
    return InquiryAnswerer(api.scene.ledger, workflows, api.scene.clock)


def test_stackstorm_is_told_what_was_decided_elsewhere(api: Served) -> None:
    """Its inquiry gets the answer once, with who gave it; while it is away it is tried again and again."""
    recovery = proposed(api)
    api.ask("POST", f"{RETRIES}/{recovery}/inquiry", {"inquiry_id": "inq"})
    workflows = asking()
    told = answerer(api, workflows)
    assert told.run_once() == 0
    say(api, recovery, "approve", HOSTILE)
    workflows.down = True
    assert (told.run_once(), told.run_once()) == (1, 0)
    api.scene.later(1)
    workflows.down = False
    assert (told.run_once(), told.run_once()) == (1, 0)
    assert workflows.inquiries["inq"] == {"approve": True, "reason": f"unauthenticated on loopback: {HOSTILE}"}
    (shown,) = api.ask("GET", "/api/v1/approvals").json()["approvals"]
    assert (shown["told"], shown["note"], shown["tries"]) == (True, "answered in StackStorm", 1)


def test_an_inquiry_that_begins_after_the_answer_is_answered_too(api: Served) -> None:
    """StackStorm was down and asks only now: it hears at once; the same inquiry told twice changes nothing."""
    recovery = proposed(api)
    say(api, recovery, "reject")
    workflows = asking()
    for _ in range(2):
        api.ask("POST", f"{RETRIES}/{recovery}/inquiry", {"inquiry_id": "inq"})
    assert answerer(api, workflows).run_once() == 1
    api.ask("POST", f"{RETRIES}/{recovery}/inquiry", {"inquiry_id": "inq"})
    assert answerer(api, workflows).run_once() == 0
    assert workflows.inquiries["inq"] == {"approve": False, "reason": "unauthenticated on loopback: so"}


def test_an_inquiry_that_waits_no_longer_is_let_be(api: Served) -> None:
    """Answered there, timed out, or gone: that is noted, and it is not tried again."""
    recovery = proposed(api)
    api.ask("POST", f"{RETRIES}/{recovery}/inquiry", {"inquiry_id": "gone"})
    say(api, recovery, "approve")
    assert answerer(api, asking()).run_once() == 1
    (shown,) = api.ask("GET", "/api/v1/approvals").json()["approvals"]
    assert (shown["told"], shown["note"]) == (True, "it waited no longer in StackStorm")


def test_a_stackstorm_that_stays_away_is_given_up(api: Served) -> None:
    """After seven days nothing is tried any more; that is said."""
    recovery = proposed(api)
    api.ask("POST", f"{RETRIES}/{recovery}/inquiry", {"inquiry_id": "inq"})
    say(api, recovery, "approve")
    workflows = asking()
    workflows.down = True
    api.scene.later(GIVEN_UP_AFTER.total_seconds() + 1)
    assert answerer(api, workflows).run_once() == 1
    (shown,) = api.ask("GET", "/api/v1/approvals").json()["approvals"]
    assert (shown["told"], shown["note"][:9]) == (True, "given up:")


def test_approvals_are_listed_in_pages(api: Served) -> None:
    """Newest first, with a link to those behind; an unknown cursor is refused."""
    api.scene.take_in(failed_event(0))
    made = []
    for number in range(3):
        api.scene.later(1)
        made.append(propose(api, {}, key=str(number)).json()["id"])
    first = api.ask("GET", "/api/v1/approvals?limit=2")
    assert [each["id"] for each in first.json()["approvals"]] == made[:0:-1]
    assert f"cursor={made[1]}" in first.headers["Link"]
    rest = api.ask("GET", f"/api/v1/approvals?limit=2&cursor={made[1]}").json()["approvals"]
    assert [each["id"] for each in rest] == made[:1]
    assert api.ask("GET", f"/api/v1/approvals?cursor={uuid4()}").status_code == 422


class AsksAnew(MemoryWorkflows):
    """A StackStorm that begins to ask by another inquiry while the first one is being answered."""

    served: Served
    recovery: str

    def answer(self, inquiry_id: str, response: Mapping[str, Any]) -> bool:
        """Answer, and meanwhile ask anew."""
        if inquiry_id == "inq":
            self.served.ask("POST", f"{RETRIES}/{self.recovery}/inquiry", {"inquiry_id": "newer"})
        return super().answer(inquiry_id, response)


def test_an_inquiry_that_begins_while_another_is_answered_is_answered_too(api: Served) -> None:
    """What was told to the first one says nothing of the second."""
    recovery = proposed(api)
    api.ask("POST", f"{RETRIES}/{recovery}/inquiry", {"inquiry_id": "inq"})
    say(api, recovery, "approve")
    workflows = AsksAnew()
    workflows.served, workflows.recovery = api, recovery
    workflows.inquiries |= {"inq": None, "newer": None}
    told = answerer(api, workflows)
    assert [told.run_once() for _ in range(3)] == [1, 1, 0]
    assert None not in workflows.inquiries.values()
