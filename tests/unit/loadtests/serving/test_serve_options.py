"""What `serve` is given, and refuses before it serves."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from loadtests.history import verbs
from loadtests.serving import options
from loadtests.serving.command import serve

if TYPE_CHECKING:
    from pathlib import Path


def parsed(*words: str) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser()
    options.describe(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--port", "99999"], "expected a port of 0 to 65535, got '99999'"),
        (["--port", "-1"], "expected"),
        (["--public-url", "load.example"], "expected a URL such as https://load.example, got 'load.example'"),
    ],
)
def test_what_cannot_be_meant_is_usage(capsys: pytest.CaptureFixture[str], words: list[str], expected: str) -> None:
    """2, and what was expected."""
    with pytest.raises(SystemExit) as ended:
        parsed(*words)
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err


def test_a_public_url_ends_with_one_slash() -> None:
    """What follows is a path."""
    assert parsed("--public-url", "https://load.example").public_url == "https://load.example/"
    assert parsed("--port", "0").port == 0


def test_a_token_file_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 and the file, before anything listens."""
    monkeypatch.setenv("REDRIVE_API_TOKEN_FILE", str(tmp_path / "none"))
    assert serve(parsed("--out", str(tmp_path), "--port", "0")) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_no_run_cannot_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`trend --last 0` says what it expects."""
    parser = argparse.ArgumentParser()
    verbs.describe(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["trend", "--last", "0"])
    assert "expected a whole number above 0, got '0'" in capsys.readouterr().err
