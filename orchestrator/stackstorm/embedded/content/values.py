"""What packs hold, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content.configs import Config
from orchestrator.stackstorm.embedded.errors import located
from orchestrator.stackstorm.embedded.marks import stable_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.stackstorm.embedded.content.triggers import Trigger
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec
    from orchestrator.stackstorm.embedded.rules.criteria import Criterion


@dataclass(frozen=True, slots=True)
class Finding:
    """Something of a loaded pack that cannot work as it stands; a StackStorm loads it all the same."""

    pack: str
    file: str
    key: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return located(self.file, self.key, self.line, self.reason)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something of a loaded pack that is not supported here. `action` is the ref of a refused action."""

    pack: str
    file: str
    key: str
    line: int | None
    reason: str
    action: str = ""

    def __str__(self) -> str:
        return located(self.file, self.key, self.line, self.reason)


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack folder. `document` is its pack.yaml."""

    ref: str
    path: Path
    document: Mapping[str, Any]
    configuration: Config = field(default_factory=Config)
    files: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The identifier that the API shows."""
        return stable_id(f"pack:{self.ref}")

    @property
    def config(self) -> Mapping[str, Any]:
        """The values of its configuration, defaults filled in; Jinja as it stands."""
        return self.configuration.values

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the configuration's secret values."""
        return self.configuration.secrets


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `entry_point` is absolute where the runner has one; `workflow` is there for the runner orquesta.

    A workflow that its language refuses is None, and `broken` says why: to run it fails with that, as anywhere.
    """

    pack: str
    name: str
    runner_type: str
    document: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    enabled: bool = True
    entry_point: Path | None = None
    workflow: WorkflowSpec | None = None
    broken: tuple[Finding, ...] = ()

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
    """When a trigger starts an action. `document` is the rule as the API shows it, without its id.

    A `backstop` rule applies only where no other rule matches.
    """

    pack: str
    name: str
    trigger: Trigger
    criteria: tuple[Criterion, ...]
    action: str
    parameters: Mapping[str, Any]
    enabled: bool
    document: Mapping[str, Any]
    backstop: bool = False

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
class Alias:
    """Words that people say for an action. `document` is the alias as the API shows it, without its id."""

    pack: str
    name: str
    action: str
    document: Mapping[str, Any]
    enabled: bool = True

    @property
    def ref(self) -> str:
        """The name people call it by."""
        return f"{self.pack}.{self.name}"

    @property
    def uid(self) -> str:
        """StackStorm's unique name of it."""
        return f"action_alias:{self.pack}:{self.name}"

    @property
    def id(self) -> str:
        """The identifier that the API shows."""
        return stable_id(self.uid)


@dataclass(frozen=True, slots=True)
class Policy:
    """How many executions of an action may run at once; one more waits, or is canceled.

    `resource` is the action's ref, `document` the policy as the API shows it, without its id.
    """

    pack: str
    name: str
    resource: str
    document: Mapping[str, Any]
    enabled: bool = True

    @property
    def ref(self) -> str:
        """The name people call it by."""
        return f"{self.pack}.{self.name}"

    @property
    def uid(self) -> str:
        """StackStorm's unique name of it."""
        return f"policy:{self.pack}:{self.name}"

    @property
    def id(self) -> str:
        """The identifier that the API shows."""
        return stable_id(self.uid)

    @property
    def threshold(self) -> int:
        """So many may run at once."""
        return int(self.document["parameters"]["threshold"])

    @property
    def cancels(self) -> bool:
        """Tell whether one more is canceled; otherwise it waits."""
        return bool(self.document["parameters"].get("action", "delay") == "cancel")


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that was loaded, by ref; what of it is refused here, and what cannot work as it stands."""

    packs: Mapping[str, Pack] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    triggers: Mapping[str, TriggerType] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()
    findings: tuple[Finding, ...] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict)

    def refusal(self, action: str) -> Refusal | None:
        """Tell why an action does not run here, or None for one that does or that nobody knows."""
        return next((refusal for refusal in self.refused if action and refusal.action == action), None)

    def absence(self, action: str) -> str:
        """Say why an action is not there: refused with file and key, or unknown."""
        refusal = self.refusal(action)
        return f'Action "{action}" cannot be run: {refusal}' if refusal else f'Action "{action}" cannot be found.'

    def policies_of(self, action: str) -> list[Policy]:
        """Give the policies that hold for an action."""
        return [policy for policy in self.policies.values() if policy.enabled and policy.resource == action]

    def only(self, packs: set[str]) -> Content:
        """Give what belongs to these packs."""
        return Content(
            {ref: pack for ref, pack in self.packs.items() if ref in packs},
            {ref: action for ref, action in self.actions.items() if action.pack in packs},
            {ref: trigger for ref, trigger in self.triggers.items() if trigger.pack in packs},
            {ref: rule for ref, rule in self.rules.items() if rule.pack in packs},
            {ref: alias for ref, alias in self.aliases.items() if alias.pack in packs},
            tuple(refusal for refusal in self.refused if refusal.pack in packs),
            tuple(finding for finding in self.findings if finding.pack in packs),
            {ref: policy for ref, policy in self.policies.items() if policy.pack in packs},
        )

    def with_all(self, other: Content) -> Content:
        """Give both; where both have something of the same ref, the other's."""
        return Content(
            {**self.packs, **other.packs},
            {**self.actions, **other.actions},
            {**self.triggers, **other.triggers},
            {**self.rules, **other.rules},
            {**self.aliases, **other.aliases},
            (*self.refused, *other.refused),
            (*self.findings, *other.findings),
            {**self.policies, **other.policies},
        )
