"""The verbs about events and sinks against a served API: what they show, what they do, and what they end with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.exits import DONE, FAILED, PARTLY, USAGE
from orchestrator.domain.circuits import CircuitState, Standing
from orchestrator.domain.errors import RedriveError
from orchestrator.domain.events import Answer, Lane, Passed, Refusal
from tests.unit.orchestrator.api.desk import commands, keys, left_over, send
from tests.unit.orchestrator.cli.conftest import flat
from tests.unit.orchestrator.cli.test_operating import ESCAPE, said

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.orchestrator.api.conftest import Served

WHY = ("--reason", "the column is wider now")


@pytest.mark.parametrize("words", [("sinks",), ("sinks", "list")], ids=" ".join)
def test_sinks_show_what_a_person_has_to_know(desk: Served, words: tuple[str, ...]) -> None:
    """Counts, whether they add up, the oldest, circuits that are not closed, the last error; with --json all of it."""
    circuit = Standing("warehouse/priority", CircuitState.OPEN, desk.scene.now, reason="503")
    desk.desk.circuits.save(circuit)
    desk.desk.circuits.force("rudderstack/telemetry", CircuitState.OPEN, "ada", "a deploy")
    desk.scene.log.note_answer(Answer("warehouse", Lane.PRIORITY, 1, 3, "failure", "503", desk.scene.now))
    desk.scene.later(5)
    done = said(desk, *words)
    assert done.exit_code == DONE, done.output
    for each in ("warehouse", "oldest waits 5s", "yes", "warehouse, priority: circuit open: 503", "failure: 503"):
        assert each in done.stdout
    assert "rudderstack, telemetry: held open by ada: a deploy" in done.stdout
    assert json.loads(said(desk, *words, "--json").stdout)["warehouse"]["dead"] == 1


def test_a_sum_that_is_off_ends_with_one(desk: Served) -> None:
    """An event that is both pending and dead shows, and the exit code says so."""
    desk.scene.log.advance("warehouse", Lane.PRIORITY, 0, epoch=1, passed=Passed(desk.scene.now, {4: Refusal("no")}))
    done = said(desk, "sinks")
    assert (done.exit_code, "NO" in done.stdout) == (FAILED, True)
    assert "the sum is off for warehouse" in done.stderr


def test_hours_are_shown(desk: Served) -> None:
    """One line for each hour, with its sums; as data too; a sink must be known."""
    lines = said(desk, "sinks", "hours", "warehouse").stdout.splitlines()
    assert (len(lines), lines[1].endswith("yes")) == (2, True)
    assert json.loads(said(desk, "sinks", "hours", "warehouse", "--json").stdout)[0]["accepted"] == 4
    assert isinstance(said(desk, "sinks", "hours", "nothing").exception, RedriveError)


def test_circuits_are_held_and_let_go(desk: Served) -> None:
    """Open, closed, auto: each is told with the circuits that it is of."""
    opened = said(desk, "sinks", "open", "warehouse", *WHY)
    assert opened.stdout == "open: warehouse/priority, warehouse/telemetry\n"
    closed = said(desk, "sinks", "close", "warehouse", "--lane", "priority", *WHY)
    assert closed.stdout == "closed: warehouse/priority\n"
    assert said(desk, "sinks", "auto", "warehouse", *WHY).exit_code == DONE
    assert [each["command"] for each in commands(desk)] == ["circuit"] * 3


def test_a_sink_that_is_left_over_is_shown_and_forgotten(desk: Served) -> None:
    """The list says that the settings do not name it; without --yes it is only told what would be given up."""
    left_over(desk)
    listed = said(desk, "sinks")
    assert "acme: not in the settings; the log keeps 2 pending and 1 dead for it until it is forgotten" in flat(
        listed.stdout
    )
    assert "warehouse: not in the settings" not in listed.stdout
    dry = said(desk, "sinks", "forget", "acme", *WHY)
    assert dry.stdout == "would forget acme: 2 pending and 1 dead events are given up\n"
    assert ("--yes" in dry.stderr, commands(desk)) == (True, [])
    done = said(desk, "sinks", "forget", "acme", "--by", "ada", "--yes", *WHY)
    assert done.stdout == "forgotten: acme; 2 pending and 1 dead events are given up\n"
    assert [each["after"] for each in commands(desk)] == [{"forgotten_by": "ada"}]
    assert "acme" not in said(desk, "sinks").stdout
    assert "take it out of the settings" in str(said(desk, "sinks", "forget", "warehouse", "--yes", *WHY).exception)


def test_dead_letters_are_listed_with_their_keys_whole(desk: Served) -> None:
    """The key is the next command's argument: it is never cut; reason, field and tries stand beside it."""
    done = said(desk, "events", "list", "--dead", "--limit", "1")
    assert done.exit_code == DONE, done.output
    for each in (keys(desk)[0], "it is NaN", "data.cost", "warehouse"):
        assert each in done.stdout
    assert "--cursor 1:warehouse" in done.stderr
    rest = said(desk, "events", "list", "--dead", "--cursor", "1:warehouse", "--json")
    assert json.loads(rest.stdout) == []
    every = json.loads(said(desk, "events", "list", "--sink", "warehouse", "--json").stdout)
    assert [each["state"] for each in every] == ["pending", "delivered", "filtered", "dead"]


