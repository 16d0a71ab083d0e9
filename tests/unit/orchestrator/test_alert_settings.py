"""The table of alerts: read once at the start, every name looked for, and no secret told."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eventbus import scrub
from orchestrator.alert_settings.tables import AlertsTable
from orchestrator.bootstrap.alerts import alert_loops, alert_sinks
from orchestrator.bootstrap.sinks import make_sinks
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.incidents import Severity
from orchestrator.settings import load
from tests.pagers import ROUTING_KEY, SLACK_URL, WEBHOOK

if TYPE_CHECKING:
    from orchestrator.settings import Settings

TABLE: dict[str, Any] = {
    "default": "night",
    "targets": {
        "slack": {"kind": "apprise", "url": SLACK_URL, "fallback": ["mail"], "timeout_seconds": 2},
        "mail": {"kind": "apprise", "url": "mailto://127.0.0.1:2525?from=a@b.example&to=c@d.example"},
        "pager": {"kind": "pagerduty", "routing_key": ROUTING_KEY, "quiet_hours": "berlin"},
    },
    "quiet_hours": {"berlin": {"timezone": "Europe/Berlin", "windows": ["22:00-07:00"], "wakes": "error"}},
    "ladders": {
        "night": {
            "again_after_seconds": 3600,
            "levels": [
                {"name": "chat", "targets": ["slack"]},
                {"name": "phone", "targets": ["pager"], "unanswered_seconds": 600, "money_usd": "12.50"},
            ],
        }
    },
    "rules": [
        {"dependency": "mod*", "ladder": "none"},
        {"task": "billing.*", "ladder": "night", "severity": "critical"},
    ],
}


@pytest.fixture(autouse=True)
def _needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("bus", "ledger", "eventlog", "warehouse"):
        scheme = "redrive+sqlite" if name == "bus" else "sqlite"
        monkeypatch.setenv(f"REDRIVE_{name.upper()}_URL", f"{scheme}:///{tmp_path}/{name}.db")
    monkeypatch.setenv("REDRIVE_STACKSTORM_URL", "http://127.0.0.1:1")


def loaded(table: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Read a table as the environment has it."""
    monkeypatch.setenv("REDRIVE_ALERTS", json.dumps(table))
    return load()


def changed(*path: str | int, to: object) -> dict[str, Any]:
    """Give the table with one value changed."""
    table: Any = json.loads(json.dumps(TABLE))
    place = table
    for each in path[:-1]:
        place = place[each]
    place[path[-1]] = to
    whole: dict[str, Any] = table
    return whole


def test_a_table_becomes_who_is_told_of_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ladders, rules, quiet hours, and a sink for each target."""
    settings = loaded(TABLE, monkeypatch)
    watch = settings.alerts.watch()
    phone = watch.ladders["night"].levels[1]
    assert (phone.targets, phone.unanswered, str(phone.money)) == (("pager",), 600, "12.50")
    assert watch.quiet["pager"].wakes is Severity.ERROR
    assert [rule.ladder for rule in watch.rules] == [None, "night"]
    names = [entry.name for entry in make_sinks(settings)]
    assert names == ["warehouse", "alerts-slack", "alerts-mail", "alerts-pager"]
    (slack, *_) = alert_sinks(settings.alerts)
    assert (slack.limits.events, slack.limits.linger) == (10, 0.0)


def test_without_a_table_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sink, no loop."""
    monkeypatch.delenv("REDRIVE_ALERTS", raising=False)
    settings = load()
    nothing: Any = None
    assert alert_sinks(settings.alerts) == ()
    assert alert_loops(settings.alerts.watch(), nothing, nothing, nothing, nothing, nothing) == []


def test_the_file_has_the_same_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TOML, and secrets in files of their own."""
    (tmp_path / "url").write_text(f"{SLACK_URL}\n")
    (tmp_path / "key").write_text(f"{ROUTING_KEY}\n")
    (tmp_path / "redrive.toml").write_text(f"""
