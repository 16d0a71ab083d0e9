"""Looks up what rules, aliases and workflows name in other files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from orchestrator.stackstorm.embedded.content import source
from orchestrator.stackstorm.embedded.content.signatures import signatures
from orchestrator.stackstorm.embedded.content.values import Content, Finding, Refusal
from orchestrator.stackstorm.embedded.errors import ContentError
from orchestrator.stackstorm.embedded.orquesta.inspection import inspect_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.stackstorm.embedded.content.source import Key
    from orchestrator.stackstorm.embedded.content.values import Action, Alias, Policy, Rule

TRIGGER: Final = "a trigger type"
ACTION: Final = "an action"


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in a file; `fatal` where nothing can be done with the file when the name means nothing."""

    pack: str
    file: Path
    key: Key
    what: str
    name: str
    fatal: bool = False


def checked(content: Content) -> tuple[Content, list[ContentError]]:
    """Give the content with the names that mean nothing noted, and the errors.

    What a loaded pack should have and has not is an error of a rule, and a finding of an alias or a workflow, which
    StackStorm loads; what a pack may have that is not loaded is a refusal.
    """
    known = {
        TRIGGER: set(content.triggers),
        ACTION: {*content.actions, *(refusal.action for refusal in content.refused if refusal.action)},
    }
    errors: list[ContentError] = []
    for reference in _references(content):
        if reference.name not in known[reference.what]:
            content = _noted(content, reference, errors)
    return replace(content, findings=(*content.findings, *_inputs(content))), errors


def _inputs(content: Content) -> Iterator[Finding]:
    """Tell of workflows that give an action what it does not take, or not what it needs: they fail when they run."""
    known = signatures(content)
    for action in content.actions.values():
        if action.workflow is not None and action.entry_point is not None:
            for found in inspect_inputs(action.workflow, known):
                where = _at(action.entry_point, found.place.spec, found.message)
                yield Finding(action.pack, where.path, where.key, where.line, where.expected)


def _noted(content: Content, reference: Reference, errors: list[ContentError]) -> Content:
    pack = reference.name.split(".", 1)[0]
    expected = f"expected {reference.what} of a loaded pack, got {reference.name!r}"
    where = _where(reference, expected)
    place = (reference.pack, where.path, where.key, where.line)
    if pack not in content.packs:
        reason = f"{reference.name!r} is not here: the pack {pack} is not loaded"
        return replace(content, refused=(*content.refused, Refusal(*place, reason)))
    if reference.fatal:
        errors.append(where)
        return content
    return replace(content, findings=(*content.findings, Finding(*place, expected)))


def _where(reference: Reference, expected: str) -> ContentError:
    return _at(reference.file, reference.key, expected)


def _at(file: Path, key: Key, expected: str) -> ContentError:
    try:
        return source.read(file).error(key, expected)
    except ContentError:  # a rule of a request has no file, and a file may be gone by now
        return ContentError(file, source.dotted(key), expected)


def _references(content: Content) -> Iterator[Reference]:
    for rule in content.rules.values():
        yield from _of_rule(content, rule)
    for alias in content.aliases.values():
        yield Reference(alias.pack, _file(content, alias), ("action_ref",), ACTION, alias.action)
    for policy in content.policies.values():
        yield Reference(policy.pack, _file(content, policy), ("resource_ref",), ACTION, policy.resource)
    for action in content.actions.values():
        yield from _of_workflow(action)


def _of_rule(content: Content, rule: Rule) -> Iterator[Reference]:
    file = _file(content, rule)
    yield Reference(rule.pack, file, ("trigger", "type"), TRIGGER, rule.trigger.type, fatal=True)
    yield Reference(rule.pack, file, ("action", "ref"), ACTION, rule.action, fatal=True)


def _of_workflow(action: Action) -> Iterator[Reference]:
    if action.workflow is None or action.entry_point is None:
        return
    for task in action.workflow.tasks.values():
        if task.action and "<%" not in task.action and "{{" not in task.action:
            yield Reference(action.pack, action.entry_point, ("tasks", task.name, "action"), ACTION, task.action)


def _file(content: Content, value: Rule | Alias | Policy) -> Path:
    return content.packs[value.pack].path / str(value.document.get("metadata_file", ""))
