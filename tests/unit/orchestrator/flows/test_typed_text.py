"""Text that a user typed stands in messages of exceptions: it is no evidence that nobody answers."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.domain.dependencies import Health
from tests.recovery import failed_event
from tests.scene import Scene


def failed_with(kind: str, message: str) -> Scene:
    """Give a scene in which one run failed with an exception that shows no answer."""
    bare: dict[str, Any] = {
        "type": kind,
        "message": message,
        "traceback": "",
        "chain": [],
        "status": None,
        "retry_after": None,
    }
    scene = Scene()
    scene.take_in(failed_event(exception=bare))
    return scene


@pytest.mark.parametrize("words", ["connection refused", "exceeded your current quota"])
@pytest.mark.parametrize("kind", ["builtins.ValueError", "shop.ParseError"])
def test_text_that_a_user_typed_takes_no_dependency_down(kind: str, words: str) -> None:
    """One failure whose message holds the words of an outage is one ordinary failure at most."""
    scene = failed_with(kind, f"cannot parse the user's text: 'my printer says {words}'")
    with scene.ledger.transaction() as tx:
        dependency = tx.dependency("model")
    assert dependency is None or dependency.health is Health.HEALTHY


def test_a_type_that_says_nobody_answers_takes_it_down() -> None:
    """What a client's exception is stands in no text that anybody typed."""
    scene = failed_with("httpx.ConnectError", "no")
    with scene.ledger.transaction() as tx:
        assert (dependency := tx.dependency("model")) is not None
    assert dependency.health is Health.DOWN
