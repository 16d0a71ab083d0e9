"""Reads rules, from a pack's file or from a request; raises ContentError naming file, key and line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.content import checks, shapes, source
from orchestrator.stackstorm.embedded.content.triggers import (
    CORE_TYPES,
    NEVER_FIRED,
    TIMERS,
    Trigger,
    parameters_problem,
)
from orchestrator.stackstorm.embedded.content.values import Rule
from orchestrator.stackstorm.embedded.errors import ContentError
from orchestrator.stackstorm.embedded.rules import criteria, templates, timers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.stackstorm.embedded.content.source import Key, Source
    from orchestrator.stackstorm.embedded.content.values import Content

STANDARD, BACKSTOP = shapes.RULE_TYPES
DEFAULT_PACK: Final = "default"


def rule_from(pack: str, document: Source, metadata_file: str = "") -> Rule:
    """Read one rule; raises ContentError, or CriterionError where its criteria are wrong."""
    data = checks.expect(document, shapes.RULE)
    listens, action = data["trigger"], data["action"]
    kind = str((data.get("type") or {}).get("ref", STANDARD))
    for name, value in (action.get("parameters") or {}).items():
        for problem in templates.problems(value):
            raise document.error(("action", "parameters", name), problem)
    trigger = Trigger(listens["type"], listens.get("parameters") or {})
    _check_core_trigger(document, trigger)
    return Rule(
        pack=data.get("pack", pack),
        name=data["name"],
        trigger=trigger,
        criteria=criteria.parse(data.get("criteria") or {}),
        action=action["ref"],
        parameters=action.get("parameters") or {},
        enabled=data.get("enabled", False),
        document=_shown(data, pack, metadata_file, trigger, kind),
        backstop=kind == BACKSTOP,
    )


def read_rule(pack: str, document: Source, metadata_file: str) -> Rule:
    """Read a rule of a pack's file; raises ContentError."""
    try:
        rule = rule_from(pack, document, metadata_file)
    except criteria.CriterionError as error:
        raise document.error(("criteria", error.key), str(error)) from None
    if rule.pack != pack:
        raise document.error(("pack",), f"expected {pack}, the pack this file is in, got {rule.pack!r}")
    return rule


def check_trigger(content: Content, rule: Rule) -> None:
    """Check that a rule of a request listens to what is there; raises ContentError."""
    if rule.trigger.type not in content.triggers:
        expected = f"expected a trigger type of a loaded pack, got {rule.trigger.type!r}"
        raise ContentError(rule.ref, "trigger.type", expected)
    for error in parameter_errors(content, [rule]):
        raise error


def parameter_errors(content: Content, rules: Iterable[Rule]) -> Iterator[ContentError]:
    """Give each rule whose trigger's parameters are not what the trigger's type asks for."""
    for rule in rules:
        kind = content.triggers.get(rule.trigger.type)
        problem = parameters_problem(kind, rule.trigger.parameters) if kind else None
        if problem is not None:
            yield _error(content, rule, ("trigger", "parameters", *problem[0]), problem[1])


def _error(content: Content, rule: Rule, key: Key, expected: str) -> ContentError:
    """Make the error that names a rule's file, key and line; the file is read again for its lines."""
    pack = content.packs.get(rule.pack)
    file = pack.path / rule.document["metadata_file"] if pack and rule.document["metadata_file"] else None
    if file is None or not file.is_file():
        return ContentError(rule.ref, source.dotted(key), expected)
    return source.read(file).error(key, expected)


def _check_core_trigger(document: Source, trigger: Trigger) -> None:
    """Check what is known without other packs: a core trigger's parameters, and whether it can fire at all."""
    if trigger.type in NEVER_FIRED:
        expected = f"expected a trigger that can fire, got {trigger.type!r}: {NEVER_FIRED[trigger.type]}"
        raise document.error(("trigger", "type"), expected)
    if trigger.type in CORE_TYPES:
        problem = parameters_problem(CORE_TYPES[trigger.type], trigger.parameters)
        if problem is not None:
            raise document.error(("trigger", "parameters", *problem[0]), problem[1])
    if trigger.type in TIMERS:
        try:
            timers.parse(trigger.type, trigger.parameters)
        except timers.TimerError as error:
            raise document.error(("trigger", "parameters", error.key), str(error)) from None


def _shown(data: dict[str, Any], pack: str, metadata_file: str, trigger: Trigger, kind: str) -> dict[str, Any]:
    ref = f"{data.get('pack', pack)}.{data['name']}"
    return {
        "tags": data.get("tags", []),
        "uid": f"rule:{ref.replace('.', ':', 1)}",
        "metadata_file": data.get("metadata_file", metadata_file),
        "name": data["name"],
        "ref": ref,
        **({"description": data["description"]} if data.get("description") else {}),
        "pack": data.get("pack", pack),
        "type": {"ref": kind, "parameters": (data.get("type") or {}).get("parameters") or {}},
        "trigger": {"type": trigger.type, "parameters": dict(trigger.parameters), "ref": trigger.ref},
        "criteria": data.get("criteria") or {},
        "action": {"ref": data["action"]["ref"], "parameters": data["action"].get("parameters") or {}},
        "context": data.get("context", {}),
        "enabled": data.get("enabled", False),
    }
