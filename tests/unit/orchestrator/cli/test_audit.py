"""The audit in the terminal: within 80 columns, nothing of it obeyed, and whether its chain holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.cli.exits import DONE, FAILED, USAGE
from tests.unit.orchestrator.cli.conftest import flat
from tests.unit.orchestrator.cli.test_redriving import said

if TYPE_CHECKING:
    from tests.unit.orchestrator.cli.conftest import Answering

AUDIT = "/api/v1/audit"
INCIDENT = "7c01aa5e-0000-5000-8000-000000000001"
HOSTILE = "\x1b[2J\r\nforged \u202e entry {{ 7*7 }}"


def entry(seq: int = 7, **changes: Any) -> dict[str, Any]:
    """Make one as the API shows it."""
    return {
        "seq": seq, "id": "4b1de2a6-72f0-4f0f-a0b9-1f6e2d3c4b5a", "at": "2026-11-29T03:04:05.200000+00:00",
        "actor": "ann via chat", "origin": "person", "verb": "retry", "reason": "the provider is back",
        "incident_id": INCIDENT, "dependency": "model", "forced": False, "overrides": [],
        "before": {"failures": {"held": 9}}, "after": {"failures": 9}, "revision": 3, "former": "0" * 64,
        "hash": "ab" * 32, **changes,
    }  # fmt: skip


def test_an_entry_says_who_what_when_and_why(fake: Answering) -> None:
    """And what it is about, what it changed, what it overrode; no line is longer than the terminal."""
    forced = entry(forced=True, overrides=["dependency model is down: 41 of 45 runs failed", "x" * 200])
    fake.say("GET", AUDIT, {"entries": [forced, entry(6, reason=HOSTILE, actor=HOSTILE)]})
    shown = said(fake, "audit").stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    told = flat(shown)
    assert "7 2026-11-29 03:04:05 ann via chat: retry incident 7c01aa5e, FORCED why: the provider is back" in told
    assert "overrode: dependency model is down: 41 of 45 runs failed" in told
    assert "changed: failures 9 held -> 9" in told
    assert "\x1b" not in shown
    assert "\\x1b[2J\\x0d\\x0aforged \\u202e entry {{ 7*7 }}" in told


def test_a_plan_names_rule_and_execution(fake: Answering) -> None:
    """A rule's decision is told by its rule, its execution and the names of plans."""
    plan = entry(
        verb="plan", origin="rule", rule="redrive.retry", execution_id="x-1", actor="stackstorm",
        before={"plan": None, "state": "open"}, after={"plan": {"name": "retry"}, "state": "planned"},
    )  # fmt: skip
    fake.say("GET", AUDIT, {"entries": [plan]})
    told = flat(said(fake, "audit", "list").stdout)
    assert "stackstorm, rule redrive.retry, execution x-1: plan incident 7c01aa5e" in told
    assert "changed: plan - -> retry, state open -> planned" in told


def test_what_is_asked_reaches_the_api(fake: Answering) -> None:
    """Each option is a parameter; the limit goes over pages; as data the entries are whole."""
    fake.say("GET", AUDIT, {"entries": [entry()]})
    words = ("--actor", "ann & co", "--incident", INCIDENT, "--verb", "retry", "--forced", "--origin", "person")
    done = said(fake, "audit", "list", *words, "--since", "2026-11-01T00:00:00Z", "--json")
    assert json.loads(done.stdout) == [entry()]
    ((_, asked, _),) = fake.asked
    for each in ("actor=ann+%26+co", f"incident={INCIDENT}", "verb=retry", "forced=true", "origin=person", "limit=20"):
        assert each in asked
    assert "since=2026-11-01T00%3A00%3A00%2B00%3A00" in asked


def test_nothing_found_says_so(fake: Answering) -> None:
    """An empty list is no silence."""
    fake.say("GET", AUDIT, {"entries": []})
    assert "no entry is so" in said(fake, "audit", "list", "--verb", "hold").stderr


def test_a_chain_that_holds_gives_the_head_to_note(fake: Answering) -> None:
    """How many, compared with what, and the command that compares with this head later."""
    whole = {
        "holds": True,
        "complete": True,
        "entries": 7,
        "hash": "ab" * 32,
        "fault": None,
        "compared_with": [],
        "exported": 0,
        "place": 0,
    }
    fake.say("GET", f"{AUDIT}/verify", whole, whole | {"exported": 7})
    alone, compared = (said(fake, "audit", "verify") for _ in range(2))
    assert (alone.exit_code, compared.exit_code) == (DONE, DONE)
    assert "an end that is gone would not show" in flat(alone.stdout)
    assert "compared with: all 7 that the event log has" in flat(compared.stdout)
    assert f"redrive audit verify --head 7:{'ab' * 32}" in flat(compared.stdout).replace(" ab", "ab")
    assert all(len(line) <= 80 for line in compared.stdout.splitlines())
    said(fake, "audit", "verify", "--head", f"7:{'ab' * 32}")
    assert fake.asked[-1][1] == f"{AUDIT}/verify?seq=7&hash={'ab' * 32}"


def test_a_chain_that_does_not_hold_is_an_error(fake: Answering) -> None:
    """The first entry that does not fit is named, with the page that says what to do; exit code 1."""
    fault = {"seq": 3, "id": None, "why": "its content was changed"}
    fake.say("GET", f"{AUDIT}/verify", {"holds": False, "complete": True, "entries": 2, "fault": fault, "exported": 0})
    done = said(fake, "audit", "verify")
    assert done.exit_code == FAILED
    assert "entry 3 does not fit: its content was changed" in done.stdout
    assert "docs/audit.md" in done.stdout
    assert said(fake, "audit", "verify", "--head", "abc").exit_code == USAGE


def test_a_long_chain_is_walked_in_stretches(fake: Answering) -> None:
    """Each request goes on where the one before has stopped; the end is compared with the head that was named."""
    part = {
        "holds": True,
        "complete": False,
        "entries": 5,
        "hash": "cd" * 32,
        "fault": None,
        "compared_with": [],
        "exported": 3,
        "place": 9,
    }
    fake.say("GET", f"{AUDIT}/verify", part, part | {"complete": True, "entries": 7})
    done = said(fake, "audit", "verify", "--head", f"7:{'ab' * 32}")
    assert (done.exit_code, "7 entries, each follows" in done.stdout) == (DONE, True)
    assert "5 entries hold so far" in done.stderr
    assert fake.asked[-1][1] == f"{AUDIT}/verify?seq=7&hash={'ab' * 32}&after=5&former={'cd' * 32}&place=9"
    assert "all 6 that the event log has" in flat(done.stdout)


def test_the_mode_is_switched_with_a_reason(fake: Answering) -> None:
    """Without one nothing is asked, and what to type is said."""
    fake.say("PUT", "/api/v1/mode", {"mode": "act"})
    refused = said(fake, "mode", "act")
    assert (refused.exit_code, fake.asked) == (USAGE, [])
    assert "redrive mode act --reason WHY" in flat(refused.stderr)
    assert said(fake, "mode", "act", "--reason", "so").stdout == "act\n"
    assert fake.bodies("/api/v1/mode") == [{"mode": "act", "reason": "so"}]
