"""What a wrong word on the command line, or a wrong setting of it, ends with: docs say which exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from orchestrator.cli import typer_app
from orchestrator.cli.exits import EXIT_CODES, SETTINGS_INVALID, USAGE
from orchestrator.domain.errors import SettingsInvalid

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize("words", [["mode", "bogus"], ["dev", "--mode", "bogus"]])
def test_a_mode_that_does_not_exist_is_usage(words: list[str]) -> None:
    """It is refused before anything is asked or started, with the modes that exist."""
    done = CliRunner().invoke(typer_app, words)
    assert (done.exit_code, "observe" in done.output) == (USAGE, True)


def test_a_token_file_that_is_not_there_is_a_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable and the file are named; the exit code is that of invalid settings."""
    monkeypatch.delenv("REDRIVE_API_TOKEN", raising=False)
    monkeypatch.setenv("REDRIVE_API_TOKEN_FILE", str(tmp_path / "none"))
    done = CliRunner().invoke(typer_app, ["mode", "--api", NOBODY])
    assert isinstance(done.exception, SettingsInvalid)
    assert f"REDRIVE_API_TOKEN_FILE: expected a file that can be read, got {tmp_path}/none" in str(done.exception)
    assert EXIT_CODES[SettingsInvalid] == SETTINGS_INVALID
