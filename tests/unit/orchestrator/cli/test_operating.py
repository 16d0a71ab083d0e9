"""The operator's verbs against a served API: what they show, what they do, and what they end with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import typer_app
from orchestrator.cli.asking import safe
from orchestrator.cli.exits import DONE, FAILED, PARTLY, USAGE
from orchestrator.domain.errors import RedriveError
from tests.recovery import failed_event
from tests.unit.orchestrator.cli.conftest import flat

if TYPE_CHECKING:
    from click.testing import Result

    from tests.unit.orchestrator.api.conftest import Served

WHY = ("--reason", "the status page is wrong")
ESCAPE = "\x1b]0;owned\x07\x1b[2J"


def outage(api: Served, each: int = 9, **changes: Any) -> str:
    """Let tasks fail until their dependency counts as down, in mode act; gives the incident."""
    api.scene.take_in(*(failed_event(number, **changes) for number in range(each)))
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    return str(api.scene.incident.id)


def said(api: Served, *words: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(typer_app, [*words, "--api", api.url])


def test_an_incident_shows_what_a_person_has_to_know(api: Served) -> None:
    """Why, kind, plan, a failure with its traceback, which tasks wait and how to declare them, what to do next."""
    incident = outage(api, declaration={"dependency": "model", "idempotent": False})
    done = said(api, "incidents", "show", incident)
    assert done.exit_code == DONE, done.output
    for each in ("app.call", "dependency  model", "9 open", "Traceback ...", "9 of app.call wait"):
        assert each in done.stdout
    assert "@app.task(redrive={'idempotent': True})" in flat(done.stdout)
    assert f"redrive retry --incident {incident} --reason WHY" in flat(done.stdout)
    assert json.loads(said(api, "incidents", "show", incident, "--json").stdout)["id"] == incident


def test_an_incident_shows_its_ramp_and_what_it_waits_for(api: Served) -> None:
    """Phase, window and tries of the ramp it shares, and the hold that keeps it back."""
    incident = outage(api)
    api.scene.plan()
    api.scene.release()
    api.scene.later(10_000)
    api.scene.answer(api.scene.release(), "failed")
    said(api, "hold", "model", "--yes", "--reason", "a deploy")
    shown = said(api, "incidents", "show", incident).stdout
    assert "ramp        model is holding, window 1.0, 1 tries" in shown
    assert "waits for   held by unauthenticated on loopback: a deploy" in shown
    assert "plan        retry (execution e-1): it passes by itself" in shown
    told = "holding, 0 of 1 first attempts succeeded, 1 in all; on the ramp of model, not before 2025-"
    assert told in flat(shown)


@pytest.mark.parametrize("words", [(), ("list",), ("list", "--state", "open")], ids=" ".join)
def test_incidents_are_listed_with_ids_for_the_next_command(api: Served, words: tuple[str, ...]) -> None:
    """What failed, how many, how the dependency is; the short id is what the next command takes."""
    incident = outage(api)
    head, row, *after = said(api, "incidents", *words).stdout.splitlines()
    assert head.split() == ["id", "since", "failed", "what", "dependency", "plan", "state"]
    assert row.split()[0] == incident[:8]
    for each in ("9", "app.call HTTPError", "model down", "open"):
        assert each in row
    assert after == [
        f"next: redrive incidents show {row[:8]}",
        f"      redrive retry --incident {row[:8]} --reason WHY",
    ]
    assert said(api, "incidents", "show", row[:8]).stdout.startswith(f"incident    {incident}")


def test_incidents_are_data_of_all_states(api: Served) -> None:
    """As data they come as the API has them."""
    incident = outage(api)
    assert [each["id"] for each in json.loads(said(api, "incidents", "list", "--json").stdout)] == [incident]
    assert json.loads(said(api, "incidents", "list", "--state", "recovered", "--json").stdout) == []


@pytest.mark.parametrize(
    "verb",
    [("incidents", "list"), ("incidents", "show"), ("dependencies",), ("classify", "--explain", "--failure")],
    ids=" ".join,
)
def test_what_a_task_wrote_does_not_steer_the_terminal(api: Served, verb: tuple[str, ...]) -> None:
    """Names, messages and tracebacks are shown with their control characters as codes, markup as it is."""
    exception = failed_event().data["exception"]
    named = {"task": f"app.{ESCAPE}[red]", "declaration": {"dependency": f"m{ESCAPE}", "idempotent": True}}
    evil = exception | {"type": f"x.{ESCAPE}", "message": ESCAPE, "traceback": f"{ESCAPE}\u202e"}
    incident = outage(api, each=1, exception=evil, **named)
    last = {"show": incident, "--failure": str(api.scene.failures[0].failure.id)}.get(verb[-1])
    words = (*verb, last) if last else verb
    done = said(api, *words)
    assert done.exit_code == DONE, done.output
    assert "\\x1b" in done.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)


def test_only_what_steers_is_replaced() -> None:
    """Text of any script stays as it is."""
    assert safe("naïve 日本 é\ta\nb\r") == "naïve 日本 é\\x09a\\x0ab\\x0d"


def test_a_retry_shows_first_and_does_it_with_yes(api: Served) -> None:
    """Without --yes nothing is recorded and the notice on stderr says so; with it all go as one release."""
    incident = outage(api)
    dry = said(api, "retry", "--incident", incident, *WHY)
    assert (dry.exit_code, api.scene.releases) == (DONE, [])
    assert "would retry  9 of app.call; 0 not eligible" in dry.stdout
    assert "--yes" in dry.stderr
    done = said(api, "retry", "--incident", incident, "--yes", *WHY)
    assert (done.exit_code, len(api.scene.releases)) == (DONE, 1)
    assert done.stdout.startswith("accepted:")
    again = said(api, "retry", "--incident", incident, "--yes", *WHY)
    assert again.exit_code == FAILED
    assert len(api.scene.releases) == 1


def test_some_that_are_not_eligible_end_with_five(api: Served) -> None:
    """One was asked for already: the dry run and the command both exit with 5, and the dry run names it."""
    incident = outage(api, each=3)
    assert said(api, "retry", "--task", "t1", "--yes", *WHY).exit_code == DONE
    dry = said(api, "retry", "--incident", incident, *WHY)
    assert (dry.exit_code, "not eligible 1: asked for already" in dry.stdout) == (PARTLY, True)
    assert "app.call t1 (" in dry.stdout
    assert said(api, "retry", "--incident", incident, "--yes", *WHY).exit_code == PARTLY


def test_a_forced_retry_tells_what_it_overrides(api: Served) -> None:
    """The dry run and the command name it; without --force they name what it would wait for."""
    outage(api)
    assert said(api, "hold", "model", "--yes", "--reason", "a deploy").exit_code == DONE
    assert (
        "waits for    held by unauthenticated on loopback: a deploy" in said(api, "retry", "--task", "t1", *WHY).stdout
    )
    assert "overrides    held by" in said(api, "retry", "--task", "t1", "--force", *WHY).stdout
    assert "forced, overriding: held by" in said(api, "retry", "--task", "t1", "--force", "--yes", *WHY).stderr


@pytest.mark.parametrize("what", ["dependency", "incident"])
def test_a_hold_is_shown_first_and_lifted_again(api: Served, what: str) -> None:
    """Without --yes nobody holds anything; afterwards who and why are shown, and a release ends it."""
    incident = outage(api)
    words = ("model",) if what == "dependency" else ("--incident", incident)
    dry = said(api, "hold", *words, "--reason", "a deploy")
    assert (dry.exit_code, "9 failures" in dry.stdout) == (DONE, True)
    held = said(api, "hold", *words, "--reason", "a deploy", "--yes")
    assert held.stdout == "held by unauthenticated on loopback: a deploy\n"
    assert said(api, "release", *words, "--reason", "done", "--yes").stdout == "released\n"
    again = said(api, "release", *words, "--reason", "done", "--yes")
    assert isinstance(again.exception, RedriveError)
    assert "nobody holds" in str(again.exception)


def test_a_hold_of_what_changed_meanwhile_is_not_done(api: Served) -> None:
    """The dry run names the revision that was looked at; with it the second of two does nothing."""
    words = ("--incident", outage(api), "--reason", "a deploy")
    dry = said(api, "hold", *words)
    seen = api.scene.incident.revision
    assert f"--revision {seen} --yes" in flat(dry.stderr.replace("\\\n", ""))
    assert said(api, "hold", *words, "--yes", "--revision", str(seen)).exit_code == DONE
    late = said(api, "release", *words, "--yes", "--revision", str(seen))
    assert isinstance(late.exception, RedriveError)
    assert f"expected revision {seen + 1}" in str(late.exception)
    assert said(api, "hold", "model", "--reason", "x", "--revision", "1").exit_code == USAGE


def test_a_reroute_shows_where_it_would_go(api: Served) -> None:
    """To a queue that is named it is open; the table that is empty has none."""
    outage(api, each=1)
    named = said(api, "reroute", "--task", "t0", "--queue", "spare", *WHY)
    assert "goes to      " in named.stdout
    assert "spare" in named.stdout
    assert "nowhere" in said(api, "reroute", "--task", "t0", *WHY).stdout


def test_dependencies_fit_into_80_columns(api: Served) -> None:
    """However long a name is; one of them is shown whole, and both as data."""
    name = "a-very-long-name-of-a-dependency-that-somebody-has-given"
    outage(api, declaration={"dependency": name, "idempotent": True})
    lines = said(api, "dependencies").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "down" in "".join(lines)
    shown = said(api, "dependencies", name).stdout
    assert "health      down since" in shown
    assert "passes      0 in a row of 3 needed" in shown
    assert json.loads(said(api, "dependencies", name, "--json").stdout)["held_failures"] == 9
    assert [each["name"] for each in json.loads(said(api, "dependencies", "--json").stdout)] == [name]


@pytest.mark.parametrize(
    "words",
    [("retry", *WHY), ("retry", "--task", "a", "--failure", "b", *WHY), ("hold", *WHY), ("retry", "--task", "t0")],
    ids=["nothing", "two", "no name", "no reason"],
)
def test_what_names_nothing_is_usage(api: Served, words: tuple[str, ...]) -> None:
    """It is refused before anything is asked."""
    assert said(api, *words).exit_code == USAGE


def test_a_life_can_be_followed_to_its_end(api: Served) -> None:
    """Each event is a line, or a document; the command ends with the incident."""
    incident = outage(api, each=1)
    api.scene.plan()
    for _ in range(3):
        api.scene.later(10)
        api.scene.answer(api.scene.release())
    done = said(api, "incidents", "watch", incident)
    assert (done.exit_code, "incident.closed" in done.stdout) == (DONE, True)
    names = [
        json.loads(line)["event"] for line in said(api, "incidents", "watch", incident, "--json").stdout.splitlines()
    ]
    assert "attempt.recorded" in names


def test_a_life_is_followed_past_any_reason(api: Served) -> None:
    """A reason with what some take for the end of a line is told whole, and does not steer the terminal."""
    incident = outage(api, each=1)
    api.scene.plan()
    reason = "a\u2028b\u0085c"
    for verb in ("hold", "release"):
        api.ask("POST", f"/api/v1/incidents/{incident}/{verb}", {"reason": reason})
    for _ in range(3):
        api.scene.later(10)
        api.scene.answer(api.scene.release())
    done = said(api, "incidents", "watch", incident, "--json")
    assert done.exit_code == DONE, done.output
    told = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert [each["reason"] for each in told if each["event"] == "command.recorded"] == [reason, reason]
