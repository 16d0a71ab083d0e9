"""The README and the five-minute start, followed line by line; every test that the README names is there."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from typer.main import get_command

from loadtests.__main__ import main as loadtests
from orchestrator.cli import typer_app
from orchestrator.dev.stack import free_port

if TYPE_CHECKING:
    from click import Command

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
START = (ROOT / "docs/start.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
INSTALL = (
    "python3.11 -m venv .venv && .venv/bin/pip install -q --require-hashes --no-deps -r requirements.lock"
    " && .venv/bin/pip install -q --no-deps --no-build-isolation ."
)
SECONDS = 180


def blocks(text: str, language: str) -> list[str]:
    """List the code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def names_in(path: Path) -> set[str]:
    """Name the tests of a file, and its classes of them, without importing it."""
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", README))))
def test_a_test_that_is_named_is_there(named: str) -> None:
    """Each guarantee names tests that exist."""
    path, _, name = named.partition("::")
    assert name in names_in(ROOT / path)


def test_every_guarantee_names_a_test() -> None:
    """No row of the guarantees is without a test behind it."""
    section = README.partition("\n## Guarantees\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 5
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row)] == []


def verbs_of(command: Command, before: str = "") -> list[str]:
    """Name each verb of a command line; one of a group with the group's name before it."""
    return [
        name
        for word, below in getattr(command, "commands", {}).items()
        for name in verbs_of(below, f"{before}{word} ") or [f"{before}{word}"]
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_is_named_is_there(page: Path) -> None:
    """Each document of ours that a page names exists."""
    named = re.findall(
        r"`((?:docs|packs|deploy|loadtests|orchestrator|eventbus)/[\w./-]+\.\w+|[\w-]+\.(?:yml|lock))`",
        page.read_text(),
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_is_named() -> None:
    """The README names each page of the documentation."""
    assert [page.name for page in PAGES[1:] if f"`docs/{page.name}`" not in README] == []


def test_the_commands_of_the_readme_exist() -> None:
    """Each verb of the table answers to --help, and no verb is missing from it."""
    verbs = re.findall(r"^\| `redrive ([\w ]+)` \|", README, re.MULTILINE)
    command = get_command(typer_app)
    assert sorted(verbs) == sorted(verbs_of(command))
    for verb in verbs:
        assert CliRunner().invoke(command, [*verb.split(), "--help"]).exit_code == 0


@pytest.mark.parametrize("verb", re.findall(r"^\| `python -m loadtests (\w+)` \|", README, re.MULTILINE))
def test_the_load_test_s_commands_exist(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each verb of the load test answers to --help."""
    monkeypatch.setattr(sys, "argv", ["loadtests", verb, "--help"])
    with pytest.raises(SystemExit) as ended:
        loadtests()
    assert ended.value.code == 0


def test_the_two_lines_are_what_ci_runs() -> None:
    """The README's two commands install in the same way, then show the main job and pass the tests."""
    assert blocks(README, "bash") == [f"{INSTALL} && .venv/bin/redrive demo\n", f"{INSTALL} && .venv/bin/pytest\n"]
    assert blocks(START, "bash")[0].startswith(INSTALL + "\n")


def test_the_lines_for_a_celery_app_work(tmp_path: Path) -> None:
    """The README's Python lines, put one after another around an app, make a worker's module that can be imported."""
    lines = ["from celery import Celery", "app = Celery(broker='memory://')", *blocks(README, "python")]
    environ = os.environ | {"REDRIVE_SPOOL_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, env=environ, check=True, timeout=SECONDS)


@pytest.mark.timeout(300)
def test_the_five_minute_start_can_be_followed(tmp_path: Path) -> None:
    """The blocks of docs/start.md, pasted in their order, end with both tasks done, and leave no process behind."""
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    (app,) = blocks(START, "python")
    (folder / "app.py").write_text(app)
    status, said = follow(blocks(START, "bash")[1:], folder, free_port())
    assert status == 0, said
    assert "Oslo: sunny" in said
    assert "Rome: sunny" in said
    assert said.count('"adds_up":true') == 2, said
    assert "redrive.escalate" in said
    assert str(folder) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def follow(pasted: list[str], folder: Path, port: int) -> tuple[int, str]:
    """Paste blocks into one shell, with another port than the one they name; gives its status and what it said."""
    prelude = "set -eu\ntrap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT\n"
    environ = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "REDRIVE_API_URL": f"http://127.0.0.1:{port}",
        "REDRIVE_SPOOL_DIR": str(folder / "spool"),
    }
    script = prelude + "".join(pasted).replace("8400", str(port))
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as shell:
        try:
            said, _ = shell.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            shell.terminate()  # its trap stops what it has started
            said, _ = shell.communicate()
    return shell.returncode, said
