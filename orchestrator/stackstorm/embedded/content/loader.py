"""Loads pack folders as they are. What a StackStorm would refuse, or this one does not support, is a ContentError."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content import checks, source
from orchestrator.stackstorm.embedded.content.configs import load_config
from orchestrator.stackstorm.embedded.content.values import Action, Content, Pack, Rule, TriggerType
from orchestrator.stackstorm.embedded.errors import ContentError
from orchestrator.stackstorm.embedded.orquesta.reading import workflow
from orchestrator.stackstorm.embedded.rules import criteria, templates
from orchestrator.stackstorm.embedded.runners.catalog import NOOP, ORQUESTA, PYTHON, REFUSED, RUNNERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from orchestrator.stackstorm.embedded.content.source import Source
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

_REF = re.compile(r"^[a-z0-9_]+$")
_VERSION = re.compile(r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9a-z.-]+)?(\+[0-9a-z.-]+)?$")
_ST2_VERSION = re.compile(r"^((>?>|>=|=|<=|<?<)\s*[0-9]+\.[0-9]+\.[0-9]+(\s*,)?\s*)+$")
_NOT_SUPPORTED = ("sensors", "policies", "aliases")


def load(folders: Iterable[Path], configs: Path) -> Content:
    """Load every pack of the given folders (a pack itself, or a folder of packs); raises ContentError."""
    content = Content()
    for path in pack_folders(folders):
        content = content.with_all(load_pack(path, configs))
    check_references(content)
    return content


def pack_folders(folders: Iterable[Path]) -> Iterator[Path]:
    """Give the folder of each pack; raises ContentError where there is none."""
    for folder in folders:
        found = [folder] if (folder / "pack.yaml").is_file() else sorted(p.parent for p in folder.glob("*/pack.yaml"))
        if not found:
            raise ContentError(folder, "", "expected pack.yaml in this folder or in the ones below it, got none")
        yield from found


def load_pack(path: Path, configs: Path) -> Content:
    """Load one pack folder; references to other packs are not checked yet."""
    pack = _pack(path, configs)
    for name in _NOT_SUPPORTED:
        for file in sorted((path / name).glob("*.yaml")):
            raise ContentError(file, "", f"{name} are not supported by the embedded StackStorm")
    actions = [_action(pack, source.read(file)) for file in sorted((path / "actions").glob("*.yaml"))]
    triggers = [_trigger(pack, source.read(file)) for file in sorted((path / "triggers").glob("*.yaml"))]
    rules = [
        rule_from(pack.ref, source.read(file), _relative(pack, file))
        for file in sorted((path / "rules").glob("*.yaml"))
    ]
    return Content(
        {pack.ref: pack},
        {action.ref: action for action in actions},
        {trigger.ref: trigger for trigger in triggers},
        {rule.ref: rule for rule in rules},
    )


def check_references(content: Content) -> None:
    """Check that rules and workflows name triggers and actions that are there; raises ContentError."""
    for rule in content.rules.values():
        file = content.packs[rule.pack].path / rule.document["metadata_file"]
        if rule.trigger not in content.triggers:
            raise ContentError(file, "trigger.type", f"expected a trigger type of a loaded pack, got {rule.trigger!r}")
        if rule.action not in content.actions:
            raise ContentError(file, "action.ref", f"expected an action of a loaded pack, got {rule.action!r}")
    for action in content.actions.values():
        for task in action.workflow.tasks.values() if action.workflow else ():
            if (
                task.action
                and "<%" not in task.action
                and "{{" not in task.action
                and task.action not in content.actions
            ):
                expected = f"expected an action of a loaded pack, got {task.action!r}"
                raise ContentError(action.entry_point or action.ref, f"tasks.{task.name}.action", expected)


def rule_from(pack: str, document: Source, metadata_file: str = "") -> Rule:
    """Read one rule; raises ContentError."""
    data = checks.shape(document, (), document.data, checks.RULE, ("name", "trigger", "action"))
    trigger = checks.shape(document, ("trigger",), data["trigger"], checks.RULE_TRIGGER, ("type",))
    action = checks.shape(document, ("action",), data["action"], checks.RULE_ACTION, ("ref",))
    if trigger.get("parameters"):
        raise document.error(
            ("trigger", "parameters"), "triggers with parameters are not supported by the embedded StackStorm"
        )
    if (data.get("type") or {}).get("ref", "standard") != "standard":
        raise document.error(
            ("type", "ref"), f"expected standard; {data['type']['ref']!r} is not supported by the embedded StackStorm"
        )
    for name, value in (action.get("parameters") or {}).items():
        for problem in templates.problems(value):
            raise document.error(("action", "parameters", name), problem)
    try:
        parsed = criteria.parse(data.get("criteria") or {})
    except criteria.CriterionError as error:
        raise document.error(("criteria", error.key), str(error)) from None
    return Rule(
        pack=data.get("pack", pack),
        name=data["name"],
        trigger=trigger["type"],
        criteria=parsed,
        action=action["ref"],
        parameters=action.get("parameters") or {},
        enabled=data.get("enabled", False),
        document=_rule_document(data, pack, metadata_file),
    )


def _rule_document(data: dict[str, Any], pack: str, metadata_file: str) -> dict[str, Any]:
    ref = f"{data.get('pack', pack)}.{data['name']}"
    return {
        "tags": data.get("tags", []),
        "uid": f"rule:{ref.replace('.', ':', 1)}",
        "metadata_file": data.get("metadata_file", metadata_file),
        "name": data["name"],
        "ref": ref,
        **({"description": data["description"]} if data.get("description") else {}),
        "pack": data.get("pack", pack),
        "type": {"ref": "standard", "parameters": {}},
        "trigger": {"type": data["trigger"]["type"], "parameters": {}, "ref": data["trigger"]["type"]},
        "criteria": data.get("criteria") or {},
        "action": {"ref": data["action"]["ref"], "parameters": data["action"].get("parameters") or {}},
        "context": data.get("context", {}),
        "enabled": data.get("enabled", False),
    }


def _pack(path: Path, configs: Path) -> Pack:
    document = source.read(path / "pack.yaml")
    if not isinstance(document.data, dict):
        raise document.error((), f"expected a mapping, got {type(document.data).__name__}")
    checks.types(document, (), document.data, checks.PACK, ("name", "description", "version", "author"))
    ref = str(document.data.get("ref", document.data["name"]))
    for key, value, pattern, wanted in (
        (
            "ref" if "ref" in document.data else "name",
            ref,
            _REF,
            "lower-case letters, digits and underscores, or a ref of these",
        ),
        ("version", document.data["version"], _VERSION, "a semantic version such as 0.1.0"),
        ("stackstorm_version", document.data.get("stackstorm_version"), _ST2_VERSION, "a range such as >=3.8.0"),
    ):
        if value is not None and not (isinstance(value, str) and pattern.match(value)):
            raise document.error((key,), f"expected {wanted}, got {value!r}")
    config, secrets = load_config(path, configs / f"{ref}.yaml")
    files = tuple(
        sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    )
    return Pack(ref, path.resolve(), document.data, config, secrets, files)


def _relative(pack: Pack, file: Path) -> str:
    return str(file.resolve().relative_to(pack.path))


def _action(pack: Pack, document: Source) -> Action:
    data = checks.shape(document, (), document.data, checks.ACTION, ("name", "runner_type"))
    _own_pack(pack, document, data)
    runner = data["runner_type"]
    if runner in REFUSED:
        raise document.error(("runner_type",), f"the runner {runner} is not supported by the embedded StackStorm")
    if runner not in RUNNERS:
        raise document.error(("runner_type",), f"expected one of {', '.join(RUNNERS)}, got {runner!r}")
    checks.parameters(document, ("parameters",), data.get("parameters", {}))
    for name, schema in data.get("parameters", {}).items():
        for problem in templates.problems(schema.get("default")):
            raise document.error(("parameters", name, "default"), problem)
    entry_point, spec = _entry_point(pack, document, runner, data.get("entry_point", ""))
    shown = {**data, "pack": pack.ref, "metadata_file": _relative(pack, document.path)}
    return Action(
        pack.ref, data["name"], runner, shown, data.get("parameters", {}), data.get("enabled", True), entry_point, spec
    )


def _entry_point(pack: Pack, document: Source, runner: str, name: str) -> tuple[Path | None, WorkflowSpec | None]:
    if runner == NOOP:
        return None, None
    file = pack.path / "actions" / name
    if not name or not file.is_file():
        raise document.error(("entry_point",), f"expected a file in actions/, got {name!r}")
    if not file.resolve().is_relative_to(pack.path):
        raise document.error(("entry_point",), f"expected a file inside the pack, got {name!r}")
    if runner == PYTHON and file.suffix != ".py":
        raise document.error(("entry_point",), f"expected a .py file, got {name!r}")
    return file, workflow(source.read(file)) if runner == ORQUESTA else None


def _trigger(pack: Pack, document: Source) -> TriggerType:
    data = checks.shape(document, (), document.data, checks.TRIGGER, ("name",))
    _own_pack(pack, document, data)
    properties = data.get("payload_schema", {}).get("properties", {})
    checks.parameters(document, ("payload_schema", "properties"), properties)
    shown = {**data, "pack": pack.ref, "metadata_file": _relative(pack, document.path)}
    return TriggerType(pack.ref, data["name"], shown)


def _own_pack(pack: Pack, document: Source, data: dict[str, Any]) -> None:
    if data.get("pack", pack.ref) != pack.ref:
        raise document.error(("pack",), f"expected {pack.ref}, the pack this file is in, got {data['pack']!r}")