def test_an_event_is_shown_whole(desk: Served) -> None:
    """With its body, and what became of it at each sink."""
    done = said(desk, "events", "show", keys(desk)[0])
    assert "it is NaN (field data.cost), after 2 tries" in done.stdout
    assert '"gen_ai.request.model": "gpt-4o"' in done.stdout
    assert json.loads(said(desk, "events", "show", keys(desk)[0], "--json").stdout)["seq"] == 1


def test_why_tells_of_each_sink(desk: Served) -> None:
    """Delivered with its row, pending, dead with why; an event that is not there is said to be so."""
    assert "warehouse   delivered; its row is there" in said(desk, "why", keys(desk)[2]).stdout
    assert "rudderstack pending: it waits for its turn" in said(desk, "why", keys(desk)[0]).stdout
    assert json.loads(said(desk, "why", keys(desk)[0], "--json").stdout)["sinks"][0]["state"] == "dead"
    assert isinstance(said(desk, "why", "nothing").exception, RedriveError)


def test_a_replay_shows_first_and_does_it_with_yes(desk: Served, tmp_path: Path) -> None:
    """Without --yes nothing is kept; with it the events go, patched by what a file says; then there are none left."""
    dry = said(desk, "events", "replay", *WHY)
    assert (dry.exit_code, desk.desk.replays.replays(1)) == (DONE, [])
    assert "would send again: 1 (1 to warehouse)" in dry.stdout
    assert keys(desk)[0] in dry.stdout
    assert "--yes" in dry.stderr
    patch = tmp_path / "patch.json"
    patch.write_text('{"data": {"user_id": "u-1"}}')
    words = ("events", "replay", keys(desk)[0], "--patch", str(patch), "--pace", "10", "--yes", *WHY)
    done = said(desk, *words)
    assert (done.exit_code, done.stdout.startswith("accepted: 1 events, /api/")) == (DONE, True), done.output
    assert b'"user_id":"u-1"' in send(desk).events[0].record.body
    assert said(desk, *words).exit_code == FAILED


def test_a_replay_is_stopped(desk: Served) -> None:
    """Shown first, with how many have not gone; done with --yes."""
    began = json.loads(said(desk, "events", "replay", "--yes", "--json", *WHY).stdout)
    words = ("events", "cancel", began["id"], *WHY)
    dry = said(desk, *words)
    assert (dry.stdout, "--yes" in dry.stderr) == ("would stop: 1 of its events have not gone\n", True)
    done = said(desk, *words, "--yes")
    assert done.stdout == "cancelled: 1 events stay as they were, 0 had gone\n"
    assert send(desk).events == []
    assert "ended" in str(said(desk, *words, "--yes").exception)


@pytest.mark.parametrize("patch", ["{", "[1]", "/nothing/here.json"])
def test_a_patch_that_is_none_is_usage(desk: Served, patch: str) -> None:
    """Nothing is asked of the API."""
    done = said(desk, "events", "replay", "--patch", patch, "--yes", *WHY)
    assert (done.exit_code, "--patch" in done.stderr) == (USAGE, True)


def test_a_discard_names_the_person(desk: Served) -> None:
    """Shown first; done with --yes, by the name that is given or the one that is logged in."""
    words = ("events", "discard", "--sink", "warehouse")
    assert "would discard: 1" in said(desk, *words, *WHY).stdout
    done = said(desk, *words, "--by", "ada", "--yes", *WHY)
    assert done.stdout == "discarded: 1 dead letters, by ada\n"
    assert "discarded by ada: the column is wider now" in said(desk, "events", "list", "--dead").stdout
    assert said(desk, *words, "--yes", *WHY).exit_code == FAILED


def test_a_reconciliation_that_nobody_did_ends_with_five(desk: Served) -> None:
    """Where no relay part looks, the result is not there after the wait, and that is no success; nor is no store."""
    done = said(desk, "sinks", "reconcile", "--wait", "0.01")
    assert (done.exit_code, "not done" in done.stderr) == (PARTLY, True), done.output
    assert said(desk, "sinks", "reconcile", "--wait", "0").exit_code == DONE
    desk.desk.holders.clear()  # type: ignore[attr-defined]  # a mapping that the fixture made
    done = said(desk, "sinks", "reconcile", "--wait", "0")
    assert (done.exit_code, "no sink" in done.stderr) == (PARTLY, True), done.output


@pytest.mark.parametrize("verb", [("events", "list", "--dead"), ("events", "replay", *WHY), ("why",)], ids=" ".join)
def test_what_a_sink_answered_does_not_steer_the_terminal(desk: Served, verb: tuple[str, ...]) -> None:
    """A reason comes from outside: control characters are shown as codes."""
    desk.scene.log._readers["warehouse"].dead.clear()
    evil = {1: Refusal(ESCAPE, ESCAPE)}
    desk.scene.log.advance("warehouse", Lane.PRIORITY, 3, epoch=1, passed=Passed(desk.scene.now, evil))
    words = (*verb, keys(desk)[0]) if verb == ("why",) else verb
    done = said(desk, *words)
    assert "\\x1b" in done.stdout
    assert not {"\x1b", "\x07"} & set(done.stdout)
