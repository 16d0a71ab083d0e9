"""Reads one pack folder; goes on after an error, so that every file is looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from orchestrator.stackstorm.embedded.content import checks, shapes, source
from orchestrator.stackstorm.embedded.content.actions import read_action
from orchestrator.stackstorm.embedded.content.aliases import read_alias
from orchestrator.stackstorm.embedded.content.configs import Config, load_config
from orchestrator.stackstorm.embedded.content.policies import read_policy
from orchestrator.stackstorm.embedded.content.trigger_types import (
    left_out,
    read_sensor,
    read_trigger_type,
)
from orchestrator.stackstorm.embedded.content.values import (
    Alias,
    Content,
    Finding,
    Pack,
    Policy,
    Refusal,
    Rule,
    TriggerType,
)
from orchestrator.stackstorm.embedded.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.stackstorm.embedded.content.source import Source
    from orchestrator.stackstorm.embedded.content.values import Action

RESERVED: Final = ("_global",)
Read = TypeVar("Read")
Kind = TypeVar("Kind", Rule, Alias)


@dataclass(slots=True)
class PackRead:
    """One pack as it was read: what of it is there, and every error."""

    content: Content
    errors: list[ContentError] = field(default_factory=list)


def read_pack(path: Path, configs: Path | None, read_rule: Callable[[str, Source, str], Rule]) -> PackRead:
    """Read one pack folder; references to other packs are not checked yet.

    Where pack.yaml or the configuration is wrong, the other files are read all the same: for their errors.
    """
    errors: list[ContentError] = []
    data = _kept(errors, lambda: _metadata(path / "pack.yaml"), {"name": path.resolve().name})
    ref = str(data.get("ref") or data["name"])
    values = configs / f"{ref}.yaml" if configs else None
    config = _kept(errors, lambda: load_config(path, values), Config())
    read = _Reader(Pack(ref, path.resolve(), data, config, _files(path)), read_rule).read()
    return PackRead(read.content, [*errors, *read.errors])


def _kept(errors: list[ContentError], read: Callable[[], Read], otherwise: Read) -> Read:
    try:
        return read()
    except ContentError as error:
        errors += _all(error)
        return otherwise


class _Reader:
    def __init__(self, pack: Pack, read_rule: Callable[[str, Source, str], Rule]) -> None:
        self._pack = pack
        self._read_rule = read_rule
        self._errors: list[ContentError] = []
        self._refused: list[Refusal] = []
        self._findings: list[Finding] = []

    def read(self) -> PackRead:
        triggers = self._triggers()
        actions = self._actions()
        rules = self._named("rules", lambda pack, file: self._read_rule(pack.ref, file, _relative(pack, file)))
        aliases = self._named("aliases", read_alias)
        policies = self._policies()
        found = tuple(self._refused), tuple(self._findings)
        content = Content({self._pack.ref: self._pack}, actions, triggers, rules, aliases, *found, policies)
        return PackRead(content, self._errors)

    def _triggers(self) -> dict[str, TriggerType]:
        found: dict[str, TriggerType] = {}
        for document, kind in self._each("triggers", read_trigger_type):
            self._note_twin(document, kind.ref in found)
            self._findings += left_out(self._pack, document)
            found[kind.ref] = kind
        for document, (refusal, kinds) in self._each("sensors", read_sensor):
            self._refused.append(refusal)
            self._findings += left_out(self._pack, document)
            found |= {kind.ref: kind for kind in kinds}
        return found

    def _actions(self) -> dict[str, Action]:
        found = {}
        for document, action in self._each("actions", read_action):
            if isinstance(action, Refusal):
                self._refused.append(action)
            else:
                self._note_twin(document, action.ref in found)
                self._findings += action.broken
                found[action.ref] = action
        return found

    def _policies(self) -> dict[str, Policy]:
        found = {}
        for document, policy in self._each("policies", read_policy):
            if isinstance(policy, Refusal):
                self._refused.append(policy)
            else:
                self._note_twin(document, policy.ref in found)
                found[policy.ref] = policy
        return found

    def _named(self, folder: str, read: Callable[[Pack, Source], Kind]) -> dict[str, Kind]:
        found: dict[str, Kind] = {}
        for document, value in self._each(folder, read):
            self._note_twin(document, value.ref in found)
            found[value.ref] = value
        return found

    def _each(self, folder: str, read: Callable[[Pack, Source], Read]) -> Iterator[tuple[Source, Read]]:
        for file in files_of(self._pack.path / folder):
            try:
                document = source.read(file)
                value = read(self._pack, document)
            except ContentError as error:
                self._errors += _all(error)
            else:
                yield document, value

    def _note_twin(self, document: Source, twice: bool) -> None:  # noqa: FBT001 one caller's question, answered here
        if twice:
            reason = "expected a name of its own, got one that another file has; this file, the later one, counts"
            line = document.line(("name",))
            self._findings.append(Finding(self._pack.ref, str(document.path), "name", line, reason))


def files_of(folder: Path) -> list[Path]:
    """Give the metadata files of a folder, by name: .yaml and .yml, one level deep, as StackStorm looks for them."""
    found = [file for ending in ("yaml", "yml") for file in folder.glob(f"*.{ending}") if not file.name.startswith(".")]
    return sorted(file for file in found if not (folder.name == "actions" and file.stem == "config"))


def _all(error: ContentError) -> list[ContentError]:
    return [error, *error.others]


def _relative(pack: Pack, document: Source) -> str:
    return str(document.path.relative_to(pack.path))


def _metadata(file: Path) -> dict[str, Any]:
    document = source.read(file)
    if isinstance(document.data, dict) and isinstance(document.data.get("version"), (int, float)):
        document.data["version"] = str(document.data["version"])
    data = checks.expect(document, shapes.PACK)
    ref = str(data.get("ref") or data["name"])
    if not re.match(shapes.REF, ref):
        wanted = "lower-case letters, digits and underscores, or a ref of these"
        raise document.error(("name",), f"expected {wanted}, got {ref!r}")
    if ref in RESERVED:
        raise document.error(("ref" if "ref" in data else "name",), f"expected another name, {ref!r} is reserved")
    return data


def _files(path: Path) -> tuple[str, ...]:
    return tuple(sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file() and _shown(f, path)))


def _shown(file: Path, path: Path) -> bool:
    return not {"__pycache__", ".git"} & set(file.relative_to(path).parts)
