"""The event log's rows as a load test reads them, from each of the databases that keep one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventbus import wire
from loadtests.playing.collecting import events
from orchestrator.eventlog import schema
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.filing import record_of
from tests.events import NOON
from tests.services import postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "019b0000-0000-7000-8000-000000000001"


@pytest.fixture(params=["sqlite", "postgresql"])
def log_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an event log that holds nothing."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/eventlog.sqlite"
        schema.migrate(url)
        yield url
        return
    with postgres_url() as url:
        schema.migrate(url)
        yield url


def test_an_event_of_the_log_is_read_with_its_subject(log_url: str) -> None:
    """A worker's event names its task there; one that is about nothing has none."""
    told = wire.Event(KEY, "urn:redrive:worker:w", wire.TASK_FAILED, NOON, {"a": "\x00"}, subject="task-1")
    bare = wire.Event("no uuid", "urn:elsewhere", "com.example.seen", NOON, {})
    log = SqlEventLog(log_url)
    log.append([record_of(told), record_of(bare)])
    found = {each["id"]: each for each in events(log_url)}
    assert found[KEY]["key"] == KEY
    assert (found[KEY]["type"], found[KEY]["source"]) == (wire.TASK_FAILED, "urn:redrive:worker:w")
    assert (found[KEY]["subject"], found["no uuid"]["subject"]) == ("task-1", None)
