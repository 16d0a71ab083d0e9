"""Traces as they grow: which trigger instance, rule or execution was caused by which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.marks import new_id, timestamp

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.values import Rule
    from orchestrator.stackstorm.embedded.store import Document, Store


class Traces:
    """Writes what belongs together."""

    def __init__(self, store: Store) -> None:
        self._rows = store.traces

    def instance(self, id_: str, trigger: str, trace_tag: str, caused_by: str | None = None) -> None:
        """Begin the trace of a trigger instance, or go on with that of the execution whose end caused it."""
        known = self._rows.of(caused_by) if caused_by else None
        trace = known[0] if known else new_id()
        if known is None:
            self._rows.begin(trace, trace_tag or f"trigger_instance-{id_}", timestamp())
        cause = {"type": "action_execution", "id": caused_by} if caused_by else {}
        self._add(trace, "trigger_instances", id_, trigger, cause)

    def rule(self, rule: Rule, instance: str) -> tuple[str | None, str | None]:
        """Add a rule to the trace of the instance that it was enforced for; answers the trace and its tag."""
        known = self._rows.of(instance)
        if known is None:
            return None, None
        self._add(known[0], "rules", rule.id, rule.ref, {"type": "trigger_instance", "id": instance})
        return known

    def execution(self, document: Document) -> None:
        """Add an execution to the trace of what caused it; one that nothing caused begins its own."""
        parent, rule = document.get("parent"), document.get("rule")
        origin = parent or (document["trigger_instance"]["id"] if rule else None)
        known = self._rows.of(origin) if origin else None
        asked = document["context"].get("trace_context") or {}
        trace = known[0] if known else asked.get("id_")
        if trace is None:
            trace = new_id()
            self._rows.begin(trace, asked.get("trace_tag") or f"execution-{document['liveaction_id']}", timestamp())
        caused_by: Document = {}
        if parent:
            caused_by = {"type": "action_execution", "id": parent}
        elif rule:
            caused_by = {"type": "rule", "id": f"{rule['id']}:{document['trigger_instance']['id']}"}
        self._add(trace, "action_executions", document["id"], document["action"]["ref"], caused_by)

    def _add(self, trace: str, kind: str, object_id: str, ref: str, caused_by: Document) -> None:
        part = {"object_id": object_id, "ref": ref, "updated_at": timestamp(), "caused_by": caused_by}
        self._rows.add(trace, kind, part)
