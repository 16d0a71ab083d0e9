"""Probes as a part: there where the settings name one, led by one orchestrator, from a real answer into the ledger."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.bootstrap.compose import Composer, migrate
from orchestrator.bootstrap.supervisor import Loop
from orchestrator.domain.dependencies import Dependency, Health
from orchestrator.settings import Settings
from tests.answering import answering, says
from tests.recovery import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 20.0
DOWN = Dependency("model", Health.DOWN, since=NOON, failures=9.0, failed=9, seen_at=NOON)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """What an orchestrator needs, in files of its own."""
    stores = {f"{name}_url": f"sqlite:///{tmp_path}/{name}.sqlite" for name in ("ledger", "eventlog", "warehouse")}
    return {"bus_url": f"redrive+sqlite:///{tmp_path}/bus.sqlite", "stackstorm_url": "http://127.0.0.1:1", **stores}


@pytest.fixture
def port() -> Iterator[int]:
    """Where a dependency answers 200."""
    with answering(says("200 OK")) as server:
        yield server.port


def composed(given: dict[str, str], port: int) -> Composer:
    """Put an orchestrator together that probes this port as fast as it may."""
    probe = {"http": f"http://127.0.0.1:{port}", "every_seconds": 0.1}
    settings = Settings(**given, dependencies=json.dumps({"model": {"probe": probe}}))
    migrate(settings)
    return Composer(settings)


def probing(composer: Composer) -> list[Loop]:
    """Find the part that probes."""
    return [each for each in composer.parts(["recovery"]) if isinstance(each, Loop) and each.name == "probes"]


def known(composer: Composer) -> Dependency:
    """Read the dependency."""
    with composer.ledger.reading() as tx:
        found = tx.dependency("model")
    assert found is not None
    return found


def test_without_a_probe_nothing_probes(given: dict[str, str]) -> None:
    """No probe in the settings: no part, no thread."""
    settings = Settings(**given)
    migrate(settings)
    assert probing(Composer(settings)) == []


def test_what_is_down_is_asked_until_it_recovers(given: dict[str, str], port: int) -> None:
    """A dependency that answers again gets its passes, by real requests, and is recovering then."""
    composer = composed(given, port)
    with composer.ledger.transaction() as tx:
        tx.save_dependency(DOWN)
    (loop,) = probing(composer)
    assert loop.leadership is not None
    assert loop.leadership.lead()
    until = time.monotonic() + PATIENCE
    while known(composer).health is Health.DOWN:
        assert time.monotonic() < until
        loop.step()
        time.sleep(0.02)
    assert known(composer).health is Health.RECOVERING
    assert known(composer).probe_note == "answered 200"
    assert composer.releasing.is_set()


def test_one_orchestrator_probes(given: dict[str, str], port: int) -> None:
    """Of two on one ledger, one leads the probes; the other does not ask too."""
    (first,), (second,) = probing(composed(given, port)), probing(composed(given, port))
    assert first.leadership is not None
    assert second.leadership is not None
    assert [first.leadership.lead(), second.leadership.lead()] == [True, False]


def test_a_healthy_one_is_not_asked(given: dict[str, str], port: int) -> None:
    """Nothing is under way while it is well."""
    composer = composed(given, port)
    with composer.ledger.transaction() as tx:
        tx.save_dependency(replace(DOWN, health=Health.HEALTHY))
    (loop,) = probing(composer)
    assert loop.leadership is not None
    assert loop.leadership.lead()
    for _ in range(5):
        loop.step()
        time.sleep(0.02)
    assert known(composer).probe_note is None


def test_every_part_goes_by_the_policies_of_the_settings(given: dict[str, str], port: int) -> None:
    """What the settings say of a dependency holds for intake and probes alike."""
    composer = composed(given, port)
    assert composer.policies.of("model").probed
    (loop,) = probing(composer)
    assert loop.step.__self__.policies == composer.policies  # type: ignore[attr-defined]
    intake = composer._taking_in(composer.ledger, lambda _seconds: None)
    assert intake.recorder.policies == composer.policies
