"""What lint says of the ways to fail: seen, missed or impossible, each for its reason."""

from __future__ import annotations

import pytest

from eventbus.lint.facts import Place
from eventbus.lint.ways import Seen, looks
from tests.unit.eventbus.lint.apps import LATE, RABBITMQ, Setup, facts_of, quorum

READING = {"an unknown task", "a refused content type, or missing headers", "an undecodable body"}
SURVIVING = {"a killed worker, acknowledged early", "a cold shutdown"}
SHUT = Place("REDRIVE_SPOOL_DIR", "/spool", writable=False)


def ways(setup: Setup, seen: Seen) -> set[str]:
    """Give the ways that are seen so."""
    return {look.way for look in looks(facts_of(setup)) if look.seen is seen}


def test_there_are_fourteen_ways_and_a_clean_app_misses_none() -> None:
    """Each way has a line, and nothing is missed where nothing is wrong."""
    assert len(looks(facts_of(Setup()))) == 14
    assert ways(Setup(), Seen.MISSED) == set()


@pytest.mark.parametrize(
    ("setup", "missed"),
    [
        (Setup({"worker_consumer": "tests.unit.eventbus.lint.apps:DeafConsumer"}), READING),
        (Setup(facts={"places": (SHUT,)}), SURVIVING),
        (Setup(facts={"pool": "solo"}), {"a hard time limit"}),
        (Setup(RABBITMQ, {"expires": 60}), {"expired"}),
        (Setup(quorum(**{"x-dead-letter-exchange": None})), {"a quorum queue's delivery limit"}),
    ],
)
def test_what_a_configuration_hides_is_missed(setup: Setup, missed: set[str]) -> None:
    """A fault of the configuration hides the ways that it concerns, and no others."""
    assert ways(setup, Seen.MISSED) == missed


@pytest.mark.parametrize("setup", [Setup(facts={"installed": False}), Setup({"task_always_eager": True})])
def test_without_the_plugin_or_a_message_every_way_is_missed(setup: Setup) -> None:
    """Nothing that can be here is seen."""
    assert ways(setup, Seen.SEEN) == set()


def test_what_cannot_be_here_is_named() -> None:
    """Without acks_late, without a quorum queue, without a limit these ways do not exist."""
    assert ways(Setup(quorum(), LATE), Seen.CANNOT_BE) == {"a killed worker, acknowledged early"}
    assert "a quorum queue's delivery limit" in ways(Setup(), Seen.CANNOT_BE)
    assert "a hard time limit" in ways(Setup(task={"time_limit": None}), Seen.CANNOT_BE)
    assert "a killed child" in ways(Setup(facts={"pool": "threads"}), Seen.CANNOT_BE)
