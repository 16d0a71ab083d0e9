"""What lint prints: a page of 80 columns, a document whose keys stay."""

from __future__ import annotations

import json

from eventbus.lint.checks import findings_of
from eventbus.lint.report import as_data, as_text
from tests.unit.eventbus.lint.apps import LATE, Setup, facts_of, quorum

BAD = Setup(
    quorum(kind="direct", **{"x-dead-letter-exchange": None}),
    {**LATE, "priority": 3, "serializer": "pickle", "time_limit": 7200, "redrive": {"idempotent": False}},
)


def test_the_page_keeps_to_80_columns_and_tells_of_each_finding() -> None:
    """No line is longer; id, reason and the line to change are there."""
    app = facts_of(BAD)
    findings = findings_of(app)
    page = as_text(app, findings)
    assert max(len(line) for line in page.splitlines()) <= 80
    assert [f" {each.check.id}: " in page for each in findings] == [True] * len(findings)
    assert page.count("\n  change: ") == page.count("\n  why: ") == len(findings) > 5
    assert as_text(facts_of(Setup()), []).endswith("nothing found")


def test_the_document_has_its_keys() -> None:
    """A program that reads version 1 finds these keys, and JSON."""
    app = facts_of(BAD)
    document = json.loads(json.dumps(as_data(app, findings_of(app), ["no-time-limit"])))
    assert set(document) == {"version", "app", "ways", "tasks", "findings", "ignored"}
    assert document["version"] == 1
    assert document["app"] == {
        "name": "shop", "celery": app.celery, "broker": "rabbitmq", "backend": "redis", "pool": "prefork",
    }  # fmt: skip
    assert document["tasks"] == {"redriven": [], "waiting": ["shop.pay"]}
    assert set(document["ways"][0]) == {"way", "seen", "why"}
    assert {tuple(each) for each in document["findings"]} == {("id", "severity", "what", "subjects", "why", "change")}
