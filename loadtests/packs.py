"""The packs as a benchmark runs them: ours, with values of their YAML changed as an operator would change them."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


def shipped() -> Path:
    """Find the folder of the shipped packs, in a wheel or in a checkout; raises FileNotFoundError."""
    found = find_spec("orchestrator")
    package = Path(found.origin).parent if found and found.origin else Path()
    for folder in (package / "_packs", package.parent / "packs"):
        if any(folder.glob("*/pack.yaml")):
            return folder
    raise FileNotFoundError(f"expected packs in {package}/_packs or beside it, got none; install redrive again")


def changed(folder: Path, defaults: Mapping[str, Mapping[str, Any]]) -> Path:
    """Copy the packs into a folder, with other defaults of some inputs of the actions named; gives the copy."""
    copy = folder / "packs"
    shutil.copytree(shipped(), copy, dirs_exist_ok=True)
    for action, inputs in defaults.items():
        path = copy / "redrive" / "actions" / f"{action}.yaml"
        content = yaml.safe_load(path.read_text())
        for name, value in inputs.items():
            content["parameters"][name]["default"] = value
        path.write_text(yaml.safe_dump(content))
    return copy
