"""What is told when it did not work: what was expected, what came, the next command, and the exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli import app
from orchestrator.cli.exits import FAILED, UNREACHABLE
from orchestrator.cli.lines import cells
from tests.unit.orchestrator.cli.conftest import flat

if TYPE_CHECKING:
    from tests.unit.orchestrator.cli.conftest import Answering

DETAIL = "expected the id of a known incident, got 'x'"
NEXT = "redrive incidents list"


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str) -> tuple[object, str]:
    """Run the whole command line; gives its exit code and what it said on stderr."""
    monkeypatch.setattr(sys, "argv", ["redrive", "mode", "--api", url])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        app()
    said = capsys.readouterr().err
    assert max(map(cells, said.splitlines())) <= 80
    assert "Traceback" not in said
    return ended.value.code, flat(said)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, FAILED, (DETAIL, f"redrive: next: {NEXT}")),
        (401, UNREACHABLE, ("does not let us in", DETAIL, "next: export REDRIVE_API_TOKEN=TOKEN")),
        (403, FAILED, (DETAIL, f"redrive: next: {NEXT}")),
        (404, FAILED, (DETAIL, f"redrive: next: {NEXT}")),
        (409, FAILED, (DETAIL, f"redrive: next: {NEXT}")),
        (422, FAILED, (DETAIL, f"redrive: next: {NEXT}")),
        (429, UNREACHABLE, ("cannot do this now", DETAIL, "it asks to wait 5 s", "next: type it again in a moment")),
        (500, FAILED, (DETAIL, f"redrive: next: {NEXT}")),
        (503, UNREACHABLE, ("cannot do this now", DETAIL, "it asks to wait 5 s", "next: type it again in a moment")),
    ],
)
def test_each_refusal_says_what_to_type(  # noqa: PLR0917 - fixtures, and what is tried
    fake: Answering,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    code: int,
    words: tuple[str, ...],
) -> None:
    """The problem's detail, and a command, in whole lines of 80 columns."""
    fake.headers["Retry-After"] = "5"
    fake.say("GET", "/api/v1/mode", {"detail": DETAIL, "what_next": NEXT}, status=status)
    ended, said = told(monkeypatch, capsys, fake.url)
    assert ended == code, said
    for each in words:
        assert each in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://", "nothing", "ftp://x", "http://[::1"])
def test_nobody_there_says_how_to_start_it_or_name_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    """Whatever is wrong with the address."""
    code, said = told(monkeypatch, capsys, url)
    assert code == UNREACHABLE, said
    assert "cannot be reached" in said
    assert "next: start it (redrive run, or redrive dev), or name another with --api URL or REDRIVE_API_URL" in said


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b"[1]"], ids=ascii)
@pytest.mark.parametrize("status", [200, 404, 502])
def test_what_is_no_orchestrator_is_no_traceback(
    fake: Answering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, body: bytes
) -> None:
    """A proxy's page, nothing, bytes: it is told as somebody else, or with what the status means."""
    fake.say("GET", "/api/v1/mode", body, status=status)
    code, said = told(monkeypatch, capsys, fake.url)
    assert code in {FAILED, UNREACHABLE}
    assert said.startswith("redrive: ")
