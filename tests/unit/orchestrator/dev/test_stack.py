"""A development stack has its folder to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.dev.stack import FolderInUse, Stack

if TYPE_CHECKING:
    from pathlib import Path


class Quiet(Stack):
    """A stack that starts no process: what is looked at is whose folder it is."""

    def start_dataplane(self) -> None:
        """Start nothing."""

    start_stackstorm = start_orchestrator = start_dataplane


def test_a_second_stack_in_one_folder_is_refused_until_the_first_has_stopped(tmp_path: Path) -> None:
    """Two would share one state; the error names the folder, and after the end of the first the second starts."""
    first, second = Quiet(tmp_path), Quiet(tmp_path)
    first.start()
    with pytest.raises(FolderInUse, match=f"got {tmp_path}; stop that one"):
        second.start()
    first.stop()
    second.start()
    second.stop()
