"""Looks at packs as their author would before they are installed: every error, and what is not supported here.

Beyond what loading tells, it reads the Python files and names what a StackStorm stumbles over later.
"""

from __future__ import annotations

import ast
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.stackstorm.embedded.content import checks, loader, source
from orchestrator.stackstorm.embedded.content.schemas import standard
from orchestrator.stackstorm.embedded.content.values import Finding
from orchestrator.stackstorm.embedded.rules.templates import is_template
from orchestrator.stackstorm.embedded.runners.catalog import PYTHON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from orchestrator.stackstorm.embedded.content.values import Action, Content, Pack, Refusal

STACKSTORM: Final = (3, 9, 0)
"""The version whose packs the embedded StackStorm runs."""
OLDEST: Final = (3, 8, 0)
OLDEST_PYTHON: Final = (3, 8)
_RANGE: Final = re.compile(r"(>=|<=|>|<|=)\s*(\d+)\.(\d+)\.(\d+)")
_COMPARED: Final[dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of packs: `errors` as they come, by file, and what is refused here."""

    content: Content
    errors: tuple[Finding, ...]
    refused: tuple[Refusal, ...]


def validate(folders: Iterable[Path], configs: Path | None) -> Verdict:
    """Look at packs; raises ContentError for a folder without any."""
    places = list(loader.pack_folders(folders))
    read = loader.read_all(places, configs)
    wanted = [pack for pack in read.content.packs.values() if pack.path in {place.resolve() for place in places}]
    own = read.content.only({pack.ref for pack in wanted})
    errors = [Finding("", error.path, error.key, error.line, error.expected) for error in read.errors]
    for pack in wanted:
        errors += _of_pack(pack)
    for action in own.actions.values():
        errors += _of_action(own.packs[action.pack], action)
    found = dict.fromkeys((*errors, *own.findings))
    return Verdict(own, tuple(sorted(found, key=lambda one: (one.file, one.line or 0))), own.refused)


def _of_pack(pack: Pack) -> Iterator[Finding]:
    document = source.read(pack.path / "pack.yaml")
    if "email" not in document.data:
        yield _finding(
            pack, document, ("email",), "expected an address, got none: StackStorm registers no pack without"
        )
    wanted = str(document.data.get("stackstorm_version") or "")
    if not admits(wanted, STACKSTORM):
        version = ".".join(map(str, STACKSTORM))
        yield _finding(
            pack, document, ("stackstorm_version",), f"expected a range with {version} in it, got {wanted!r}"
        )
    if pack.document.get("python_versions") == ["2"]:
        yield _finding(pack, document, ("python_versions",), "expected '3' among them: StackStorm runs Python 3 alone")


def admits(wanted: str, version: tuple[int, int, int]) -> bool:
    """Tell whether a range such as ">=3.8.0, <4.0.0" holds a version; an empty range holds all."""
    parts = _RANGE.findall(wanted)
    return all(_COMPARED[sign](version, (int(a), int(b), int(c))) for sign, a, b, c in parts)


def _of_action(pack: Pack, action: Action) -> Iterator[Finding]:
    document = source.read(pack.path / str(action.document["metadata_file"]))
    for name, schema in action.parameters.items():
        default = schema.get("default")
        if default is None or is_template(default):
            continue
        for key, expected in checks.problems(default, standard(schema), show=not schema.get("secret")):
            yield _finding(pack, document, ("parameters", name, "default", *key), expected)
    if action.runner_type == PYTHON and action.entry_point is not None:
        yield from _of_python(pack, action.entry_point)


def _of_python(pack: Pack, file: Path) -> Iterator[Finding]:
    try:
        text = file.read_text()
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        yield Finding(pack.ref, str(file), "", line, f"expected Python, got: {getattr(error, 'msg', error)}")
        return
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.bases]
    if not classes:
        yield Finding(pack.ref, str(file), "", None, "expected a class derived from Action, got none")
    if admits(str(pack.document.get("stackstorm_version") or ""), OLDEST):
        yield from _of_old_python(pack, file, text)


def _of_old_python(pack: Pack, file: Path, text: str) -> Iterator[Finding]:
    try:
        ast.parse(text, feature_version=OLDEST_PYTHON)
    except SyntaxError as error:
        wanted = "expected Python 3.8, which StackStorm 3.8 runs actions with"
        yield Finding(pack.ref, str(file), "", error.lineno, f"{wanted}, got: {error.msg}")


def _finding(pack: Pack, document: source.Source, key: source.Key, reason: str) -> Finding:
    return Finding(pack.ref, str(document.path), source.dotted(key), document.line(key), reason)
