"""`redrive classify`: the verdict of a failure that is described, sent or known, and every rule that was asked."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from eventbus.wire import to_mapping
from orchestrator.cli import typer_app
from orchestrator.cli.exits import DONE, EXIT_CODES, SETTINGS_INVALID, UNREACHABLE, USAGE
from orchestrator.domain.errors import DependencyUnreachable, SettingsInvalid
from tests.recovery import failed_event
from tests.unit.orchestrator.cli.conftest import flat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

RULE = {"task": "shop.*", "status": 409, "kind": "rate_limited", "reason": "the bank is closed", "name": "bank"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no setting but the rules."""
    monkeypatch.delenv("REDRIVE_SETTINGS_FILE", raising=False)
    monkeypatch.setenv("REDRIVE_CLASSIFY", json.dumps([RULE]))


def run(*words: str, **options: Any) -> Result:
    """Run the command."""
    return CliRunner().invoke(typer_app, ["classify", *words], **options)


def answer(*words: str, **options: Any) -> dict[str, Any]:
    """Run the command, and read what it prints as data."""
    done = run(*words, "--json", **options)
    assert done.exit_code == DONE, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[str]:
    """Answer each path with its JSON, as the API does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers[self.path]).encode())

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_every_rule_is_told_in_order_until_one_knows() -> None:
    """Own rules stand before the built-in ones; the last that was asked matched, and tells kind and reason."""
    told = answer("--type", "shop.BankError", "--status", "409", "--task", "shop.pay", "--message", "closed 7")
    assert [(each["rule"], each["matched"]) for each in told["asked"]] == [
        ("declared-never", False),
        ("settings rule 1: bank", True),
    ]
    assert (told["kind"], told["why"], told["rule"]) == ("rate_limited", "the bank is closed", "settings rule 1: bank")
    assert told["signature"].startswith("shop.pay shop.BankError 409 closed <n> #")
    assert answer("--type", "shop.BankError", "--status", "409", "--task", "mint.pay")["rule"] == "http-status"


def test_what_is_described_is_asked_about() -> None:
    """Chain, code, wait, way and the declaration's exceptions each reach the rules."""
    base = ("--type", "a.B", "--task", "t")
    assert answer(*base, "--chain", "x.Y", "--chain", "httpx.ConnectError")["kind"] == "dependency_down"
    assert answer(*base, "--code", "40P01")["rule"] == "sqlstate"
    assert answer(*base, "--retry-after", "7")["rule"] == "retry-after"
    assert answer(*base, "--captured", "undecodable")["kind"] == "poison"
    assert answer(*base, "--never", "a.B")["rule"] == "declared-never"
    assert answer(*base, "--message", "deadlock detected")["rule"] == "message-words"


def test_people_read_a_list() -> None:
    """With --explain each rule is one line; without, the verdict alone."""
    words = ("--type", "builtins.ValueError", "--message", "no model 7")
    lines = run("--explain", *words).stdout.splitlines()
    assert lines[0].split()[:3] == ["1.", "declared-never", "no"]
    assert "settings rule 1: bank no" in flat(" ".join(lines))
    assert [line.split(maxsplit=1)[0] for line in lines[-4:]] == ["kind", "why", "rule", "signature"]
    assert run(*words).stdout.splitlines() == lines[-4:]


@pytest.mark.parametrize("bare", [False, True])
def test_an_event_is_read_from_a_file_or_stdin(tmp_path: Path, *, bare: bool) -> None:
    """An event as the bus carries it, or its data alone, is classified as intake does."""
    whole = to_mapping(failed_event(0))
    text = json.dumps(whole["data"] if bare else whole)
    path = tmp_path / "event.json"
    path.write_text(text)
    assert answer("--event", str(path)) == answer("--event", "-", input=text)
    assert answer("--event", str(path))["why"] == "the dependency answered 503"


def test_a_failure_is_asked_for() -> None:
    """What the API shows is classified by the rules given here, beside what was stored."""
    exception = {"type": "a.B", "message": "x", "traceback": "", "chain": [], "status": 409, "retry_after": None}
    shown = {"task": "shop.pay", "captured": "exception", "exception": exception, "kind": "unknown", "why": "so [none]"}
    with serving({"/api/v1/failures/f1": shown}) as url:
        told = answer("--failure", "f1", "--api", url)
    assert (told["kind"], told["stored"]) == ("rate_limited", {"kind": "unknown", "why": "so [none]"})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "expected one of --failure, --event and --type"),
        (("--type", "a.B", "--failure", "1"), "expected one of"),
        (("--type", "a.B", "--captured", "killed"), "child_killed"),
        (("--event", "/nowhere/event.json"), "--event: expected a file that can be read"),
        (("--event", "-"), "--event: expected a redrive.task.failed.v1 event as JSON"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_usage(words: tuple[str, ...], told: str) -> None:
    """The error says what was expected."""
    done = run(*words, input='{"failure_id": 7}')
    assert (done.exit_code, told in done.output) == (USAGE, True)


def test_wrong_rules_are_invalid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told by their place, as at the start of the service; nothing else of the settings is needed."""
    monkeypatch.setenv("REDRIVE_CLASSIFY", json.dumps([RULE | {"kind": "lasting"}]))
    done = run("--type", "a.B")
    assert isinstance(done.exception, SettingsInvalid)
    assert "REDRIVE_CLASSIFY[0].kind: " in str(done.exception)
    assert EXIT_CODES[SettingsInvalid] == SETTINGS_INVALID


def test_rules_of_the_file_count_where_the_environment_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The settings file needs hold nothing else that is right."""
    path = tmp_path / "redrive.toml"
    path.write_text('bus_url = 7\n[[classify]]\ntype = "a.B"\nkind = "poison"\nreason = "so"\n')
    monkeypatch.delenv("REDRIVE_CLASSIFY")
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(path))
    assert answer("--type", "a.B")["kind"] == "poison"


def test_an_orchestrator_that_is_away_is_told() -> None:
    """It ends as every command does that cannot reach the API."""
    done = run("--failure", "1", "--api", "http://127.0.0.1:9")
    assert isinstance(done.exception, DependencyUnreachable)
    assert EXIT_CODES[DependencyUnreachable] == UNREACHABLE
