"""Recoveries: listed, shown, followed, paused and stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.cli import following
from orchestrator.cli.exits import DONE, FAILED, INTERRUPTED, PARTLY
from orchestrator.cli.following import Pace, line_of, share_of
from orchestrator.cli.recoveries import meant
from tests.unit.orchestrator.cli.conftest import flat
from tests.unit.orchestrator.cli.contract import INCIDENT, RECOVERY, recovery
from tests.unit.orchestrator.cli.test_redriving import WHY, said

if TYPE_CHECKING:
    from tests.unit.orchestrator.cli.conftest import Answering

RETRIES = "/api/v1/recovery/retries"
ONE = f"{RETRIES}/{RECOVERY}"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(following, "POLL", 0.01)


@pytest.mark.parametrize("words", [(), ("list",)], ids=" ".join)
def test_recoveries_are_listed(fake: Answering, words: tuple[str, ...]) -> None:
    """Id, age, state, how far, what and by whom; the short id is what the next command takes."""
    fake.say("GET", RETRIES, {"retries": [recovery()]})
    fake.say("GET", ONE, recovery())
    head, row = said(fake, "recoveries", *words).stdout.splitlines()
    assert head.split() == ["id", "since", "state", "recovered", "asked", "left", "what", "by"]
    for each in ("7c01aa5e", "running", "100", "1,000", "1m", "retry task=demo.*", "ada"):
        assert each in row
    assert said(fake, "recoveries", "show", row.split()[0]).exit_code == DONE
    assert json.loads(said(fake, "recoveries", *words, "--json").stdout)[0]["id"] == RECOVERY


def test_the_next_command_names_the_newest(fake: Answering) -> None:
    """Of several, the newest: what is shown can be typed as it stands."""
    fake.say("GET", RETRIES, {"retries": [recovery()]}, {"retries": [recovery(), recovery(id=INCIDENT)]})
    assert "next: redrive recoveries show 7c01aa5e\n" in said(fake, "recoveries").stderr
    assert "next: redrive recoveries show 7c01aa5e\n" in said(fake, "recoveries").stderr


def test_states_are_told_where_they_tell_something() -> None:
    """Those that can go at all are what is meant without a word; one of them alone is a choice."""
    usual = {"dependency": "payments-api", "states": ["held", "dead", "released"]}
    assert meant(recovery(selection=usual)) == "dependency=payments-api"
    assert meant(recovery(selection=usual | {"states": ["dead"]})) == 'dependency=payments-api states=["dead"]'
    assert meant(recovery(selection={"states": ["held", "dead"]})) == 'states=["held", "dead"]'


def test_one_is_shown_whole(fake: Answering) -> None:
    """Who, why, what, how far, first attempts, edits, and what to type next."""
    fake.say("GET", ONE, recovery(waits_for=["the gate of openai"]))
    shown = said(fake, "recoveries", "show", RECOVERY).stdout
    for each in (
        "begun       2026-11-20 12:00:00Z by ada: the provider is back",
        "what        retry task=demo.*",
        "100 of 1,000 recovered  20 in flight",
        "first       100 of 110 first attempts succeeded (91%)",
        'edit        model = "small"',
        "waits for   the gate of openai",
        "next        redrive recoveries watch 7c01aa5e",
    ):
        assert each in flat(shown) or each in shown


@pytest.mark.parametrize(
    ("changes", "code"),
    [({}, DONE), ({"dead": 10}, PARTLY), ({"given_back": 10, "state": "aborted"}, FAILED)],
    ids=["all", "some dead", "aborted"],
)
def test_it_is_followed_to_its_end(fake: Answering, changes: dict[str, Any], code: int) -> None:
    """Progress goes to stderr, the sum to stdout; the exit code says whether all have recovered."""
    last = recovery(changes.pop("state", "done"), 1_000 - sum(changes.values()))
    last["progress"] |= {"waiting": 0, "in_flight": 0} | changes
    fake.say("GET", ONE, recovery(), recovery(recovered=500), last)
    done = said(fake, "recoveries", "watch", RECOVERY)
    assert done.exit_code == code, done.output
    assert "of 1,000 recovered" in done.stderr
    assert done.stdout.startswith(f"{last['state']}: {last['progress']['recovered']:,} recovered")
    assert ("next: redrive recoveries show" in done.stdout) == (code != DONE)


def test_ctrl_c_stops_only_the_following(fake: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that the recovery goes on, how to follow it again, and how to stop it; nothing is asked of the API."""
    fake.say("GET", ONE, recovery())

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(following.time, "sleep", interrupted)
    done = said(fake, "recoveries", "watch", RECOVERY)
    assert done.exit_code == INTERRUPTED
    for each in ("goes on", "redrive recoveries watch 7c01aa5e", "redrive recoveries abort 7c01aa5e --reason WHY"):
        assert each in done.stderr
    assert {method for method, *_ in fake.asked} == {"GET"}


def test_a_restart_in_the_middle_does_not_end_the_following(fake: Answering) -> None:
    """An answer that does not come, or says not now, is asked for again."""
    fake.say("GET", ONE, recovery(), b"", recovery("done", 1_000))
    fake.answers["GET", ONE].insert(1, (503, {"detail": "the ledger cannot be reached"}))
    assert said(fake, "recoveries", "watch", RECOVERY).exit_code == DONE


@pytest.mark.parametrize("verb", ["pause", "resume", "abort"])
def test_it_is_steered_with_a_reason(fake: Answering, verb: str) -> None:
    """The reason is kept; the answer says how it stands then."""
    fake.say("POST", f"{ONE}/{verb}", recovery("paused"))
    done = said(fake, "recoveries", verb, RECOVERY, *WHY)
    assert done.exit_code == DONE
    assert fake.bodies(f"{ONE}/{verb}") == [{"reason": WHY[1]}]
    assert done.stdout.startswith("paused: ")
    assert "redrive recoveries resume 7c01aa5e --reason WHY" in done.stdout


def test_a_bar_is_full_only_when_all_is_done() -> None:
    """999 of 1,000 are not all."""
    almost = recovery(recovered=999)
    almost["progress"] |= {"waiting": 1, "in_flight": 0}
    assert "99%" in line_of(almost)
    assert "·" in line_of(almost)
    assert "100%" in line_of(recovery("done", 1_000))


def test_the_rate_is_that_of_the_last_looks() -> None:
    """Tasks that came to an end, whichever way, by the second."""
    pace = Pace()
    assert pace.rate is None
    for second in range(60):
        pace.saw(recovery(recovered=second * 5)["progress"], float(second))
    assert pace.rate == pytest.approx(5.0)


def test_what_waits_for_consent_shows_no_progress() -> None:
    """Nobody knows yet what is asked for, and nothing has gone: there is no full bar, and no share of it."""
    waits = recovery("proposed", 0, progress=dict.fromkeys(recovery()["progress"], 0))
    assert line_of(waits) == "nothing has gone: it waits for somebody's consent"
    assert share_of(waits) == 0.0
    assert share_of(waits | {"state": "done"}) == 1.0
