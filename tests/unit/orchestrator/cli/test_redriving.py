"""Retry and reroute: what is sent for what was typed, the screen of a dry run, what they end with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import typer_app
from orchestrator.cli.answers import Changed, NoAnswer
from orchestrator.cli.exits import DONE, FAILED, PARTLY, USAGE
from tests.unit.orchestrator.cli.conftest import flat
from tests.unit.orchestrator.cli.contract import FAILURE, INCIDENT, RECOVERY, dry_run, recovery

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.unit.orchestrator.cli.conftest import Answering

RETRY = "/api/v1/recovery/retry"
WHY = ("--reason", "the provider is back")
ACCEPTED = {"id": RECOVERY, "location": f"/api/v1/recovery/retries/{RECOVERY}", "state": "accepted", "failures": 39_990}


def said(fake: Answering, *words: str) -> Result:
    """Run the command line against the server of the contract."""
    return CliRunner().invoke(typer_app, [*words, "--api", fake.url])


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("--failure", FAILURE), {"failure_id": FAILURE}),
        (("--task", "t-1"), {"task_id": "t-1"}),
        (("--incident", INCIDENT, "--revision", "7"), {"incident_id": INCIDENT, "revision": 7}),
        (
            ("--query", "task='demo a.*' kind=transient arg.customer=42 state=held,dead"),
            {
                "query": {
                    "task": "demo a.*",
                    "kind": "transient",
                    "arguments": {"customer": "42"},
                    "states": ["held", "dead"],
                }
            },
        ),
        (
            (
                "--task",
                "t",
                "--in-flight",
                "5",
                "--order",
                "newest",
                "--limit",
                "9",
                "--edit",
                "n=3",
                "--edit",
                "m=a",
            ),
            {"task_id": "t", "pace": {"in_flight": 5}, "order": "newest", "limit": 9, "edits": {"n": 3, "m": "a"}},
        ),
        (
            ("--task", "t", "--cron", "0 3 * * *", "--timezone", "Europe/Oslo"),
            {"task_id": "t", "plan": "cron_backoff", "gate": {"cron": "0 3 * * *", "timezone": "Europe/Oslo"}},
        ),
        (("--task", "t", "--queue", "spare"), {"task_id": "t", "plan": "reroute", "route": {"queue": "spare"}}),
        (
            ("--task", "t", "--approval", "2h", "--otherwise", "approve"),
            {"task_id": "t", "approval": {"timeout_seconds": 7200.0, "otherwise": "approve"}},
        ),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_is_typed_is_what_is_asked(fake: Answering, words: tuple[str, ...], body: dict[str, Any]) -> None:
    """Each option is a member of the request; without --yes it is a dry run."""
    fake.say("POST", RETRY, dry_run())
    assert said(fake, "retry", *words, *WHY).exit_code == PARTLY
    assert fake.bodies(RETRY) == [body | {"reason": WHY[1], "force": False, "dry_run": True}]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "expected exactly one of --failure, --task, --incident, --ids, --query, got none"),
        (("--task", "a", "--failure", "b"), "got --failure and --task"),
        (("--query", "colour=red"), "expected key=value with a key of task, queue, kind, signature"),
        (("--query", "task"), "got 'task'"),
        (("--query", "task=a task=b"), "expected each key once, got task twice"),
        (("--query", "kind=bad"), "expected kind as one of"),
        (("--query", "state=bad"), "expected state as one of"),
        (("--query", "since=yesterday"), "expected a length as 90s"),
        (("--query", "task='a"), "expected words as a shell reads them"),
        (("--query", " "), "expected at least one of task"),
        (("--ids", "/none/there"), "expected a file that can be read, got /none/there"),
        (("--task", "t", "--edit", "x"), "expected name=value, got 'x'"),
        (("--task", "t", "--plan", "cron_backoff"), "expected --cron with --plan cron_backoff"),
        (("--task", "t", "--plan", "retry", "--queue", "x"), "expected --plan reroute with --queue"),
        (("--task", "t", "--plan", "escalate"), "expected one of retry, reroute, cron_backoff"),
        (("--task", "t", "--timezone", "UTC"), "expected --cron beside --timezone"),
        (("--failure", "796d6664"), "expected the whole id of a failure, 36 characters, got '796d6664'"),
        (("--task", "t", "--approval", "soon"), "expected from 1m to 7d"),
        (("--task", "t", "--approval", "1s"), "expected from 1m to 7d"),
        (("--task", "t", "--approval", "1h", "--otherwise", "perhaps"), "expected approve or reject, got 'perhaps'"),
        (("--task", "t", "--otherwise", "reject", "--yes"), "expected --approval beside --otherwise"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_cannot_be_meant_is_usage(fake: Answering, words: tuple[str, ...], told: str) -> None:
    """It says what was expected and what came, before anything is asked."""
    done = said(fake, "retry", *words, *WHY)
    assert (done.exit_code, fake.asked) == (USAGE, [])
    assert told in flat(done.stderr.replace("│", "")), done.stderr


@pytest.mark.parametrize(
    "words",
    [("retry", "--task", "t"), ("approvals", "reject", RECOVERY), ("hold", "smtp"), ("recoveries", "abort", "x")],
)
def test_a_reason_that_says_nothing_is_usage(fake: Answering, words: tuple[str, ...]) -> None:
    """Whatever it is the reason of; nothing is asked."""
    done = said(fake, *words, "--reason", " ")
    assert (done.exit_code, fake.asked) == (USAGE, [])
    assert "expected a few words that say why" in flat(done.stderr)


def test_a_line_that_names_no_failure_is_named(fake: Answering, tmp_path: Path) -> None:
    """Of a file of ids the first line that is none, with what stands there, before anything is asked."""
    path = tmp_path / "ids"
    path.write_text(f"{FAILURE}\n\nt-1 demo.summarise\n")
    done = said(fake, "retry", "--ids", str(path), *WHY)
    assert (done.exit_code, fake.asked) == (USAGE, [])
    assert "line 3 of" in flat(done.stderr)
    assert "got 't-1'" in flat(done.stderr.replace("│", ""))


def test_who_is_beyond_a_limit_makes_nothing_partly(fake: Answering) -> None:
    """Who asks for so many has got what was asked for: 5 is for those that cannot go."""
    beyond = {"why": "beyond the limit; ask again, or with a higher limit, for these", "count": 7, "samples": []}
    fake.say("POST", RETRY, dry_run(not_eligible=7, reasons=[beyond]))
    assert said(fake, "retry", "--incident", INCIDENT, "--limit", "9", *WHY).exit_code == DONE
    fake.say("POST", RETRY, dry_run(not_eligible=8, reasons=[beyond, dry_run()["reasons"][0] | {"count": 1}]))
    assert said(fake, "retry", "--incident", INCIDENT, "--limit", "9", *WHY).exit_code == PARTLY


def test_ids_come_from_a_file_or_a_pipe(fake: Answering, tmp_path: Path) -> None:
    """The first word of each line; empty lines are none; more than can be sent is refused."""
    fake.say("POST", RETRY, dry_run())
    path = tmp_path / "ids"
    path.write_text(f"{FAILURE} demo.summarise\n\n  {INCIDENT}\n")
    said(fake, "retry", "--ids", str(path), *WHY)
    words = ["retry", "--ids", "-", *WHY, "--api", fake.url]
    CliRunner().invoke(typer_app, words, input=path.read_text())
    assert [each["ids"] for each in fake.bodies(RETRY)] == [[FAILURE, INCIDENT]] * 2
    path.write_text(f"{FAILURE}\n" * 10_001)
    assert said(fake, "retry", "--ids", str(path), *WHY).exit_code == USAGE


def test_the_screen_of_a_dry_run_tells_what_a_person_decides_on(fake: Answering) -> None:
    """How many go, who does not and why, prediction with evidence, load, time; and the command to copy."""
    fake.say("POST", RETRY, dry_run())
    done = said(fake, "retry", "--incident", INCIDENT, *WHY)
    for each in (
        "would retry  39,990 of demo.summarise; 10 not eligible",
        "waits for    the canary of openai",
        "not eligible 10: its message never reached Redrive",
        f"demo.summarise t-1 ({FAILURE})",
        "first retry  93% would succeed (88% to 96%); openai answers again",
        "             188 of 200 lately",
        "             smtp: not enough evidence",
        "adds         25 a second to openai for 26m",
        "takes        26m",
        "duplicates   demo.summarise may not run twice",
    ):
        assert each in done.stdout
    assert "nothing was done; do it with --yes" in done.stderr


def test_predictions_that_say_the_same_are_said_once(fake: Answering) -> None:
    """Each group is named with them; numbers are as people write them."""
    same = {"enough": False, "dependency": "payments-api", "says": "Not enough evidence."}
    groups = [same | {"signature": each} for each in ("charge", "capture", "charge")]
    other = {"enough": True, "probability": 0.5, "dependency": "smtp", "signature": "mail"}
    load = [{"dependency": "payments-api", "per_second": 1_000.0, "seconds": None}]
    fake.say("POST", RETRY, dry_run(prediction=same | {"groups": [*groups, other]}, load=load))
    text = flat(said(fake, "retry", "--incident", INCIDENT, *WHY).stdout)
    assert "payments-api charge, payments-api capture: Not enough evidence. smtp mail: 50% would succeed" in text
    assert "adds 1,000 a second to payments-api" in text


def test_a_query_s_screen_names_the_incidents(fake: Answering) -> None:
    """With how much of each goes; of many, the first ones."""
    incidents = [
        {"id": f"{number:08x}-0", "task": "demo.a", "state": "open", "eligible": 10 - number, "signature": "x"}
        for number in range(7)
    ]
    fake.say("POST", RETRY, dry_run(task=None, incidents=incidents, not_eligible=0, reasons=[], refused=[]))
    done = said(fake, "retry", "--query", "task=demo.*", *WHY)
    assert done.exit_code == DONE
    assert "39,990 of 7 incidents" in done.stdout
    assert "incident     00000000  10 of demo.a, open" in done.stdout
    assert "incident     and 2 more" in done.stdout


def test_with_yes_it_is_accepted_and_followed(fake: Answering) -> None:
    """The notice counts who was not eligible; with --watch its progress is told until it is over; the rest is 5."""
    fake.say("POST", RETRY, dry_run(), ACCEPTED)
    fake.say("GET", f"/api/v1/recovery/retries/{RECOVERY}", recovery("done", 1_000))
    done = said(fake, "retry", "--incident", INCIDENT, "--yes", "--watch", *WHY)
    assert done.exit_code == PARTLY
    assert done.stdout.splitlines() == [
        "accepted: recovery 7c01aa5e, 39,990 failures",
        "follow it: redrive recoveries watch 7c01aa5e",
        "done: 1,000 recovered of 1,000 tasks",
    ]
    assert "10 were not eligible" in done.stderr


def test_what_waits_for_an_approval_says_who_can_give_it(fake: Answering) -> None:
    """It is not followed: nothing goes before."""
    fake.say("POST", RETRY, dry_run(not_eligible=0), ACCEPTED | {"state": "proposed"})
    done = said(fake, "retry", "--incident", INCIDENT, "--approval", "1h", "--yes", *WHY)
    assert done.exit_code == DONE
    assert "redrive approvals approve 7c01aa5e --reason WHY" in done.stdout


def test_none_that_can_go_is_a_failure(fake: Answering) -> None:
    """Though it shall be done, nothing is asked for."""
    fake.say("POST", RETRY, dry_run(eligible=0))
    done = said(fake, "retry", "--incident", INCIDENT, "--yes", *WHY)
    assert (done.exit_code, len(fake.bodies(RETRY))) == (FAILED, 1)
    assert "nothing was done: none is eligible" in done.stderr


def test_a_conflict_tells_what_changed(fake: Answering) -> None:
    """Who changed what and when, newest first, and what to type."""
    change = {"at": "2026-11-20T12:00:00Z", "actor": "bob", "verb": "assign", "reason": "mine"}
    change |= {"before": {"owner": None}, "after": {"owner": "bob"}, "revision": 8}
    problem = {"detail": "expected revision 7, got 8", "revision": 8, "changes": [change] * 7}
    fake.say("POST", RETRY, problem | {"what_next": f"redrive incidents show {INCIDENT}"}, status=409)
    error = said(fake, "retry", "--incident", INCIDENT, "--revision", "7", *WHY).exception
    assert isinstance(error, Changed)
    lines = str(error).splitlines()
    assert lines[:3] == [
        "expected revision 7, got 8",
        "2026-11-20T12:00:00  bob: assign: mine",
        "            owner: null -> bob",
    ]
    assert lines[-3:] == [
        "and 2 more before that",
        "its revision is 8 now",
        f"next: redrive incidents show {INCIDENT}",
    ]


def test_an_answer_that_does_not_come_leaves_nobody_in_doubt(fake: Answering) -> None:
    """Whether it was accepted is not known: what shows it is named."""
    fake.say("POST", RETRY, dry_run(), b"")
    done = said(fake, "retry", "--incident", INCIDENT, "--yes", *WHY)
    assert isinstance(done.exception, NoAnswer)
    assert "redrive recoveries list shows it if it was" in flat(done.stderr)
