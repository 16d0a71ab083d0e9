"""Every check of lint: an app that has what it looks for, and one that nearly has."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from eventbus.lint.checks import CHECKS, IDS, findings_of, heard
from eventbus.lint.facts import Place
from eventbus.lint.findings import Severity
from tests.unit.eventbus.lint.apps import LATE, RABBITMQ, Setup, facts_of, quorum

SHUT = Place("REDRIVE_SPOOL_DIR", "/spool", writable=False)
KINDLY = {"worker_cancel_long_running_tasks_on_connection_loss": True}
LONG = {"broker_transport_options": {"visibility_timeout": 8000}}

# id: an app that has it, an app that has not.
CASES: dict[str, tuple[Setup, Setup]] = {
    "plugin-missing": (Setup(facts={"installed": False}), Setup()),
    "always-eager": (Setup({"task_always_eager": True}), Setup({"task_always_eager": False})),
    "declaration-wrong": (
        Setup(task={"redrive": {"idempotnet": True}}),
        Setup(task={"redrive": {"idempotent": False}}),
    ),
    "pattern-unused": (Setup(facts={"unused_patterns": ("shpo.*",)}), Setup()),
    "consumer-replaced": (
        Setup({"worker_consumer": "tests.unit.eventbus.lint.apps:DeafConsumer"}),
        Setup({"worker_consumer": "tests.unit.eventbus.lint.apps:OwnConsumer"}),
    ),
    "folder-unwritable": (Setup(facts={"places": (SHUT,)}), Setup()),
    "hostname-random": (Setup(hostname="3f2a91bc07de"), Setup(hostname="deadbeef")),
    "backend-blind": (Setup({"result_backend": "rpc://"}), Setup({"result_backend": "db+postgresql://h/r"})),
    "started-untracked": (Setup(task={"ignore_result": True}), Setup({"result_backend": "rpc://"})),
    "idempotent-undeclared": (
        Setup(task={"redrive": {"dependency": "bank"}}),
        Setup(task={"redrive": {"idempotent": False}}),
    ),
    "acks-late-not-idempotent": (
        Setup(task={"acks_late": True, "redrive": {"idempotent": False}}),
        Setup(task={"acks_late": True}),
    ),
    "autoretry-beside-redrive": (
        Setup(task={"autoretry_for": (ValueError,)}),
        Setup(task={"autoretry_for": (ValueError,), "redrive": {"idempotent": False}}),
    ),
    "reject-without-acks-late": (Setup({"task_reject_on_worker_lost": True}), Setup(task=LATE)),
    "acks-late-lost": (Setup(task={"acks_late": True}), Setup(task=LATE)),
    "failure-rejected": (
        Setup({"task_acks_on_failure_or_timeout": False}, {"acks_late": True}),
        Setup({"task_acks_on_failure_or_timeout": False}),
    ),
    "timeout-requeued": (
        Setup({"task_acks_on_failure_or_timeout": False}, {"acks_late": True}),
        Setup({"task_acks_on_failure_or_timeout": False}, {"acks_late": True, "time_limit": None}),
    ),
    "no-time-limit": (Setup(task={"time_limit": None}), Setup({"task_soft_time_limit": 9}, {"time_limit": None})),
    "limit-not-enforced": (Setup(facts={"pool": "threads"}), Setup(facts={"pool": "gevent"})),
    "prefetch-behind-long": (
        Setup(task={"acks_late": True, "time_limit": 900}),
        Setup({"worker_prefetch_multiplier": 1}, {"acks_late": True, "time_limit": 900}),
    ),
    "visibility-timeout": (
        Setup(task={"acks_late": True, "time_limit": 7200}),
        Setup(LONG, {"acks_late": True, "time_limit": 7200}),
    ),
    "consumer-timeout": (
        Setup(RABBITMQ, {"acks_late": True, "time_limit": 7200}),
        Setup(RABBITMQ, {"time_limit": 7200}),
    ),
    "reject-loop": (Setup(task=LATE), Setup(quorum(), LATE)),
    "quorum-undead": (Setup(quorum(**{"x-dead-letter-exchange": None})), Setup(quorum())),
    "quorum-unlimited": (Setup(quorum(**{"x-delivery-limit": None})), Setup(RABBITMQ)),
    "quorum-direct": (Setup(quorum(kind="direct")), Setup(quorum())),
    "quorum-priority": (Setup(quorum(), {"priority": 3}), Setup(RABBITMQ, {"priority": 3})),
    "expiry-untold": (Setup(RABBITMQ, {"expires": 60}), Setup(quorum(), {"expires": 60})),
    "confirms-off": (Setup({"broker_url": "amqp://h//"}), Setup(RABBITMQ)),
    "connection-loss": (Setup(task={"acks_late": True}), Setup(KINDLY, {"acks_late": True})),
    "result-expires": (Setup({"result_expires": timedelta(hours=1)}), Setup({"result_expires": None})),
    "sqlite-results": (
        Setup({"result_backend": "db+sqlite:////r.sqlite"}),
        Setup({"result_backend": "db+sqlite:////r.sqlite", "broker_url": "redrive+sqlite:////b.sqlite"}),
    ),
    "content-refused": (
        Setup(task={"serializer": "pickle"}),
        Setup({"accept_content": ["json", "pickle"]}, {"serializer": "pickle"}),
    ),
    "route-unknown": (
        Setup({"task_routes": {"shop.pya": {"queue": "q"}}}),
        Setup({"task_routes": ({"shop.*": "q", "celery.chord": "q"}, [("shop.pay", {"queue": "q"})])}),
    ),
    "schedule-unknown": (
        Setup({"beat_schedule": {"daily": {"task": "shop.pya", "schedule": 9}}}),
        Setup({"beat_schedule": {"daily": {"task": "shop.pay", "schedule": 9}}}),
    ),
    "queue-missing": (
        Setup({"task_routes": {"shop.pay": "q"}, "task_create_missing_queues": False}),
        Setup({"task_routes": {"shop.pay": "celery"}, "task_create_missing_queues": False}),
    ),
    "memory-unit": (Setup({"worker_max_memory_per_child": 200}), Setup({"worker_max_memory_per_child": 200_000})),
    "child-per-task": (Setup({"worker_max_tasks_per_child": 1}), Setup({"worker_max_tasks_per_child": 50})),
}


def ids_of(setup: Setup) -> list[str]:
    """Give the ids of what is found in an app."""
    return [finding.check.id for finding in findings_of(facts_of(setup))]


def test_nothing_is_found_in_a_clean_app() -> None:
    """An app whose task is declared and limited, and whose runs are tracked, has no finding at all."""
    assert ids_of(Setup()) == []


def test_every_check_has_its_two_apps() -> None:
    """No check is without a test."""
    assert set(CASES) == set(IDS)
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("check_id", IDS)
def test_a_check_finds_it_where_it_is_and_only_there(check_id: str) -> None:
    """The app that has it is told so; the app that nearly has is not."""
    has, has_not = CASES[check_id]
    assert check_id in ids_of(has)
    assert check_id not in ids_of(has_not)


def test_the_worst_is_told_first_and_what_is_ignored_is_not() -> None:
    """Findings are sorted by severity; an ignored id, or a pattern of ids, is left out."""
    findings = findings_of(facts_of(Setup({"task_always_eager": True}, {"time_limit": None, "serializer": "pickle"})))
    assert [each.check.id for each in findings] == ["always-eager", "content-refused", "no-time-limit"]
    assert [each.check.id for each in heard(findings, ["always-eager", "no-*"])] == ["content-refused"]


def test_names_of_tasks_and_what_was_meant_are_told() -> None:
    """A finding names its tasks, and a name that does not exist the one that is nearest."""
    found = {each.check.id: each.found for each in findings_of(facts_of(CASES["route-unknown"][0]))}
    assert found["route-unknown"].subjects == ("shop.pya (meant: shop.pay?)",)


def test_an_app_with_plain_defaults_hears_nothing_of_what_it_does_not_do() -> None:
    """Celery's own defaults on Redis, with the plugin and a declared task: what bites is told, and no more."""
    assert ids_of(Setup({"task_track_started": False}, {"time_limit": None})) == ["started-untracked", "no-time-limit"]


def test_the_page_lists_every_finding_with_its_severity() -> None:
    """docs/lint.md has a row for each check, and none for a check that does not exist."""
    page = (Path(__file__).parents[4] / "docs/lint.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", page, re.MULTILINE)
    assert [(name, Severity(severity)) for name, severity in rows] == [(each.id, each.severity) for each in CHECKS]
