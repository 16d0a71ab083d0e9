"""Log lines are JSON with stable names and no secrets; metrics carry the names that docs promise."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from orchestrator.domain.alerting import AlertTallies, Took
from orchestrator.domain.events import SinkCounts
from orchestrator.domain.tallies import TableSize, Tallies
from orchestrator.observability import Metrics, set_up_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Logging into a string, the root logger put back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up_logging(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def test_a_log_line_is_one_json_object(log: io.StringIO) -> None:
    """Outside a terminal a line is JSON with event, level, logger, time and the fields as given."""
    structlog.get_logger("intake").info("incident.opened", incident_id="i-1", size=3)
    line = json.loads(log.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "incident.opened", "level": "info", "logger": "intake", "incident_id": "i-1", "size": 3}


def test_lines_of_other_libraries_have_the_same_shape(log: io.StringIO) -> None:
    """What a library logs through the standard library arrives as JSON too, with its traceback as one field."""
    error = ConnectionError("amqp://guest:hunter2@127.0.0.1:5672// went away")
    logging.getLogger("kombu").error("connection to %s failed", "the bus", exc_info=error)
    line = json.loads(log.getvalue())
    assert line["event"] == "connection to the bus failed"
    assert "ConnectionError" in line["exception"]
    assert "hunter2" not in log.getvalue()


def test_a_secret_is_never_logged(log: io.StringIO) -> None:
    """Fields that hold a secret are blanked, and so are passwords in URLs."""
    structlog.get_logger().info("bus.connected", url="amqp://guest:hunter2@localhost//", token="hunter2")
    assert "hunter2" not in log.getvalue()
    assert "amqp://guest:[hidden]@localhost//" in log.getvalue()


def test_a_terminal_gets_lines_for_reading(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    """On a terminal a line is text, without colours where NO_COLOR is set."""
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    set_up_logging(terminal)
    structlog.get_logger().error("incident.opened", size=3, exc_info=ConnectionError("amqp://guest:hunter2@b//"))
    assert "incident.opened" in terminal.getvalue()
    assert "ConnectionError: amqp://guest:[hidden]@b//" in terminal.getvalue()
    assert "\x1b[" not in terminal.getvalue()
    assert log.getvalue() == ""


HOSTILE = "a\x7f\x1b[2Jb\x1b]0;title\x07\n2026-11-29 [info] incident.closed\r\x9b31m\u202ec\u2028d\x85e"


def test_a_terminal_obeys_nothing_that_is_logged(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    """Control sequences, line ends and turned text in a field, its name, another library's line and an exception are
    shown as codes: one line for each that was logged, and for each line of a traceback one behind a bar.
    """
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    set_up_logging(terminal)
    structlog.get_logger("x").info("task.failed", task=HOSTILE, deep={HOSTILE: [HOSTILE]}, **{f"n{HOSTILE}": 1})
    logging.getLogger("kombu").warning("lost %s", HOSTILE)
    structlog.get_logger("x").error("request.failed", exc_info=ValueError(HOSTILE))
    shown = terminal.getvalue()
    assert shown.replace("\n", "").isprintable()
    assert "\\x1b[2Jb\\x1b]0;title\\x07\\x0a2026-11-29 [info] incident.closed\\x0d\\x9b31m\\u202ec" in shown
    first, lost, *failed = shown.splitlines()
    assert ("task.failed" in first, "lost a" in lost, "request.failed" in failed[0]) == (True, True, True)
    assert all(line.startswith("  | ") for line in failed[1:])
    assert log.getvalue() == ""


def test_json_lines_escape_what_a_terminal_would_obey(log: io.StringIO) -> None:
    """One line whatever a field holds, and the field as it was."""
    structlog.get_logger().info("task.failed", task=HOSTILE)
    (line,) = log.getvalue().split("\n")[:-1]
    assert json.loads(line)["task"] == HOSTILE
    assert line.isprintable()


def test_metrics_have_their_promised_names() -> None:
    """Every metric of this release is exposed under its documented name, with its labels."""
    metrics = Metrics()
    attempts = {("retry", "succeeded", 1): 3, ("retry", "failed", 7): 1, ("retry", "failed", 8): 1}
    sizes = {"failures": TableSize(3, 4096)}
    metrics.recovery.set(
        Tallies(
            {"transient": 1}, {"waiting": 2}, attempts, 1.5, {"model": 9.0}, {"model": 8.0}, sizes, {"model": "down"}
        )
    )
    metrics.costs.set([("gpt-4o", "openai", 0.25, 0), ("own", "us", 0.0, 4)])
    metrics.events.set("warehouse", SinkCounts(10, 4, 0, 6, 3, 2, 1))
    metrics.set_breaker("warehouse", "open")
    lines = metrics.exposition().decode().splitlines()
    for line in (
        'redrive_failures_total{kind="transient"} 1.0',
        'redrive_failures_total{kind="poison"} 0.0',
        'redrive_incidents{state="waiting"} 2.0',
        'redrive_incidents{state="open"} 0.0',
        'redrive_attempts_total{attempt="1",outcome="succeeded",plan="retry"} 3.0',
        'redrive_attempts_total{attempt="4+",outcome="failed",plan="retry"} 2.0',
        'redrive_first_attempts_total{outcome="succeeded"} 3.0',
        'redrive_events_total{sink="warehouse",state="delivered"} 3.0',
        'redrive_events_pending{sink="warehouse"} 2.0',
        'redrive_llm_cost_usd_total{model="gpt-4o",provider="openai"} 0.25',
        "redrive_pricing_missing_total 4.0",
        "redrive_intake_lag_seconds 0.0",
        "redrive_dispatch_oldest_seconds 1.5",
        'redrive_held_oldest_seconds{dependency="model"} 9.0',
        'redrive_pending_oldest_seconds{dependency="model"} 8.0',
        'redrive_dependency_health{dependency="model",health="down"} 1.0',
        'redrive_dependency_health{dependency="model",health="healthy"} 0.0',
        'redrive_ledger_rows{table="failures"} 3.0',
        'redrive_ledger_bytes{table="failures"} 4096.0',
        'redrive_breaker_state{sink="warehouse",state="open"} 1.0',
        'redrive_breaker_state{sink="warehouse",state="closed"} 0.0',
    ):
        assert line in lines


def test_a_sink_that_was_forgotten_has_no_metric() -> None:
    """Nothing waits for it any more: an alert on its oldest event must end."""
    metrics = Metrics()
    for sink in ("warehouse", "acme"):
        metrics.events.set(sink, SinkCounts(10, 4, 0, 6, 3, 2, 1), 12.5)
    metrics.events.keep(["warehouse"])
    told = metrics.exposition().decode()
    assert ('redrive_sink_oldest_seconds{sink="warehouse"}' in told, 'sink="acme"' in told) == (True, False)


def test_a_sum_that_is_off_shows_in_a_metric() -> None:
    """What is dead, how old the oldest is, by how much a sum is off, and what the last reconciliation missed."""
    metrics = Metrics()
    metrics.events.set("warehouse", SinkCounts(10, 4, 0, 6, 3, 2, 1), 12.5)
    metrics.events.set("rudderstack", SinkCounts(10, 4, 0, 5, 3, 2, 1))
    metrics.gaps.labels("warehouse").set(3)
    lines = metrics.exposition().decode().splitlines()
    for line in (
        'redrive_dead_letters{sink="warehouse"} 1.0',
        'redrive_sink_oldest_seconds{sink="warehouse"} 12.5',
        'redrive_events_unaccounted{sink="warehouse"} 0.0',
        'redrive_events_unaccounted{sink="rudderstack"} 2.0',
        'redrive_events_missing{sink="warehouse"} 3.0',
    ):
        assert line in lines


def test_alerts_are_told_in_numbers() -> None:
    """By state, by the name of the level, and how long it took: count and sum; no label holds an id."""
    metrics = Metrics()
    metrics.alerts.set(AlertTallies({"firing": 2}, {"chat": 5, "phone": 1}, Took(2, 90.0), Took(1, 600.0)))
    lines = metrics.exposition().decode().splitlines()
    for line in (
        'redrive_alerts{state="firing"} 2.0',
        'redrive_alerts{state="resolved"} 0.0',
        'redrive_alert_pages_total{level="chat"} 5.0',
        "redrive_time_to_acknowledge_seconds_count 2.0",
        "redrive_time_to_acknowledge_seconds_sum 90.0",
        "redrive_time_to_resolve_seconds_sum 600.0",
    ):
        assert line in lines
