"""The page for nights says what is there: each command can be typed, each path asked for, each option given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from loadtests.__main__ import parser, spelt_out
from loadtests.serving.bodies import REPORTS
from loadtests.serving.run import State
from loadtests.serving.service import create_app

if TYPE_CHECKING:
    from loadtests.serving.desk import Desk

PAGE = (Path(__file__).parents[4] / "docs/nightly.md").read_text()
COMMANDS = re.findall(r"python -m loadtests ([^|>&`\n]+?)(?: >| \|\||`|\n|$)", PAGE)


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_each_command_can_be_typed(command: str) -> None:
    """The recipes of CI schedulers too."""
    reader = parser()
    words = shlex.split(command.replace("$HOME", "/home/ci"))
    assert reader.parse_args(spelt_out(reader, words)).run


def test_the_page_has_the_commands_of_all_its_recipes() -> None:
    """The service's, and one of each scheduler: the check above looks at something."""
    assert len([each for each in COMMANDS if each.startswith("nightly")]) >= 4
    assert any(each.startswith("serve --") for each in COMMANDS)


def test_each_path_of_the_service_has_its_row_and_each_row_its_path() -> None:
    """GET, POST and DELETE, as the application has them."""
    paths = create_app(cast("Desk", None), "", lambda *_: {}).openapi()["paths"]
    there = {
        (method.upper(), re.sub(r"\{run_id\}", "ID", path)) for path, methods in paths.items() for method in methods
    }
    rows = re.findall(r"^\| `(GET|POST|DELETE) ([^`?]+)", PAGE, flags=re.MULTILINE)
    assert {each for each in there if "{" not in each[1] and "log.txt" not in each[1]} <= set(rows)
    assert {(method, path) for method, path in rows if path != "/runs/ID/report.html"} <= there
    assert all(name in PAGE for name in [*REPORTS, *State])


def test_each_option_has_its_row() -> None:
    """Those of `serve`, no more and no fewer."""
    help_ = parser().parse_args(["serve"])
    rows = re.findall(r"`--([a-z-]+)", PAGE[: PAGE.index("| variable |")])
    assert {each.replace("-", "_") for each in rows} == set(vars(help_)) - {"run"}


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL))
def test_each_block_of_yaml_can_be_read(block: str) -> None:
    """And says something."""
    found: dict[str, Any] = yaml.safe_load(block)
    assert found
