"""Sinks from the settings to their destinations: each source gets its own, one that is away holds up none."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from eventbus.wire import LLM_CALL, TASK_FAILED
from orchestrator.bootstrap.compose import Composer, migrate
from orchestrator.bootstrap.supervisor import Loop
from orchestrator.domain.events import SinkCounts
from orchestrator.settings import Settings, load
from tests.events import CALL, event, record
from tests.gateway import gateway
from tests.receiver import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.events import EventRecord
    from tests.gateway import Reply, ToldGateway
    from tests.receiver import Receiver


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give stores of this test, and nothing else."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"REDRIVE_{name.upper()}", raising=False)
    monkeypatch.setenv("REDRIVE_BUS_URL", f"redrive+sqlite:///{tmp_path}/bus.sqlite")
    monkeypatch.setenv("REDRIVE_STACKSTORM_URL", "http://127.0.0.1:9101")
    for store in ("ledger", "eventlog", "warehouse"):
        monkeypatch.setenv(f"REDRIVE_{store.upper()}_URL", f"sqlite:///{tmp_path}/{store}.sqlite")


@pytest.fixture
def servers() -> Iterator[tuple[ToldGateway, ToldGateway, Receiver]]:
    """Give a gateway that is away, one that works, and a receiver of CloudEvents."""

    def away(_: list[dict[str, Any]]) -> Reply:
        return 503, {}, b"away"

    with ExitStack() as opened:
        yield (
            opened.enter_context(gateway(away)),
            opened.enter_context(gateway(lambda _: (200, {}, b"OK"))),
            opened.enter_context(receiver()),
        )


def call_of(organization: str) -> EventRecord:
    """Make a model call of an organisation."""
    made = record(event(LLM_CALL, CALL | {"organization_id": organization, "user_id": f"{organization}-ann"}))
    object.__setattr__(made, "organization", organization)
    return made


def counts(*, filtered: int, delivered: int = 0, pending: int = 0) -> SinkCounts:
    """Count nine events."""
    return SinkCounts(9, filtered, 0, 9 - filtered, delivered, pending, 0)


def test_each_source_gets_its_own_and_one_that_is_away_holds_up_none(
    tmp_path: Path, servers: tuple[ToldGateway, ToldGateway, Receiver]
) -> None:
    """Two RudderStack sources, files and a receiver: a second warehouse, each with its route and its cursor."""
    away, works, events = servers
    rudderstack = {"kind": "rudderstack", "write_key": "key-of-the-test", "batch": {"linger": 0}}
    second = f"sqlite:///{tmp_path}/second.sqlite"
    tables = {
        "second": {"kind": "warehouse", "url": second, "types": [LLM_CALL], "batch": {"linger": 0}},
        "acme": rudderstack | {"url": away.url, "organizations": ["acme"], "types": [LLM_CALL]},
        "beta": rudderstack | {"url": works.url, "organizations": ["beta"]},
        "hooks": {"kind": "cloudevents", "url": events.url, "types": [TASK_FAILED], "batch": {"linger": 0}},
        "archive": {"kind": "file", "folder": str(tmp_path / "archive"), "batch": {"linger": 0}},
    }
    settings = load(sinks=json.dumps(tables))
    migrate(settings)
    composer = Composer(settings)
    acme, beta, failed = (
        [call_of("acme") for _ in range(4)],
        [call_of("beta") for _ in range(3)],
        [record(event(TASK_FAILED, {"task_id": f"t-{number}"})) for number in range(2)],
    )
    composer.log.append([*acme, *beta, *failed])
    for part in composer.parts(["relay"]):
        assert isinstance(part, Loop)
        assert part.leadership is not None
        assert part.leadership.lead()
        for _ in range(4):
            part.step()
    assert composer.log.counts("acme") == counts(filtered=5, pending=4)
    assert composer.log.counts("beta") == counts(filtered=6, delivered=3)
    assert composer.log.counts("hooks") == counts(filtered=7, delivered=2)
    assert composer.log.counts("second") == counts(filtered=2, delivered=7)
    assert composer.log.counts("archive") == counts(filtered=0, delivered=9)
    assert {each["userId"] for batch in away.batches for each in batch} == {"acme-ann"}
    assert {each["userId"] for batch in works.batches for each in batch} == {"beta-ann"}
    assert [each["id"] for each in events.taken] == [each.id for each in failed]
    (archive,) = (tmp_path / "archive").glob("*.jsonl")
    assert len(archive.read_bytes().splitlines()) == 9
