"""The tests that lie inside the packs pass with what StackStorm puts on the path of their actions."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.embedded.runners.warm_process import HERE
from orchestrator.stackstorm.packs import packs_dir
from tests.packs.plugin import pytest_in

if TYPE_CHECKING:
    from pathlib import Path

SHIM = HERE / "pythonpath"


@pytest.mark.parametrize("pack", sorted(folder.parent for folder in packs_dir().glob("*/tests")), ids=lambda p: p.name)
def test_the_packs_own_tests_pass(pack: Path) -> None:
    """The runner finds them and none fails."""
    path = os.pathsep.join([str(SHIM), str(pack / "actions" / "lib"), str(pack / "actions")])
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "discover", "-s", str(pack / "tests")],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 0 tests" not in done.stderr


@pytest.mark.parametrize(
    ("pack", "file"),
    [
        ("redrive", "workflows"),
        ("redrive", "approvals"),
        ("redrive", "chatting"),
        ("redrive", "reporting"),
        ("redrive_performance", "workflows"),
    ],
)
def test_the_pack_s_workflows_do_what_its_tests_say(tmp_path: Path, pack: str, file: str) -> None:
    """The tests that need a StackStorm pass with the plugin, as the pack's README has them run."""
    # One pack uses the other's actions.
    beside = ["--stackstorm-packs", ".."] if pack != "redrive" else []
    done = pytest_in(packs_dir() / pack, tmp_path / "site", *beside, f"tests/{file}.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


def test_actions_parse_on_the_oldest_python_that_stackstorm_runs() -> None:
    """StackStorm 3.8 runs the packs' actions on Python 3.8; annotations are never evaluated there."""
    for file in packs_dir().rglob("*.py"):
        tree = ast.parse(file.read_text(), feature_version=(3, 8))
        first = tree.body[1] if len(tree.body) > 1 else None
        assert isinstance(first, ast.ImportFrom), file
        assert first.module == "__future__", file
