"""Runs pytest as a pack's author does: in a process of its own, with the plugin found by its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 300
METADATA = "Metadata-Version: 2.1\nName: redrive-plugin-under-test\nVersion: 0\n"


def installed(site: Path) -> dict[str, str]:
    """Give an environment in which the checkout's entry point is found, as an installation's would be."""
    folder = site / "redrive_plugin_under_test-0.dist-info"
    folder.mkdir(parents=True)
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    (folder / "METADATA").write_text(METADATA)
    lines = [f"{name} = {module}" for name, module in points.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    path = os.pathsep.join([str(site), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def pytest_in(folder: Path, site: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in a folder, which is not the checkout's."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        command, cwd=folder, env=installed(site), capture_output=True, text=True, timeout=SECONDS, check=False
    )