[alerts]
default = "day"
[alerts.targets.chat]
kind = "apprise"
url_file = "{tmp_path}/url"
[alerts.targets.pager]
kind = "pagerduty"
routing_key_file = "{tmp_path}/key"
[[alerts.ladders.day.levels]]
name = "all"
targets = ["chat", "pager"]
""")
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(tmp_path / "redrive.toml"))
    settings = load()
    assert settings.alerts.targets["pager"].secrets() == [ROUTING_KEY]
    assert [entry.name for entry in alert_sinks(settings.alerts)] == ["alerts-chat", "alerts-pager"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (changed("default", to="nigth"), "default: expected the name of a ladder, got 'nigth'; did you mean night?"),
        (changed("targets", "slack", "fallback", to=["male"]), "targets.slack.fallback: expected the name of a target"),
        (changed("targets", "slack", "fallback", to=["slack"]), "targets.slack.fallback: expected other targets"),
        (changed("targets", "pager", "quiet_hours", to="x"), "targets.pager.quiet_hours: expected the name of a table"),
        (
            changed("ladders", "night", "levels", 0, "targets", to=["who"]),
            "ladders.night.levels.chat.targets: expected",
        ),
        (changed("ladders", "night", "levels", 1, to={"name": "b", "targets": ["mail"]}), "expected a condition"),
        (changed("ladders", "night", "levels", 1, "name", to="chat"), "expected levels with names of their own"),
        (changed("ladders", "night", "levels", 0, "unanswered_seconds", to=1), "from the second level on"),
        (
            changed("quiet_hours", "berlin", "timezone", to="Berlin"),
            "expected a time zone like Europe/Berlin",
        ),
        (changed("quiet_hours", "berlin", "windows", to=["22-7"]), "expected windows like '22:00-06:00'"),
        (changed("rules", 0, "ladder", to="day"), "rules.ladder: expected the name of a ladder, got 'day'"),
        (
            changed("targets", "pager", "routing_key", to=None),
            "targets.pager: Value error, expected either routing_key",
        ),
        (changed("targets", "mail", "kind", to="pigeon"), "targets.mail: expected a table with a kind of apprise or"),
        (changed("targets", "mail", "tires", to=3), "did you mean tries?"),
        (changed("storm_second", to=3), "did you mean storm_seconds?"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    table: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Table and key, what was expected and what came."""
    with pytest.raises(SettingsInvalid) as refused:
        loaded(table, monkeypatch)
    assert "REDRIVE_ALERTS" in str(refused.value)
    assert said in str(refused.value)


def test_a_url_that_names_no_service_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its table and key, without the URL."""
    settings = loaded(changed("targets", "mail", "url", to="pigeon://s3cr3tt0k3n"), monkeypatch)
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_ALERTS\.targets\.mail\.url") as refused:
        make_sinks(settings)
    assert "s3cr3tt0k3n" not in str(refused.value)


def test_a_sink_of_the_name_of_a_targets_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two sinks would share their cursors."""
    monkeypatch.setenv("REDRIVE_SINKS", json.dumps({"alerts-mail": {"kind": "file", "folder": str(tmp_path)}}))
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_SINKS\.alerts-mail: expected another name"):
        make_sinks(loaded(TABLE, monkeypatch))


def test_no_secret_of_a_target_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the settings' repr, and of any text each is taken out; a host is no secret."""
    settings = loaded(TABLE, monkeypatch)
    secrets = [*WEBHOOK, ROUTING_KEY]
    assert not any(secret in repr(settings) + str(settings.alerts) for secret in secrets)
    hidden = scrub.text(f"POST https://hooks.slack.com/services/{'/'.join(WEBHOOK)} {SLACK_URL} key={ROUTING_KEY}")
    assert not any(secret in hidden for secret in secrets)
    assert scrub.text("no answer from 127.0.0.1 for ann@example.com") == "no answer from 127.0.0.1 for ann@example.com"
    assert logging.getLogger("apprise").disabled or make_sinks(settings)


@pytest.mark.parametrize(
    ("table", "secret"),
    [
        ({"kind": "apprise", "url": "mailtos://ops:correcthorse@mail.example?to=ops@example.com"}, "correcthorse"),
        ({"kind": "apprise", "url": "json://hooks.example/in?token=batterystaple"}, "batterystaple"),
        ({"kind": "pagerduty", "routing_key": ROUTING_KEY, "url": "http://relay.example/in/staple"}, "/in/staple"),
    ],
)
def test_a_secret_of_small_letters_is_one(table: dict[str, Any], secret: str) -> None:
    """A password is known by its place, whatever it is made of, and so is an address of one's own."""
    settings = AlertsTable.model_validate({"targets": {"one": table}})
    scrubber = scrub.Scrubber()
    scrubber.learn(*settings.secrets())
    assert secret not in scrubber.text(f"no answer from http://relay.example{secret}")


def test_the_example_of_the_page_can_be_used_as_it_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """docs/alerts.md shows a table that is read, with its secrets in files, and makes a sink for each target."""
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0].replace("/run/secrets", str(tmp_path))
    for name, text in (("slack", SLACK_URL), ("mail", TABLE["targets"]["mail"]["url"]), ("pagerduty", ROUTING_KEY)):
        (tmp_path / name).write_text(text)
    (tmp_path / "redrive.toml").write_text(example)
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(tmp_path / "redrive.toml"))
    settings = load()
    watch = settings.alerts.watch()
    assert [level.name for level in watch.ladders["night"].levels] == ["chat", "on-call", "lead"]
    assert watch.ladders["night"].again_after == 7_200
    assert [entry.name for entry in alert_sinks(settings.alerts)] == ["alerts-slack", "alerts-mail", "alerts-pager"]
