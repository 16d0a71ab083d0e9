"""Reads an action: its metadata, its entry point, and its workflow where the runner is orquesta."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content import checks, shapes, source
from orchestrator.stackstorm.embedded.content.values import Action, Finding, Refusal
from orchestrator.stackstorm.embedded.errors import ContentError
from orchestrator.stackstorm.embedded.orquesta.inspection import inspect
from orchestrator.stackstorm.embedded.orquesta.reading import workflow
from orchestrator.stackstorm.embedded.rules import templates
from orchestrator.stackstorm.embedded.runners.catalog import ALIASES, ORQUESTA, PYTHON, REFUSED, RUNNERS, WITH_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.stackstorm.embedded.content.checks import Problem
    from orchestrator.stackstorm.embedded.content.source import Source
    from orchestrator.stackstorm.embedded.content.values import Pack
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

# What an action may change of a parameter that its runner has.
_OVERRIDABLE = frozenset({"default", "description", "enum", "immutable", "required"})


def read_action(pack: Pack, document: Source) -> Action | Refusal:
    """Read one action; a Refusal where its runner is not supported; raises ContentError."""
    data = checks.expect(document, shapes.ACTION)
    own_pack(pack, document, data)
    runner = ALIASES.get(data["runner_type"], data["runner_type"])
    refused = runner in REFUSED
    if not refused and runner not in RUNNERS:
        raise document.error(("runner_type",), f"expected one of {', '.join(RUNNERS)}, got {runner!r}")
    given = data.get("parameters", {})
    checks.raise_all(document, _parameter_problems(given, RUNNERS.get(runner, {}).get("runner_parameters")))
    if refused:
        ref = f"{pack.ref}.{data['name']}"
        reason = f"the runner {runner} is not supported by the embedded StackStorm"
        line = document.line(("runner_type",))
        return Refusal(pack.ref, str(document.path), "runner_type", line, reason, ref)
    entry_point = _entry_point(pack, document, runner, data.get("entry_point", ""))
    spec, broken = _workflow(pack, entry_point) if runner == ORQUESTA and entry_point else (None, ())
    shown = {**data, "pack": pack.ref, "metadata_file": metadata_file(pack, document)}
    return Action(pack.ref, data["name"], runner, shown, given, data.get("enabled", True), entry_point, spec, broken)


def own_pack(pack: Pack, document: Source, data: Mapping[str, Any]) -> None:
    """Check that a file that names its pack names the one that it lies in; raises ContentError."""
    if (data.get("pack") or pack.ref) != pack.ref:
        raise document.error(("pack",), f"expected {pack.ref}, the pack this file is in, got {data['pack']!r}")


def metadata_file(pack: Pack, document: Source) -> str:
    """Give a file's path as the API shows it: relative to its pack."""
    return str(document.path.relative_to(pack.path))


def _parameter_problems(given: Mapping[str, Any], runner: Mapping[str, Any] | None) -> Iterator[Problem]:
    """Give what no schema tells: what the runner fixes (where it is known), positions, patterns, Jinja."""
    for name, schema in given.items():
        if runner is not None:
            yield from _override_problems(name, schema, runner.get(name))
        yield from ((("parameters", name, "default"), problem) for problem in templates.problems(schema.get("default")))
    yield from checks.pattern_problems(("parameters",), given)
    yield from _position_problems(given)


def _override_problems(name: str, schema: Mapping[str, Any], fixed: Mapping[str, Any] | None) -> Iterator[Problem]:
    if "immutable" in schema and "default" not in {**(fixed or {}), **schema}:
        yield ("parameters", name, "immutable"), "expected a default as well: nobody can give its value"
    for attribute, value in schema.items() if fixed is not None else ():
        if attribute not in _OVERRIDABLE and fixed is not None and value != fixed.get(attribute):
            wanted = fixed.get(attribute, "none")
            yield ("parameters", name, attribute), f"expected {wanted!r} as the runner has it, got {value!r}"


def _position_problems(given: Mapping[str, Any]) -> Iterator[Problem]:
    places: dict[Any, str] = {}
    for name, schema in given.items():
        position = schema.get("position")
        if position is not None and position in places:
            yield ("parameters", name, "position"), f"expected a position of its own, got that of {places[position]!r}"
        elif position is not None:
            places[position] = name
    taken = sorted(places)
    if taken and taken != list(range(int(taken[0]), int(taken[0]) + len(taken))):
        yield ("parameters", places[taken[-1]], "position"), f"expected positions without gaps, got {taken}"


def _entry_point(pack: Pack, document: Source, runner: str, name: str) -> Path | None:
    if runner not in WITH_FILE:
        return None
    if name and (os.path.normpath(name) != name or name.startswith("..") or not _inside(pack, name)):
        raise document.error(("entry_point",), f"expected a path in actions/ without . and .., got {name!r}")
    file = pack.path / "actions" / name
    if not name or not file.is_file():
        raise document.error(("entry_point",), f"expected a file in actions/, got {name!r}")
    if not file.resolve().is_relative_to(pack.path):
        raise document.error(("entry_point",), f"expected a file inside the pack, got {name!r}")
    if runner == PYTHON and file.suffix != ".py":
        raise document.error(("entry_point",), f"expected a .py file, got {name!r}")
    return file


def _inside(pack: Pack, name: str) -> bool:
    return not name.startswith("/") or name.startswith(f"{pack.path}/")


def _workflow(pack: Pack, file: Path) -> tuple[WorkflowSpec | None, tuple[Finding, ...]]:
    """Read a workflow. What its language refuses is found when it runs, as in StackStorm, and told of now."""
    document = source.read(file)
    spec: WorkflowSpec | None = None
    errors: list[ContentError] = []
    try:
        spec = workflow(document)
    except ContentError as error:
        errors = [error, *error.others]
    for found in inspect(document.data) if isinstance(document.data, dict) else ():
        known = {error.key for error in errors}
        errors += [one for one in (document.error(found.place.spec, found.message),) if one.key not in known]
    findings = tuple(Finding(pack.ref, one.path, one.key, one.line, one.expected) for one in errors)
    return (None if findings else spec), findings
