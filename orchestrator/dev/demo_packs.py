"""The packs as a demo runs them: ours, with one value of their YAML changed, as an operator would change it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import yaml

from orchestrator.stackstorm.packs import packs_dir

if TYPE_CHECKING:
    from pathlib import Path

# A demo's outage lasts seconds where a real one lasts an hour: the longest wait between two canaries is scaled too.
MAX_DISTANCE_SECONDS: Final = 4


def quick_packs(folder: Path) -> Path:
    """Copy the packs into a folder, with canaries at most MAX_DISTANCE_SECONDS apart; gives the copy."""
    copy = folder / "packs"
    shutil.copytree(packs_dir(), copy, dirs_exist_ok=True)
    path = copy / "redrive" / "actions" / "retry.yaml"
    action = yaml.safe_load(path.read_text())
    action["parameters"]["max_distance_seconds"]["default"] = MAX_DISTANCE_SECONDS
    path.write_text(yaml.safe_dump(action))
    return copy
