"""`redrive why`: one screen of 80 columns for each way to fail, each plan, each sort of id; and hostile text in it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from rich.cells import cell_len

from orchestrator.cli.exits import DONE
from orchestrator.cli.stories import SCREEN
from orchestrator.domain.approving import Approval, Otherwise, decided
from orchestrator.domain.commands import CommandKind, Mode
from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.errors import RedriveError
from orchestrator.domain.plan import Gate, PlanName, Route
from orchestrator.domain.recoveries import Recovery, RecoveryState
from orchestrator.domain.rules import Contact, built_in
from orchestrator.domain.schedule import Schedule
from orchestrator.domain.selection import Selection
from orchestrator.flows.recovery import accept_plan
from tests.recovery import RETRY, failed_event, redelivered_event
from tests.unit.orchestrator.cli.test_operating import ESCAPE, outage, said
from tests.ways import told_ways

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

WIDE = "失敗" * 60
pytestmark = pytest.mark.usefixtures("columns")
# What must stand in the story of each case, beside what all have.
SENTENCES = {
    "exception": ("builtins.TimeoutError: no answer within 30 s", "the task raised it", "classified transient"),
    "wrong_arguments": ("builtins.TypeError", "classified permanent"),
    "child_killed": ("signal 9 (SIGKILL)", "its pool process was killed", "classified worker_lost"),
    "child_killed_late": ("its pool process was killed",),
    "reject_on_worker_lost": ("brings it again", "redelivery_pending", "REDRIVE_REDELIVERY_GRACE"),
    "system_exit": ("the task ended its own process (SystemExit)", "classified worker_lost"),
    "time_limit": ("hard time limit", "classified resource"),
    "memory_error": ("ran out of memory", "classified resource"),
    "memory_sibling": ("its pool process was killed",),
    "unknown_task": ("the worker knows no task of that name", "classified permanent"),
    "refused_type": ("the worker refused the message", "ContentDisallowed", "classified poison"),
    "no_headers": ("the worker refused the message", "names no task"),
    "undecodable": ("cannot be decoded", "classified poison"),
    "expired": ("it had expired", "it cannot be published again", "redrive failures discard"),
    "worker_killed": ("the worker's main process died with it", "its journal told", "classified worker_lost"),
    "worker_killed_late": ("the worker's main process died", "brings it again"),
    "cold_shutdown": ("shut down cold (SIGQUIT)", "classified worker_lost"),
    "delivery_limit": ("the queue gave its message up (delivery limit)", "classified poison"),
}


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


def screen(api: Served, *words: str) -> str:
    """Run `redrive why` and hold it to one screen of 80 cells; gives its text, line ends as spaces."""
    done = said(api, "why", *words)
    assert done.exit_code == DONE, done.output
    lines = done.stdout.splitlines()
    assert [line for line in lines if cell_len(line) > 80] == []
    assert len(lines) <= SCREEN
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("case", told_ways(), ids=str)
def test_each_way_to_fail_is_told_on_one_screen(api: Served, case: str) -> None:
    """By the events that real workers sent: published, run, failed how, told by whom, classified, filed, what next."""
    told = told_ways()[case]
    api.scene.now = max(event.time for event in told.events)
    api.scene.take_in(*told.events)
    text = screen(api, told.task_id)
    for each in ("published to", "classified", "opened incident", "now ", "next ", *SENTENCES[case]):
        assert each in text, each


def test_every_case_of_the_14_ways_has_its_sentences() -> None:
    """None of the 14 is left out."""
    assert {each.number for each in told_ways().values()} == set(range(1, 15))
    assert set(SENTENCES) == set(told_ways())


def failed_once(api: Served, **changes: Any) -> str:
    """Let one task fail, in mode act; gives its incident."""
    return outage(api, each=1, **changes)


PLANS: tuple[tuple[PlanName, dict[str, Any], tuple[str, ...]], ...] = (
    (PlanName.RETRY, {}, ("plan retry: it passes by itself", "a canary after 1 s", "execution e-1")),
    (
        PlanName.REROUTE,
        {"route": Route(queue="spare")},
        ("plan reroute to spare", "goes to spare"),
    ),
    (
        PlanName.CRON_BACKOFF,
        {"gate": Gate(schedule=Schedule("0 3 * * *"), max_tries=5)},
        ("plan cron_backoff", "at the times of '0 3 * * *' (UTC)", "goes at 2025-11-21 03:00:00Z"),
    ),
    (PlanName.ESCALATE, {}, ("plan escalate", "a person decides", "redrive retry --failure")),
    (PlanName.IGNORE, {}, ("plan ignore", "nothing is redriven", "redrive retry --failure")),
)


@pytest.mark.parametrize(("name", "changes", "sentences"), PLANS, ids=[each[0] for each in PLANS])
def test_each_plan_is_told(api: Served, name: PlanName, changes: dict[str, Any], sentences: tuple[str, ...]) -> None:
    """Which plan, by which execution, why, what it lets go and when, and what has gone."""
    failed_once(api)
    api.scene.plan(name=name, **changes)
    api.scene.release()
    api.scene.later(5)
    api.scene.release()
    text = screen(api, "t0")
    for each in sentences:
        assert each in text, each


def test_a_redrive_that_went_well_closes_the_story(api: Served) -> None:
    """Recorded, published, succeeded, recovered; nothing is left to do, and the next command looks at the incident."""
    incident = failed_once(api)
    api.scene.plan()
    for _ in range(3):
        api.scene.later(10)
        api.scene.answer(api.scene.release())
    text = screen(api, "t0")
    for each in ("redrive 1 (retry) recorded and published", "redrive 1 succeeded", "the failure is recovered"):
        assert each in text, each
    assert "nothing is left to do" in text
    assert f"redrive incidents show {incident}" in text


def test_a_hold_is_what_it_waits_for(api: Served) -> None:
    """Who holds it and why, and the command that lifts the hold; of a dependency as of an incident."""
    incident = failed_once(api)
    api.scene.plan()
    said(api, "hold", "--incident", incident, "--yes", "--reason", "a deploy")
    text = screen(api, "t0")
    assert "hold by unauthenticated on loopback: a deploy" in text
    assert "waits for the incident is held by" in text
    assert f"redrive release --incident {incident} --reason WHY" in text
    said(api, "release", "--incident", incident, "--yes", "--reason", "done")
    said(api, "hold", "model", "--yes", "--reason", "its deploy")
    text = screen(api, "t0")
    assert "waits for held by unauthenticated on loopback: its deploy" in text
    assert "redrive release model --reason WHY" in text


def test_a_person_s_command_is_told_with_its_release(api: Served) -> None:
    """Who asked, why, the release that it opened, and its redrive."""
    failed_once(api, declaration={"dependency": "model", "idempotent": False})
    said(api, "retry", "--task", "t0", "--yes", "--reason", "looked: it did not run")
    api.scene.later(5)
    api.scene.release()
    text = screen(api, "t0")
    assert "retry by unauthenticated on loopback: looked: it did not run" in text
    assert "a command's release (retry) opened" in text
    assert "the outcome of its redrive" in text


def test_nobody_decided_says_who_could(api: Served) -> None:
    """The trigger and where it stands; a task that may not run twice; what a person types."""
    failed_once(api, declaration={"dependency": "model", "idempotent": False})
    text = screen(api, "t0")
    assert "trigger incident_opened: it waits to be sent" in text
    assert "waits for a decision: its trigger is pending" in text
    assert "a rule may still decide; a person can meanwhile" in text
    api.scene.plan()
    text = screen(api, "t0")
    assert "app.call is not declared idempotent" in text
    assert "redrive retry --failure" in text


def test_the_mode_is_what_it_waits_for(api: Served) -> None:
    """Where the orchestrator only watches, nothing goes before somebody says so."""
    failed_once(api)
    api.scene.plan()
    with api.scene.ledger.transaction() as tx:
        tx.set_mode(Mode.OBSERVE, "ann", api.scene.now)
    text = screen(api, "t0")
    assert "the mode is observe" in text
    assert text.endswith("redrive mode act --reason WHY")


def test_a_dependency_that_is_down_is_what_it_waits_for(api: Served) -> None:
    """Its health and why, what passes are wanted, and where to look."""
    outage(api)
    api.scene.plan()
    api.scene.release()
    text = screen(api, "t3")
    assert "model went down: 5 of 5 runs failed lately" in text
    assert text.endswith("redrive dependencies model")


def test_every_sort_of_id_tells_its_story(api: Served) -> None:
    """A task, a failure, an incident, a redrive, a release, a command; and what is none of them names those."""
    incident = failed_once(api)
    said(api, "retry", "--task", "t0", "--yes", "--reason", "so")
    api.scene.later(5)
    (attempt,) = api.scene.release()
    release = api.scene.releases[0]
    failure = api.scene.failures[0].failure.id
    abouts = {
        "t0": "task", str(failure): "failure", incident: "incident", str(attempt): "redrive",
        str(release.id): "incident", str(release.command_id): "recovery",
    }  # fmt: skip
    for named, about in abouts.items():
        assert json.loads(said(api, "why", named, "--json").stdout)["about"] == about
        assert screen(api, named).startswith(f"{about} ")
    problem = said(api, "why", "nothing-of-ours").exception
    assert isinstance(problem, RedriveError)
    assert "task that failed, failure, incident, recovery, release, redrive, command or event" in str(problem)


def test_a_redelivered_run_closes_the_story(api: Served) -> None:
    """The broker brought the message again, and that run went well: no redrive is made up."""
    api.scene.take_in(failed_event(0, redelivery=True), redelivered_event(0))
    text = screen(api, "t0")
    assert "its message was delivered again, and that run went well" in text
    assert "redrive 1" not in text


def test_what_retention_took_is_said(api: Served) -> None:
    """Nothing is invented in the place of what is gone."""
    failed_once(api)
    with api.scene.ledger.transaction() as tx:
        (stored,) = tx.failures_of(api.scene.incident.id, 1)
        tx.save_failure(replace(stored, purged_at=api.scene.now))
    assert "gone retention took the message at 2025-11-20 12:00:00Z" in screen(api, "t0")


def test_a_long_story_is_folded_and_shown_whole_with_all(api: Served) -> None:
    """One screen tells how many steps are folded and how to see them; --all shows each."""
    incident = failed_once(api)
    for number in range(30):
        for verb in ("hold", "release"):
            said(api, verb, "--incident", incident, "--yes", "--reason", f"because {number}")
    folded = screen(api, "t0")
    assert "more: redrive why t0 --all" in folded
    whole = said(api, "why", "t0", "--all").stdout
    assert all(f"because {number}" in whole for number in range(30))


@pytest.mark.parametrize("evil", [ESCAPE, "\u202e\u2066", WIDE, "x" * 900, "a\nb\r\x85c\u2028"], ids=str.__repr__)
def test_what_others_wrote_neither_steers_nor_widens_the_screen(api: Served, evil: str) -> None:
    """Names, messages, tracebacks, reasons: control characters are codes, wide and long text is wrapped at 80 cells."""
    exception = failed_event().data["exception"] | {"type": f"x.{evil}", "message": evil, "traceback": evil}
    named = {"task": f"app.{evil}"[:400], "declaration": {"dependency": f"m{evil}"[:200], "idempotent": True}}
    incident = failed_once(api, exception=exception, worker=f"w{evil}"[:200], **named)
    api.ask("POST", f"/api/v1/incidents/{incident}/hold", {"reason": f"so {evil}"[:400]})
    for words in (("why", "t0"), ("why", incident), ("why", "t0", "--all"), ("incidents", "show", incident)):
        done = said(api, *words)
        assert done.exit_code == DONE, done.output
        assert [line for line in done.stdout.split("\n") if cell_len(line) > 80] == []
        assert not {"\x1b", "\x07", "\u202e", "\u2066", "\x85", "\u2028", "\r"} & set(done.stdout)


def bulk(api: Served, **more: Any) -> str:
    """Have a person ask for all tasks of a dependency; gives the recovery."""
    body = {"query": {"dependency": "model"}, "reason": "the bill is paid", **more}
    answer = api.ask("POST", "/api/v1/recovery/retry", body, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_recovery_tells_its_story(api: Served) -> None:
    """Who asked and why, its release, what became of its failures; and the failure tells that it belongs to it."""
    outage(api, each=3)
    recovery = bulk(api)
    api.scene.later(5)
    api.scene.answer(api.scene.release())
    text = screen(api, recovery)
    assert text.startswith(f"recovery {recovery} retry by unauthenticated")
    for each in ("the bill is paid", "a command's release (retry) opened", "3 failures asked for", "1 recovered"):
        assert each in text, each
    assert text.endswith(f"redrive recoveries watch {recovery}")
    assert f"(recovery {recovery})" in screen(api, "t1")


def test_a_recovery_that_rests_is_what_its_failures_wait_for(api: Served) -> None:
    """Who paused it and why, and the command that goes on."""
    outage(api, each=3)
    recovery = bulk(api)
    paused = api.ask("POST", f"/api/v1/recovery/retries/{recovery}/pause", {"reason": "wait for the deploy"})
    assert paused.status_code == 200, paused.text
    for named in (recovery, "t1"):
        text = screen(api, named)
        assert "wait for the deploy" in text
        assert text.endswith(f"redrive recoveries resume {recovery} --reason WHY")


def test_an_approval_is_what_it_waits_for(api: Served) -> None:
    """Whose consent, until when, what is done otherwise, and how to give it."""
    incident = failed_once(api)
    now = api.scene.now
    plan = replace(RETRY, execution_id=None)
    recovery = Recovery(
        uuid4(), RecoveryState.PROPOSED, "ann via chat", "a big one", CommandKind.RETRY, now, Selection(), plan,
        incident_id=api.scene.incident.id,
    )  # fmt: skip
    approval = Approval(recovery.id, "ann via chat", "a big one", 1, now, now + timedelta(hours=1), Otherwise.REJECT)
    with api.scene.ledger.transaction() as tx:
        tx.add_recovery(recovery)
        tx.save_approval(approval)
    for named in ("t0", incident, str(recovery.id)):
        text = screen(api, named)
        assert "waits for consent until 2025-11-20 13:00:00Z, then reject: 1 failure" in text
        assert f"somebody's consent to recovery {recovery.id}, until 2025-11-20 13:00:00Z; then reject" in text
        assert text.endswith(f"redrive approvals approve {recovery.id} --reason WHY")
    with api.scene.ledger.transaction() as tx:
        tx.save_approval(decided(approval, approve=False, by="bob", reason="not tonight", now=now))
        tx.save_recovery(replace(recovery, state=RecoveryState.ABORTED, ended_at=now, note="rejected by bob"))
    text = screen(api, str(recovery.id))
    assert "rejected by bob: not tonight" in text
    assert text.endswith(f"redrive recoveries show {recovery.id}")


def test_the_built_in_plan_says_that_nobody_decided(api: Served) -> None:
    """StackStorm is away: since when, and what stands in for its rules."""
    failed_once(api)
    with api.scene.ledger.transaction() as tx:
        contact = Contact(rules=()).failed(api.scene.now)
        tx.save_contact(contact)
    assert "StackStorm, which has been out of reach since 2025-11-20 12:00:00Z" in screen(api, "t0")
    with api.scene.ledger.transaction() as tx:
        accept_plan(tx, api.scene.incident.id, built_in(contact), 1, api.scene.now)
    text = screen(api, "t0")
    assert "plan retry: StackStorm cannot be reached since 2025-11-20 12:00:00 UTC" in text
    assert "(built in, StackStorm being away)" in text


def test_a_rule_and_its_execution_are_named(api: Served) -> None:
    """Which rule fired, which execution answered, and that the plan is its."""
    failed_once(api)
    with api.scene.ledger.transaction() as tx:
        (asked,) = tx.dispatches_of(api.scene.incident.id)
        answered = {"rules": ("redrive.retry_transient",), "execution_ids": ("e-1",), "state": DispatchState.ENDED}
        tx.save_dispatch(replace(asked, sent_at=api.scene.now, **answered))
    api.scene.plan()
    text = screen(api, "t0")
    assert "trigger incident_opened: rule redrive.retry_transient fired; execution e-1 ended" in text
    assert "(execution e-1) [rule redrive.retry_transient]" in text


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (DispatchState.NO_RULE, "trigger incident_opened: no rule answered: rule r is off"),
        (DispatchState.SENT, "sent; no rule has fired yet"),
        (DispatchState.COLLAPSED, "not sent: the trigger of incident"),
    ],
    ids=str,
)
def test_a_trigger_without_an_answer_says_why(api: Served, state: DispatchState, sentence: str) -> None:
    """No rule, none yet, or another incident's trigger stands for it."""
    failed_once(api)
    with api.scene.ledger.transaction() as tx:
        (asked,) = tx.dispatches_of(api.scene.incident.id)
        tx.save_dispatch(replace(asked, state=state, note="rule r is off", led_by=uuid4()))
    assert sentence in screen(api, "t0")


def test_an_event_tells_of_the_failure_that_it_is_of(api: Served) -> None:
    """What became of it at each sink as before, then the failure's story and what comes next."""
    event = failed_event(0)
    api.scene.take_in(event)
    text = screen(api, event.id)
    assert text.startswith(f"event {event.id}")
    assert "rudderstack " in text
    assert "tells of redrive.task.failed.v1: app.call, task t0" in text
    assert "classified transient" in text


def test_an_incident_is_found_by_the_beginning_of_its_id(api: Served) -> None:
    """The short ids of the list are good for this as well."""
    incident = failed_once(api)
    assert screen(api, incident[:8]).startswith(f"incident {incident}")
