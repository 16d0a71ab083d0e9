"""`python -m eventbus lint` and `redrive lint`, as processes of their own, on apps as users write them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).parents[2]
COMMANDS = {
    "eventbus": (sys.executable, "-m", "eventbus", "lint"),
    "redrive": (sys.executable, "-m", "orchestrator", "lint"),
}
SECONDS = 60
Done = subprocess.CompletedProcess[str]
HEAD = """
from celery import Celery
from eventbus.celery_plugin import install
print("the app speaks")
app = Celery("shop", broker="redis://:hunter22@nowhere/0", backend="redis://:hunter22@nowhere/1")
app.conf.task_track_started = True
"""
CLEAN = (
    HEAD
    + """
install(app, declarations={"shop.*": {"idempotent": True}})
@app.task(time_limit=60)
def pay(): pass
"""
)
DEFAULTS = (
    HEAD
    + """
install(app)
@app.task
def pay(): pass
"""
)
TYPO = (
    HEAD
    + """
install(app, declarations={"shop.*": {"idempotnet": True}})
"""
)


@pytest.fixture
def lint(tmp_path: Path) -> Callable[..., Done]:
    """Run lint in a folder that holds the app `shop`."""

    def run(source: str, *arguments: str, app: str = "shop", ignore: str = "", command: str = "eventbus") -> Done:
        (tmp_path / "shop.py").write_text(source)
        environ = {"PYTHONPATH": str(CHECKOUT), "XDG_STATE_HOME": str(tmp_path), "REDRIVE_LINT_IGNORE": ignore}
        return subprocess.run(
            [*COMMANDS[command], *arguments, app],
            cwd=tmp_path, env={**os.environ, **environ}, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip

    return run


def test_nothing_found_is_exit_code_0(lint: Callable[..., Done]) -> None:
    """A clean app: nothing found, and what the app prints is not on stdout."""
    done = lint(CLEAN)
    assert done.stdout.rstrip().endswith("nothing found"), done
    assert (done.returncode, "the app speaks" in done.stdout, "the app speaks" in done.stderr) == (0, False, True)


@pytest.mark.parametrize("command", COMMANDS)
def test_findings_are_exit_code_1_and_a_document(lint: Callable[..., Done], command: str) -> None:
    """Findings come as a document, without a password of the app's; one that is ignored is not among them."""
    done = lint(DEFAULTS, "--json", "--ignore", "no-time-limit", command=command)
    document = json.loads(done.stdout)
    assert (done.returncode, [each["id"] for each in document["findings"]]) == (1, ["idempotent-undeclared"])
    assert document["tasks"]["waiting"] == ["shop.pay"]
    assert "hunter22" not in done.stdout + done.stderr


def test_the_environment_ignores_too(lint: Callable[..., Done]) -> None:
    """REDRIVE_LINT_IGNORE leaves findings out as the option does."""
    done = lint(DEFAULTS, ignore="no-time-limit, idempotent-*")
    assert (done.returncode, "nothing found" in done.stdout) == (0, True), done


@pytest.mark.parametrize(
    ("app", "arguments", "said"),
    [
        ("shpo", (), "expected an app as for `celery -A`.*got shpo: ModuleNotFoundError"),
        ("shop:application", (), "got shop:application: AttributeError.*has no attribute 'application'"),
        ("json:dumps", (), "got json:dumps: TypeError: that is a function, not a Celery app"),
        ("shop", ("--ignore", "no-time-limits"), r"got no-time-limits \(meant: no-time-limit\?\)"),
    ],
)
def test_usage_is_exit_code_2(lint: Callable[..., Done], app: str, arguments: tuple[str, ...], said: str) -> None:
    """What is no app or no id is refused on stderr, with what was expected and what came."""
    done = lint(CLEAN, *arguments, app=app)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(said, done.stderr), done.stderr


def test_redrive_hands_exit_codes_through(lint: Callable[..., Done]) -> None:
    """What is usage there is usage here."""
    done = lint(CLEAN, app="shpo", command="redrive")
    assert (done.returncode, "got shpo" in done.stderr) == (2, True), done


def test_a_declaration_that_install_refuses_is_a_finding(lint: Callable[..., Done]) -> None:
    """The app cannot be imported for its own typo: that is said as a finding, with what was meant."""
    done = lint(TYPO, "--json")
    (found,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, found["id"]) == (1, "declaration-wrong")
    assert "meant: idempotent?" in found["subjects"][0]


def test_an_interpreter_without_the_plugin_is_refused(tmp_path: Path) -> None:
    """`redrive lint --python` with something that is no such interpreter says so, with exit code 2."""
    command = [*COMMANDS["redrive"], "--python", str(tmp_path / "python"), "shop"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, "expected an interpreter with redrive installed" in done.stderr) == (2, True), done
