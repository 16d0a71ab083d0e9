"""The verbs on alerts against a served API: what they show, in 80 columns, and what they do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from orchestrator.cli import typer_app
from orchestrator.domain.errors import RedriveError
from orchestrator.flows.escalating import Escalating
from tests import recovery
from tests.alerting import WATCH

if TYPE_CHECKING:
    from click.testing import Result

    from tests.unit.orchestrator.api.conftest import Served

ESCAPE = "\x1b]0;owned\x07"


def said(api: Served, *words: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(typer_app, ["alerts", *words, "--api", api.url])


@pytest.fixture
def alerting(api: Served) -> Served:
    """The API with an alert that has told its first level, of an incident with a hostile dependency and task."""
    api.watch, api.alert_targets = WATCH, frozenset({"slack"})
    api.again()
    incident = recovery.incident(
        opened_at=api.scene.clock(), dependency=f"model{ESCAPE}" + "x" * 150, task=f"app{ESCAPE}"
    )
    with api.scene.ledger.transaction() as tx:
        assert tx.add_incident(incident)
    look(api)
    return api


def look(api: Served) -> None:
    """Do what is due."""
    escalating = Escalating(api.scene.ledger, WATCH, api.scene.clock)
    while escalating.run_once() == 0.0:
        pass


def alert_of(api: Served) -> str:
    """Give the alert's id."""
    found: str = api.ask("GET", "/api/v1/alerts").json()["alerts"][0]["id"]
    return found


def test_alerts_are_listed_in_80_columns_and_made_safe(alerting: Served) -> None:
    """State, level, what is next, and the id that the next command takes; nothing steers the terminal."""
    done = said(alerting, "list")
    assert done.exit_code == 0, done.output
    assert alert_of(alerting) in done.stdout
    assert "firing" in done.stdout
    assert "level 1 of 3 of night, then phone; 1 incidents, 1 pages" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "\x1b" not in done.output
    assert "\x07" not in done.output
    assert json.loads(said(alerting, "list", "--json").stdout)["alerts"][0]["level"] == 1


def test_no_alert_says_who_could_be_told(api: Served) -> None:
    """Without a target it names the page that says how."""
    assert "docs/alerts.md" in said(api, "list").stdout
    assert said(api).stdout == said(api, "list").stdout


def test_acknowledging_is_told_first_and_done_with_yes(alerting: Served) -> None:
    """Without --yes nothing is changed; a second time it is refused with who did."""
    alert = alert_of(alerting)
    dry = said(alerting, "acknowledge", alert, "--reason", "on it")
    assert "would acknowledge 1 incidents" in dry.stdout
    assert "\x1b" not in dry.output
    assert "--yes" in dry.stderr
    assert "acknowledged: 1 incidents" in said(alerting, "acknowledge", alert, "--reason", "on it", "--yes").stdout
    look(alerting)
    again = said(alerting, "acknowledge", alert, "--reason", "on it", "--yes")
    assert isinstance(again.exception, RedriveError)
    assert "acknowledged by" in str(again.exception)
    assert "acknowledged by unauthenticated" in said(alerting, "list", "--all").stdout


def test_a_test_page_is_sent_with_yes_only(alerting: Served) -> None:
    """And by the sink that every page of that target goes by."""
    before = len(alerting.scene.outbox())
    shown = said(alerting, "test", "slack")
    assert "would send" in shown.stdout
    assert shown.stderr.rstrip().endswith("--yes")
    assert len(alerting.scene.outbox()) == before
    assert "alerts-slack" in said(alerting, "test", "slack", "--yes").stdout
    assert len(alerting.scene.outbox()) > before
    unknown = said(alerting, "test", "nobody", "--yes").exception
    assert isinstance(unknown, RedriveError)
    assert str(unknown).endswith("next: redrive alerts list")
