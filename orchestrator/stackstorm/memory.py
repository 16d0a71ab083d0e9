"""StackStorm in memory: rules match and executions end at once, nothing runs. For tests, and shipped with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.domain.errors import DependencyUnreachable, NotFound
from orchestrator.domain.rules import Rule
from orchestrator.domain.workflows import Execution, Firing
from orchestrator.stackstorm.matching import matching, would_match

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.domain.rules import Matching


@dataclass(frozen=True, slots=True)
class MemoryRule:
    """A rule: when its trigger is dispatched and the criteria hold, `action` ends with `status` and `output`."""

    ref: str
    trigger: str
    action: str = "core.noop"
    criteria: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    status: str = "succeeded"
    output: Mapping[str, Any] = field(default_factory=dict)


class MemoryWorkflows:
    """The port Workflows. `known` are its rules, `dispatched` lists (trigger, payload, trace tag); set `down` to make
    every call fail. `inquiries` maps the ids of inquiries to their responses, None for one that waits.
    """

    def __init__(self, rules: Iterable[MemoryRule] = ()) -> None:
        self.known = list(rules)
        self.dispatched: list[tuple[str, dict[str, Any], str]] = []
        self.down = False
        self.inquiries: dict[str, dict[str, Any] | None] = {}
        self._firings: dict[str, list[Firing]] = {}
        self._executions: dict[str, Execution] = {}

    def dispatch(self, trigger: str, payload: Mapping[str, Any], trace_tag: str) -> None:
        """Emit a trigger: the rules that match fire before this returns."""
        self._reach()
        self.dispatched.append((trigger, dict(payload), trace_tag))
        instance = f"instance-{len(self.dispatched)}"
        matched = [rule for rule in self._matching(trigger, payload) if rule.enabled]
        executions = tuple(self._execute(rule) for rule in matched)
        firing = Firing(instance, trigger, tuple(rule.ref for rule in matched), executions)
        self._firings.setdefault(trace_tag, []).append(firing)

    def firings(self, trace_tag: str) -> list[Firing]:
        """Tell what came of the triggers dispatched under a trace tag, oldest first."""
        self._reach()
        return list(self._firings.get(trace_tag, ()))

    def rules(self) -> list[Rule]:
        """List all rules, enabled and disabled."""
        self._reach()
        return [Rule(each.ref, each.trigger, each.action, each.enabled, each.criteria) for each in self.known]

    def matching(self, rules: Iterable[Rule], trigger: str, payload: Mapping[str, Any]) -> Matching:
        """Tell which of these rules match, enabled or not; nobody is asked."""
        return matching(rules, trigger, payload)

    def execution(self, execution_id: str) -> Execution:
        """Look one execution up; raises NotFound."""
        self._reach()
        if execution_id not in self._executions:
            raise NotFound("execution", execution_id)
        return self._executions[execution_id]

    def answer(self, inquiry_id: str, response: Mapping[str, Any]) -> bool:
        """Answer an inquiry, one of `inquiries`; False where it waits for no answer any more, or is not there."""
        self._reach()
        if self.inquiries.get(inquiry_id, {}) is not None:
            return False
        self.inquiries[inquiry_id] = dict(response)
        return True

    def _matching(self, trigger: str, payload: Mapping[str, Any]) -> list[MemoryRule]:
        return [rule for rule in self.known if rule.trigger == trigger and would_match(rule.criteria, payload)]

    def _execute(self, rule: MemoryRule) -> str:
        id_ = f"execution-{len(self._executions) + 1}"
        self._executions[id_] = Execution(id_, rule.action, rule.status, rule.ref, dict(rule.output))
        return id_

    def _reach(self) -> None:
        if self.down:
            raise DependencyUnreachable("StackStorm", "it was told to be down")
