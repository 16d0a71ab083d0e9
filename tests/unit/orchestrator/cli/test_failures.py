"""Failures from the terminal: found, shown whole, as CSV, given up."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.cli.exits import DONE, FAILED, PARTLY, USAGE
from tests.recovery import failed_event
from tests.unit.orchestrator.cli.conftest import flat
from tests.unit.orchestrator.cli.contract import FAILURE, INCIDENT
from tests.unit.orchestrator.cli.test_operating import outage
from tests.unit.orchestrator.cli.test_operating import said as asked
from tests.unit.orchestrator.cli.test_redriving import WHY, said

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.orchestrator.api.conftest import Served
    from tests.unit.orchestrator.cli.conftest import Answering

DISCARD = "/api/v1/failures/discard"
ANSWER = {"discarded": 2, "incidents": [{"id": INCIDENT, "failures": {"held": 2}}], "not_discarded": {}}


def test_they_are_found_by_what_is_known_of_them(api: Served) -> None:
    """All that is given must hold; the id is whole, since the next command takes it."""
    incident = outage(api, each=3)
    api.scene.take_in(failed_event(9, task="other.call"))
    words = (
        "failures",
        "list",
        "--task",
        "app.*",
        "--kind",
        "transient",
        "--state",
        "held",
        "--incident",
        incident[:8],
    )
    head, *rows = asked(api, *words).stdout.splitlines()
    assert head.split() == ["failure", "since", "state", "what"]
    assert [row.split()[2:5] for row in rows] == [["held", "app.call", "HTTPError"]] * 3
    assert "redrive failures show " + rows[0].split()[0] in flat(asked(api, *words).stderr)
    assert len(json.loads(asked(api, *words, "--json").stdout)) == 3
    assert "none: " in asked(api, "failures", "list", "--since", "1s").stderr


def test_one_is_shown_whole(api: Served) -> None:
    """With its traceback, where its message goes, and the command that sends it again."""
    outage(api, each=1)
    failure = str(api.scene.failures[0].failure.id)
    shown = asked(api, "failures", "show", failure).stdout
    for each in ("task        app.call t0", "| Traceback ...", "to celery", f"next: redrive retry --failure {failure}"):
        assert each in shown
    assert json.loads(asked(api, "failures", "show", failure, "--json").stdout)["id"] == failure


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "796d6664"), "expected the whole id of a failure"),
        (("discard", "796d6664", *WHY), "expected the whole id of a failure"),
        (("list", "--csv", "--limit", "3"), "expected --csv, which gives all"),
        (("list", "--csv", "--json"), "expected --csv, which gives all"),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
def test_what_cannot_be_meant_is_usage(fake: Answering, words: tuple[str, ...], told: str) -> None:
    """What would be refused, or passed over in silence, is told before anything is asked."""
    done = said(fake, "failures", *words)
    assert (done.exit_code, fake.asked) == (USAGE, [])
    assert told in flat(done.stderr)


def test_all_are_given_as_csv(api: Served) -> None:
    """However many; what is in it neither steers the terminal nor is a formula."""
    api.scene.take_in(*(failed_event(number, task="=1+1\x1b[2J") for number in range(5)))
    done = asked(api, "failures", "list", "--csv")
    rows = list(csv.DictReader(StringIO(done.stdout)))
    assert [row["task"] for row in rows] == ["'=1+1[2J"] * 5
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ((FAILURE, "--yes"), {"ids": [FAILURE], "dry_run": False}),
        (("--incident", INCIDENT), {"incident_id": INCIDENT, "dry_run": True}),
        (("--ids", "FILE"), {"ids": [FAILURE], "dry_run": True}),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_is_given_up_is_shown_first(
    fake: Answering, tmp_path: Path, words: tuple[str, ...], body: dict[str, Any]
) -> None:
    """How many of which incident; with --yes it is done."""
    (tmp_path / "ids").write_text(f"{FAILURE}\n")
    fake.say("POST", DISCARD, ANSWER)
    done = said(fake, "failures", "discard", *(each.replace("FILE", f"{tmp_path}/ids") for each in words), *WHY)
    assert done.exit_code == DONE
    assert fake.bodies(DISCARD) == [body | {"reason": WHY[1]}]
    assert done.stdout.splitlines()[0] == ("would discard" if body["dry_run"] else "discarded") + ": 2 failures"
    assert ("--yes" in done.stderr) == body["dry_run"]


def test_what_stays_is_told(fake: Answering) -> None:
    """5 where some are not given up, 1 where none is, 2 where nothing is named."""
    fake.say("POST", DISCARD, ANSWER | {"not_discarded": {"released": 3}}, ANSWER | {"discarded": 0})
    partly = said(fake, "failures", "discard", FAILURE, "--yes", *WHY)
    assert (partly.exit_code, "left as they are: 3 released" in partly.stdout) == (PARTLY, True)
    assert said(fake, "failures", "discard", FAILURE, "--yes", *WHY).exit_code == FAILED
    assert said(fake, "failures", "discard", *WHY).exit_code == USAGE
