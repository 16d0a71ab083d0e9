"""Predictions from a ledger: what was really redriven is what they tell of, and only that."""

from __future__ import annotations

from orchestrator.domain.dependencies import Policies
from orchestrator.flows.predicting import Predicted, Predictor
from tests.recovery import failed_event
from tests.scene import Scene


def predicted(scene: Scene, *, forced: bool = False) -> Predicted:
    """Predict for ten failures of the newest incident."""
    with scene.ledger.reading() as tx:
        return Predictor(tx, Policies(), scene.now).predict([(scene.incident, 10)], forced=forced)


def test_first_retries_that_went_well_are_evidence_for_the_next() -> None:
    """Before any was redriven nobody can tell; afterwards the sentence counts what was."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(12)))
    assert not predicted(scene).overall.enough
    scene.plan()
    for _ in range(4):
        scene.later(1000)
        scene.answer(scene.release())
    told = predicted(scene)
    assert told.overall.enough
    assert any("12 of the last 12 first retries of this signature succeeded" in each for each in told.overall.evidence)
    view = told.view()
    assert view["enough"] is True
    assert 0.7 < view["low"] < view["probability"] < view["high"] <= 1
    (group,) = view["groups"]
    assert (group["dependency"], group["kind"], group["failures"]) == ("model", str(scene.incident.kind), 10)


def test_nothing_that_would_go_is_nothing_to_predict() -> None:
    """No group, no number, and no statement to the ledger for it."""
    scene = Scene()
    with scene.ledger.reading() as tx:
        told = Predictor(tx, Policies(), scene.now).predict([])
    assert told.view() == {
        "enough": False, "probability": None, "low": None, "high": None,
        "says": "Not enough evidence: no failure would go.", "evidence": [], "groups": [],
    }  # fmt: skip
