"""An incident's desk from the terminal: what is sent, what is shown, and what a discard wants first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import typer_app, updating
from orchestrator.cli.answers import Changed
from orchestrator.cli.exits import DONE, USAGE
from orchestrator.cli.updating import changed
from tests.recovery import NOON
from tests.unit.orchestrator.api.test_deskwork_api import opened
from tests.unit.orchestrator.cli.conftest import flat
from tests.unit.orchestrator.cli.contract import INCIDENT
from tests.unit.orchestrator.cli.test_redriving import WHY, said

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served
    from tests.unit.orchestrator.cli.conftest import Answering

ONE = f"/api/v1/incidents/{INCIDENT}"
ANSWER = {"id": INCIDENT, "revision": 8, "before": {"owner": None}, "after": {"owner": "ada"}}


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("--assign", "ada"), {"owner": "ada"}),
        (("--assign", "nobody"), {"owner": None}),
        (("--acknowledge", "--severity", "critical"), {"acknowledge": True, "severity": "critical"}),
        (("--snooze", "2h"), {"snooze_until": "2025-11-20T14:00:00+00:00"}),
        (("--snooze", "off", "--revision", "7"), {"snooze_until": None, "revision": 7}),
        (("--discard", "--yes"), {"discard": True}),
        (("--discard",), {"discard": True, "dry_run": True}),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_is_typed_is_what_is_asked(
    fake: Answering, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], body: dict[str, Any]
) -> None:
    """Each option is a member of the request; what was not said is not there."""
    monkeypatch.setattr(updating, "now", lambda: NOON)
    fake.say("PATCH", ONE, ANSWER)
    assert said(fake, "incidents", "update", INCIDENT, *words, *WHY).exit_code == DONE
    assert fake.bodies(ONE) == [body | {"reason": WHY[1]}]


def test_what_changed_is_shown(fake: Answering) -> None:
    """As it was and as it is, with the revision; what was so already is said to be."""
    fake.say("PATCH", ONE, ANSWER, ANSWER | {"before": {}, "after": {}})
    lines = said(fake, "incidents", "update", INCIDENT, "--assign", "ada", *WHY).stdout.splitlines()
    assert lines == ["incident    3f2a91c0, revision 8", "owner       ada (was nothing)"]
    assert "nothing changed" in said(fake, "incidents", "update", INCIDENT, "--assign", "ada", *WHY).stdout


def test_a_discard_shows_first_what_would_go(fake: Answering) -> None:
    """How many of each state, and the command with the revision that was looked at."""
    dry = {"id": INCIDENT, "revision": 7, "before": {"failures": {"held": 40_000, "dead": 3}}, "after": {}}
    fake.say("PATCH", ONE, dry)
    done = said(fake, "incidents", "update", INCIDENT, "--discard", *WHY)
    assert done.exit_code == DONE
    for each in ("would discard incident 3f2a91c0", "40,000 held", "3 dead", "40,003 failures given up for good"):
        assert each in done.stdout
    assert "--revision 7 --yes" in flat(done.stderr.replace("\\\n", ""))
    assert [each["dry_run"] for each in fake.bodies(ONE)] == [True]


def test_the_command_that_a_dry_run_shows_can_be_typed(api: Served) -> None:
    """The revision that the real API gives for a discard that is only shown is the one that it takes with --yes."""
    incident = api.ask("GET", opened(api)).json()["id"]
    typed = ["incidents", "update", incident, "--discard", *WHY, "--api", api.url]
    dry = CliRunner().invoke(typer_app, typed)
    (seen,) = re.findall(r"--revision \d+", flat(dry.stderr.replace("\\\n", "")))
    done = CliRunner().invoke(typer_app, [*typed, *seen.split(), "--yes"])
    assert done.exit_code == DONE, done.exception
    assert "discarded (was open)" in done.stdout


def test_moments_are_told_to_the_second() -> None:
    """As they are elsewhere; what was not is nothing."""
    answer = {"id": INCIDENT, "revision": 8, "before": {"acknowledged_at": None}}
    answer["after"] = {"acknowledged_at": "2026-11-29T02:06:40.635121+00:00"}
    assert list(changed(answer))[1:] == ["acknowledged at 2026-11-29 02:06:40Z (was nothing)"]


def test_two_at_once_and_the_later_is_told(fake: Answering) -> None:
    """Who was first, when and why, what is so now, and the command that shows it."""
    change = {"at": "2026-11-20T12:00:00Z", "actor": "bob", "verb": "update", "reason": "mine", "revision": 8}
    change |= {"before": {"owner": None}, "after": {"owner": "bob"}}
    problem = {"detail": "expected revision 7, got 8", "revision": 8, "changes": [change]}
    fake.say("PATCH", ONE, problem | {"what_next": f"redrive incidents show {INCIDENT}"}, status=409)
    error = said(fake, "incidents", "update", INCIDENT, "--assign", "ada", "--revision", "7", *WHY).exception
    assert isinstance(error, Changed)
    for each in ("bob: update: mine", "owner: null -> bob", "its revision is 8 now", "next: redrive incidents show"):
        assert each in str(error)


@pytest.mark.parametrize("words", [(), ("--discard", "--assign", "ada"), ("--snooze", "soon"), ("--severity", "bad")])
def test_what_cannot_be_meant_is_usage(fake: Answering, words: tuple[str, ...]) -> None:
    """Nothing, two things of which one ends it, a time that is none: refused before anything is asked."""
    assert said(fake, "incidents", "update", INCIDENT, *words, *WHY).exit_code == USAGE
    assert fake.asked == []
