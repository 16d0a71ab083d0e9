"""The packs of a demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from orchestrator.dev.demo_packs import MAX_DISTANCE_SECONDS, quick_packs
from orchestrator.stackstorm.packs import packs_dir

if TYPE_CHECKING:
    from pathlib import Path


def test_one_value_differs_from_our_packs(tmp_path: Path) -> None:
    """The copy is ours but for the longest distance between two canaries."""
    ours = yaml.safe_load((packs_dir() / "redrive/actions/retry.yaml").read_text())
    theirs = yaml.safe_load((quick_packs(tmp_path) / "redrive/actions/retry.yaml").read_text())
    assert theirs["parameters"]["max_distance_seconds"]["default"] == MAX_DISTANCE_SECONDS
    ours["parameters"]["max_distance_seconds"]["default"] = MAX_DISTANCE_SECONDS
    assert theirs == ours
