"""The house style, as far as a machine can see it and ruff does not."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CODE = ("eventbus", "loadtests", "orchestrator", "packs", "tests")
LONGEST_FUNCTION = 40
NAMES_WITHOUT_AN_OWNER = {"utils", "common", "helpers", "models"}
CLOCKS = {"now", "today", "utcnow"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    """List the Python files below some folders of the checkout."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[Function]:
    """Give every function and method of a file."""
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function))


def lines_of(function: Function) -> int:
    """Count the lines of a function; its docstring is not counted."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if documented else 0)


def place(path: Path, node: ast.AST) -> str:
    """Name a place as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def excused(path: Path, function: Function) -> bool:
    """Tell whether a function gives the reason for its length on its first line."""
    return "# long: " in path.read_text().splitlines()[function.lineno - 1]


def test_no_function_is_long_without_its_reason() -> None:
    """A function has at most 40 lines, or its first line says `# long: reason`."""
    all_functions = [(path, each) for path in sources(*CODE) for each in functions(path)]
    long = [(path, each) for path, each in all_functions if lines_of(each) > LONGEST_FUNCTION]
    assert [f"{place(path, each)} {each.name}" for path, each in long if not excused(path, each)] == []


def test_every_test_says_what_must_hold() -> None:
    """Every test has a docstring."""
    tests = [(path, each) for path in sources("tests", "packs") for each in functions(path)]
    silent = [
        place(path, each) for path, each in tests if each.name.startswith("test_") and not ast.get_docstring(each)
    ]
    assert silent == []


def test_every_module_is_named_for_what_it_holds() -> None:
    """No module is called utils, common, helpers or models: nobody owns what lies there."""
    parts = {part for path in sources(*CODE) for part in path.relative_to(ROOT).with_suffix("").parts}
    assert parts & NAMES_WITHOUT_AN_OWNER == set()


@pytest.mark.parametrize("path", sources("orchestrator/domain", "orchestrator/flows"), ids=lambda path: path.stem)
def test_domain_and_flows_are_told_the_time(path: Path) -> None:
    """Neither domain nor flows reads a clock: `now` is an argument."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS]
    read = [node for node in named if ast.unparse(node.func.value).endswith(("datetime", "date"))]
    assert [place(path, node) for node in read] == []


def test_packs_speak_python_3_8() -> None:
    """StackStorm 3.8 runs the packs on Python 3.8: every file of theirs parses there."""
    for path in sources("packs"):
        ast.parse(path.read_text(), filename=str(path), feature_version=(3, 8))


def test_packs_speak_http() -> None:
    """Packs import neither the orchestrator nor the event bus (import rule 5); their tests, the embedded StackStorm."""
    imported = set()
    for path in sources("packs"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and not _tests_with_stackstorm(path, node):
                imported.add((node.module or "").partition(".")[0])
    assert imported & {"eventbus", "loadtests", "orchestrator"} == set()


def _tests_with_stackstorm(path: Path, node: ast.ImportFrom) -> bool:
    return path.parent.name == "tests" and node.module == "orchestrator.stackstorm.testing"
