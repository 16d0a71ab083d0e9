"""`redrive why`: one screen of 80 columns for each way to fail, each plan, each sort of id; and hostile text in it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from orchestrator.cli.exits import DONE
from orchestrator.cli.stories import SCREEN
from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import RedriveError
from orchestrator.domain.plan import Gate, PlanName, Route
from orchestrator.domain.schedule import Schedule
from tests.recovery import failed_event, redelivered_event
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
    assert text.endswith("redrive mode act")


def test_a_dependency_that_is_down_is_what_it_waits_for(api: Served) -> None:
    """Its health and why, what passes are wanted, and where to look."""
    outage(api)
    api.scene.plan()
    api.scene.release()
    text = screen(api, "t3")
    assert "model is down since: 5 of 5 runs failed lately" in text
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
        str(release.id): "incident", str(release.command_id): "incident",
    }  # fmt: skip
    for named, about in abouts.items():
        assert json.loads(said(api, "why", named, "--json").stdout)["about"] == about
        assert screen(api, named).startswith(f"{about} ")
    problem = said(api, "why", "nothing-of-ours").exception
    assert isinstance(problem, RedriveError)
    assert "task that failed, failure, incident, release, redrive, command or event" in str(problem)


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
