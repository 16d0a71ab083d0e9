"""The help of each verb: there, within 80 columns, and saying what the verb does."""

from __future__ import annotations

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from orchestrator.cli import typer_app
from orchestrator.cli.exits import DONE
from orchestrator.cli.lines import cells
from tests.acceptance.test_readme import verbs_of


@pytest.mark.parametrize("verb", ["", *verbs_of(get_command(typer_app))])
def test_the_help_of_a_verb_fits(verb: str) -> None:
    """No line is wider than 80 cells, and nothing but its name is wanted to see it."""
    done = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(typer_app, [*verb.split(), "--help"])
    assert done.exit_code == DONE, done.output
    assert max(map(cells, done.stdout.splitlines())) <= 80
    assert "Usage: " in done.stdout


def test_a_shell_can_complete_the_verbs() -> None:
    """As typer does it: the option that installs it is there."""
    assert "--install-completion" in CliRunner().invoke(typer_app, ["--help"]).stdout
