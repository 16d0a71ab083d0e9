"""The conductor against recorded outcomes of the real one (StackStorm/orquesta 1.6).

conductor_features.yaml holds a workflow for each feature of the language; the generated ones come from a seeded
generator and mix all features. Workflows, plans and outcomes are in conductor_outcomes.json.gz; driving.py tells how a
case is driven. Compared, after each step: the requests with their rendered inputs, delays and items, the workflow's
status, every task's status, what is staged, how many errors there are; in the end also the output, the errors, the runs
with their transitions, the routes and the contexts.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.stackstorm.driven import drive

HERE = Path(__file__).parent
ENGINE = {"st2": {"user": "me"}, "parent": {"p": 1}}
RECORDED: dict[str, Any] = json.loads(gzip.decompress((HERE / "conductor_outcomes.json.gz").read_bytes()))
FEATURES: dict[str, Any] = yaml.safe_load((HERE / "conductor_features.yaml").read_text())
GENERATED: list[dict[str, Any]] = RECORDED["generated"]
RESTORED_ONE_IN = 3


def compare(case: dict[str, Any], seen: list[Any], *, restored: bool = False) -> None:
    """Drive a case and compare all that is seen, step by step."""
    ours = json.loads(json.dumps(drive({"context": ENGINE, **case}, restored=restored)))
    for step, (expected, got) in enumerate(zip(seen, ours, strict=False)):
        assert got == expected, f"step {step}"
    assert len(ours) == len(seen)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("restored", [False, True], ids=["", "restored"])
def test_each_feature_does_what_it_does_in_the_real_conductor(name: str, restored: bool) -> None:
    """Every step of the workflow is that of the real conductor, also if ours is dumped and loaded after each call."""
    compare(FEATURES[name], RECORDED["features"][name], restored=restored)


@pytest.mark.parametrize("number", range(len(GENERATED)))
def test_generated_workflows_do_what_they_do_in_the_real_conductor(number: int) -> None:
    """Every step is that of the real conductor; of some, ours is dumped and loaded after each call."""
    recorded = GENERATED[number]
    compare(recorded["case"], recorded["seen"], restored=number % RESTORED_ONE_IN == 0)
