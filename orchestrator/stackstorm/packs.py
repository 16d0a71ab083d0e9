"""Where the packs lie: inside an installed wheel, or in the checkout."""

from __future__ import annotations

from pathlib import Path

import orchestrator

PACKAGE = Path(orchestrator.__file__).parent


def packs_dir(package: Path = PACKAGE) -> Path:
    """Give the folder that holds one folder for each pack, named as its ref.

    Raises FileNotFoundError where neither a wheel's nor a checkout's packs are there.
    """
    for folder in (package / "_packs", package.parent / "packs"):
        if any(folder.glob("*/pack.yaml")):
            return folder
    raise FileNotFoundError(f"expected packs in {package}/_packs or beside it, got none; install redrive again")
