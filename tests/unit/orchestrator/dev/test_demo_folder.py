"""The demo's folder: it goes with a demo that is over, and stays with one that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.dev.demo import Demo, DemoInvalid, DemoStuck

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("ends_with", "stays"), [(DemoStuck("no more"), True), (DemoInvalid("no such file"), False)])
def test_the_folder_of_a_failed_demo_stays(
    ends_with: Exception, stays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an error names as its logs is there to be read; a demo that never began leaves nothing."""

    def end(*_: object) -> None:
        raise ends_with

    monkeypatch.setattr("orchestrator.dev.demo.survey", end)
    with pytest.raises(type(ends_with)):
        Demo(tmp_path / "demo", remove=True).run(0.0)
    assert (tmp_path / "demo").exists() is stays
