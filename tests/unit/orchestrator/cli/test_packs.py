"""`redrive packs validate`: every error of every file on stdout, what is not supported apart, and what it ends with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from orchestrator.cli import typer_app
from orchestrator.cli.exits import DONE, FAILED, PARTLY, USAGE
from orchestrator.stackstorm.embedded.content.validation import admits
from orchestrator.stackstorm.packs import packs_dir
from tests.unit.stackstorm.malformed import PACK, PY, write

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SOUND = {
    "pack.yaml": PACK + "email: a@example.com\n",
    "actions/py.py": "class Act(Action):\n    def run(self, x):\n        return x\n",
}


def validate(*words: str) -> Result:
    """Run the verb."""
    return CliRunner().invoke(typer_app, ["packs", "validate", *words])


def test_our_own_packs_are_clean() -> None:
    """They have no error and nothing that the embedded StackStorm lacks; their configuration fits too."""
    configs = packs_dir().parent / "deploy/stackstorm/configs"
    done = validate(str(packs_dir()), "--configs", str(configs))
    assert (done.exit_code, done.stdout) == (DONE, "")
    assert done.stderr.startswith("2 packs, ")
    assert "0 errors, 0 not supported" in done.stderr


def test_every_error_is_a_line_and_the_code_is_1(tmp_path: Path) -> None:
    """Errors of several files, and several of one; each with its file and key."""
    broken = {"actions/py.yaml": PY + "one: 1\ntwo: 2\n", "rules/r.yaml": "name: r\n", "pack.yaml": "name: demo\n"}
    done = validate(str(write(tmp_path, SOUND | broken)))
    assert done.exit_code == FAILED
    wanted = [("py.yaml:7", "one"), ("py.yaml:8", "two"), ("r.yaml:1", "'trigger'"), ("pack.yaml:1", "'version'")]
    lines = done.stdout.splitlines()
    assert [each for each in wanted if not any(each[0] in line and each[1] in line for line in lines)] == []


def test_what_is_not_supported_alone_ends_with_5(tmp_path: Path) -> None:
    """It is no error of the pack: the code says that a part of it does not run here."""
    done = validate(str(write(tmp_path, SOUND | {"actions/py.yaml": PY.replace("python-script", "winrm-cmd")})))
    assert done.exit_code == PARTLY
    assert "runner_type: the runner winrm-cmd is not supported" in done.stdout


def test_a_folder_without_a_pack_is_usage(tmp_path: Path) -> None:
    """Nothing was looked at, so nothing is clean."""
    done = validate(str(tmp_path))
    assert (done.exit_code, "expected pack.yaml" in done.stderr) == (USAGE, True)


def test_a_document_holds_the_same(tmp_path: Path) -> None:
    """--json gives packs, counts, errors and refusals with their files, keys and lines."""
    refused = {"sensors/s.yaml": "class_name: S\nentry_point: s.py\n", "rules/r.yaml": "name: r\n"}
    document = json.loads(validate(str(write(tmp_path, SOUND | refused)), "--json").stdout)
    assert document["counts"]["actions"] == 2
    assert {error["key"] for error in document["errors"]} == {""}
    assert [(one["key"], one["line"]) for one in document["refused"]] == [("class_name", 1)]


@pytest.mark.parametrize(
    ("changes", "key", "expected"),
    [
        ({"pack.yaml": PACK}, "email", "StackStorm registers no pack without"),
        (
            {"pack.yaml": SOUND["pack.yaml"] + "stackstorm_version: '>=4.0.0'\n"},
            "stackstorm_version",
            "a range with 3.9.0 in it",
        ),
        ({"pack.yaml": SOUND["pack.yaml"] + "python_versions: ['2']\n"}, "python_versions", "expected '3'"),
        ({"actions/py.yaml": PY + "    default: 5\n"}, "parameters.x.default", "expected text, got 5"),
        ({"actions/py.py": "print 'hello'\n"}, "file", "expected Python, got"),
        ({"actions/py.py": "x = 1\n"}, "file", "expected a class derived from Action"),
        (
            {
                "pack.yaml": SOUND["pack.yaml"] + "stackstorm_version: '>=3.8.0'\n",
                "actions/py.py": SOUND["actions/py.py"] + "match 1:\n    case _:\n        pass\n",
            },
            "file",
            "expected Python 3.8",
        ),
    ],
)
def test_what_a_stackstorm_stumbles_over_later_is_named_now(
    tmp_path: Path, changes: dict[str, str | bytes], key: str, expected: str
) -> None:
    """Beyond what loading tells: metadata, defaults and Python files that fail at the first run."""
    done = validate(str(write(tmp_path, {**SOUND, **changes})))
    assert done.exit_code == FAILED
    assert any(f": {key}: " in line and expected in line for line in done.stdout.splitlines()), done.stdout


def test_a_configuration_is_checked_without_its_values_in_the_words(tmp_path: Path) -> None:
    """What may be a secret is not shown."""
    (tmp_path / "demo.yaml").write_text("key: 123456\n")
    done = validate(str(write(tmp_path, dict(SOUND))), "--configs", str(tmp_path))
    assert "demo.yaml:1: key: expected text or nothing, got a whole number" in done.stdout
    assert "123456" not in done.output


@pytest.mark.parametrize(
    ("wanted", "held"),
    [("", True), (">=3.8.0", True), (">=3.8.0, <3.9.0", False), ("=3.9.0", True), (">3.9.0", False), ("<=3.9.0", True)],
)
def test_a_range_holds_a_version_or_not(wanted: str, held: bool) -> None:
    """All parts of it must."""
    assert admits(wanted, (3, 9, 0)) is held
