"""What packs hold, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.marks import stable_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec
    from orchestrator.stackstorm.embedded.rules.criteria import Criterion


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack folder. `config` holds the values that actions get, defaults filled in; `document` is its pack.yaml."""

    ref: str
    path: Path
    document: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The identifier that the API shows."""
        return stable_id(f"pack:{self.ref}")


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `entry_point` is absolute where the runner has one; `workflow` is there for the runner orquesta."""

    pack: str
    name: str
    runner_type: str
    document: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    enabled: bool = True
    entry_point: Path | None = None
    workflow: WorkflowSpec | None = None

    @property
    def ref(self) -> str:
        """The name other files call it by."""
        return f"{self.pack}.{self.name}"

    @property
    def uid(self) -> str:
        """StackStorm's unique name of it."""
        return f"action:{self.pack}:{self.name}"

    @property
    def id(self) -> str:
        """The identifier that the API shows."""
        return stable_id(self.uid)


@dataclass(frozen=True, slots=True)
class TriggerType:
    """What can be dispatched."""

    pack: str
    name: str
    document: Mapping[str, Any]

    @property
    def ref(self) -> str:
        """The name rules call it by."""
        return f"{self.pack}.{self.name}"

    @property
    def uid(self) -> str:
        """StackStorm's unique name of it."""
        return f"trigger_type:{self.pack}:{self.name}"

    @property
    def id(self) -> str:
        """The identifier that the API shows."""
        return stable_id(self.uid)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a trigger starts an action. `document` is the rule as the API shows it, without its id."""

    pack: str
    name: str
    trigger: str
    criteria: tuple[Criterion, ...]
    action: str
    parameters: Mapping[str, Any]
    enabled: bool
    document: Mapping[str, Any]

    @property
    def ref(self) -> str:
        """The name people call it by."""
        return f"{self.pack}.{self.name}"

    @property
    def uid(self) -> str:
        """StackStorm's unique name of it."""
        return f"rule:{self.pack}:{self.name}"

    @property
    def id(self) -> str:
        """The identifier that the API shows."""
        return stable_id(self.uid)


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that was loaded, by ref."""

    packs: Mapping[str, Pack] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    triggers: Mapping[str, TriggerType] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def only(self, packs: set[str]) -> Content:
        """Give what belongs to these packs."""
        return Content(
            {ref: pack for ref, pack in self.packs.items() if ref in packs},
            {ref: action for ref, action in self.actions.items() if action.pack in packs},
            {ref: trigger for ref, trigger in self.triggers.items() if trigger.pack in packs},
            {ref: rule for ref, rule in self.rules.items() if rule.pack in packs},
        )

    def with_all(self, other: Content) -> Content:
        """Give both; where both have something of the same ref, the other's."""
        return Content(
            {**self.packs, **other.packs},
            {**self.actions, **other.actions},
            {**self.triggers, **other.triggers},
            {**self.rules, **other.rules},
        )
