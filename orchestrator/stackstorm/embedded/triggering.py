"""Triggers match rules, and rules request executions. Matching happens on the control thread."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.content.triggers import ACTION, INQUIRY, KEY, NOTIFY, Trigger, payload_check
from orchestrator.stackstorm.embedded.errors import Fault, ParameterError
from orchestrator.stackstorm.embedded.executions import USER, Document, Origin
from orchestrator.stackstorm.embedded.marks import new_id, timestamp
from orchestrator.stackstorm.embedded.masking import masked
from orchestrator.stackstorm.embedded.notices import asked_of, notices
from orchestrator.stackstorm.embedded.rules import criteria, templates
from orchestrator.stackstorm.embedded.rules.listening import Listening, listening
from orchestrator.stackstorm.embedded.timing import Timing, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Content, Rule, TriggerType
    from orchestrator.stackstorm.embedded.control import Control
    from orchestrator.stackstorm.embedded.executing import Executing
    from orchestrator.stackstorm.embedded.store import Store
    from orchestrator.stackstorm.embedded.traces import Traces

PENDING: Final = "pending"
PROCESSED: Final = "processed"
FAILED: Final = "processing_failed"
_TOLD_PAYLOAD: Final = 1000
_ENDED: Final = Trigger(ACTION)
log = logging.getLogger(__name__)


class Triggering:
    """From a trigger to the executions that rules ask for. `emit` may be called from any thread."""

    def __init__(self, library: Library, store: Store, traces: Traces, control: Control, executing: Executing) -> None:
        self._library = library
        self._store = store
        self._traces = traces
        self._control = control
        self._executing = executing
        self._timing = Timing(store, control, self._store_and_match)
        self._indexed: tuple[Content, Listening] | None = None
        self._checks: dict[str, tuple[TriggerType, Callable[[Any], str | None]]] = {}

    @property
    def listening(self) -> Listening:
        """Who listens to what, as the content is now."""
        content = self._library.content
        if self._indexed is None or self._indexed[0] is not content:
            self._indexed = (content, listening(content))
        return self._indexed[1]

    def resume(self) -> None:
        """Match what a killed process accepted and had not matched yet, then run the timers."""
        for instance in self._store.events.pending():
            self._post_match(instance, resumed=True)
        self.changed_rules()

    def changed_rules(self) -> None:
        """Have the timers follow the rules; webhooks follow by themselves."""
        self._control.post(lambda: self._timing.follow(self.listening.timers))

    def emit(self, trigger: str | Mapping[str, Any], payload: Any, trace_tag: str) -> Document:
        """Accept a trigger: stored before this returns. Raises Fault 400 for one that is unknown or does not fit.

        A trigger is named by its type, by its own ref where it has parameters, or by both in a mapping.
        """
        return self._store_and_match(self._fitting(trigger, payload), payload or {}, trace_tag)

    def emit_each(self, triggers: Iterable[str], payload: Document, trace_tag: str) -> None:
        """Accept one payload for several triggers: all are stored before this returns, or none. Raises as `emit`."""
        found = [self._fitting(trigger, payload) for trigger in triggers]
        with self._store.together():
            instances = [self._stored(trigger, payload, trace_tag) for trigger in found]
        for instance in instances:
            self._hear(instance)

    def emit_again(self, trigger: str, payload: Document) -> None:
        """Emit a trigger as it was emitted before, unchecked; raises Fault 400 where it is no more."""
        self._store_and_match(self._find(trigger), payload, "")

    def execution_ended(self, execution: Document) -> None:
        """Tell rules that an execution has ended, inside the transaction that stores its end."""
        for notice in self._notices(execution):
            self._store_in_turn(Trigger(NOTIFY), notice, execution["id"])
        action = execution["action"]
        payload = {
            "execution_id": execution["id"],
            "status": execution["status"],
            "start_timestamp": execution["start_timestamp"],
            "action_name": action["ref"],
            "action_ref": action["ref"],
            "runner_ref": execution["runner"],
            "parameters": masked(action["parameters"], execution["parameters"]),
            "result": execution.get("result"),
        }
        self._store_in_turn(_ENDED, payload, execution["id"])

    def inquiry_opened(self, execution: Document) -> None:
        """Tell rules that an inquiry waits for its answer."""
        self._store_in_turn(Trigger(INQUIRY), {"id": execution["id"], "route": execution["result"]["route"]})

    def key_changed(self, what: str, payload: Document) -> None:
        """Tell rules that a key was created, updated or deleted, or that its value has changed."""
        self._store_and_match(Trigger(f"{KEY}.{what}"), payload, "")

    def _check_of(self, type_: str) -> Callable[[Any], str | None]:
        """Give the check of a trigger type's payloads, made anew when the type was read anew."""
        kind = self._library.content.triggers[type_]
        known = self._checks.get(type_)
        if known is None or known[0] is not kind:
            known = self._checks[type_] = (kind, payload_check(kind))
        return known[1]

    def _notices(self, execution: Document) -> Iterator[Document]:
        if not asked_of(execution):
            return
        workflow = self._store.executions.get(execution.get("parent", ""))
        yield from notices(execution, workflow, {"st2kv": self._library.stored()})

    def _find(self, trigger: str | Mapping[str, Any]) -> Trigger:
        """Find the trigger that a request names; raises Fault 400."""
        if isinstance(trigger, str):
            found = self.listening.triggers.get(trigger)
            type_ = trigger
        else:
            type_ = str(trigger.get("type") or trigger.get("ref"))
            parameters = trigger.get("parameters") or {}
            wanted = Trigger(type_, parameters if isinstance(parameters, dict) else {})
            found = self.listening.triggers.get(wanted.ref)
        if found is not None:
            return found
        if type_ in self._library.content.triggers:
            raise Fault(400, f'expected a trigger "{type_}" with the parameters of a rule, got {trigger!r}')
        raise _unfit(trigger, None, f'Trigger type with reference "{type_}" doesn\'t exist in the database')

    def _fitting(self, trigger: str | Mapping[str, Any], payload: Any) -> Trigger:
        """Find the trigger that a request names, and check what it brings; raises Fault 400."""
        found = self._find(trigger)
        problem = self._check_of(found.type)(payload)
        if problem is not None:
            raise _unfit(trigger, payload, problem)
        return found

    def _store_and_match(self, trigger: Trigger, payload: Document, trace_tag: str) -> Document:
        instance = self._stored(trigger, payload, trace_tag)
        self._hear(instance)
        return instance

    def _store_in_turn(self, trigger: Trigger, payload: Document, caused_by: str | None = None) -> None:
        """Store what a turn brings about; rules hear of it once the turn is kept, never of what is undone."""
        instance = self._stored(trigger, payload, "", caused_by)
        self._executing.turns.then(partial(self._hear, instance))

    def _stored(self, trigger: Trigger, payload: Document, trace_tag: str, caused_by: str | None = None) -> Document:
        ref = trigger.ref
        instance: Document = {
            "trigger": ref,
            "occurrence_time": timestamp(),
            "status": PENDING if ref in self.listening.rules else PROCESSED,
            "id": new_id(),
            "payload": payload,
        }
        with self._store.together():
            self._store.events.put_instance(instance, trigger.type)
            self._traces.instance(instance["id"], ref, trace_tag, caused_by)
        return instance

    def _hear(self, instance: Document) -> None:
        if instance["status"] == PENDING:
            self._post_match(instance, resumed=False)

    def _post_match(self, instance: Document, *, resumed: bool) -> None:
        """Match in a turn: what it asks for begins in the same transaction. Not kept, it is matched after a restart."""

        def failed(error: Exception) -> None:
            log.error("trigger.match_lost instance=%s", instance["id"], exc_info=error)

        self._executing.turns.post(partial(self._match, instance, resumed=resumed), failed)

    def _match(self, instance: Document, *, resumed: bool) -> None:
        """Apply the rules of an instance, each once: one that a killed process enforced already is passed over."""
        enforced = self._store.events.enforcements_of(instance["id"]) if resumed else []
        done = {enforcement["rule"]["ref"]: "execution_id" in enforcement for enforcement in enforced}
        matched, status = False, PROCESSED
        for rule in self.listening.rules.get(instance["trigger"], ()):
            if rule.backstop and matched:
                break
            try:
                applied = done[rule.ref] if rule.ref in done else self._apply(rule, instance)
            except Exception as error:
                log.exception("trigger.match_failed instance=%s rule=%s", instance["id"], rule.ref)
                applied, status = False, FAILED
                self._record(rule, instance, failure_reason=f"{type(error).__name__}: {error}")
            matched = matched or (applied and not rule.backstop)
        self._store.events.set_status({**instance, "status": status})

    def _apply(self, rule: Rule, instance: Document) -> bool:
        """Match one rule and enforce it; tells whether it matched."""
        moment = criteria.Moment(utc_now(), {"st2kv": self._library.stored()}, templates.text)
        outcome = criteria.evaluate(rule.criteria, instance["payload"], moment)
        with self._store.transaction():
            for problem in outcome.problems:
                reason = f'Failed to match rule "{rule.ref}" against trigger instance "{instance["id"]}": {problem}'
                self._record(rule, instance, failure_reason=reason.replace("{rule}", rule.ref))
            if outcome.holds:
                self._enforce(rule, instance)
        return outcome.holds

    def _enforce(self, rule: Rule, instance: Document) -> None:
        try:
            execution = self._request(rule, instance)
        except (ParameterError, Fault) as error:
            self._record(rule, instance, failure_reason=str(error))
        else:
            self._record(rule, instance, execution_id=execution["id"])

    def _request(self, rule: Rule, instance: Document) -> Document:
        action = self._library.content.actions.get(rule.action)
        if action is None:
            raise Fault(400, self._library.content.absence(rule.action))
        trace, tag = self._traces.rule(rule, instance["id"])
        context = {
            "trigger_instance": {"id": instance["id"], "name": None},
            "rule": {"id": rule.id, "name": rule.name},
            "user": USER,
            "pack": action.pack,
            "trace_context": {"id_": trace, "trace_tag": tag},
        }
        extra = {
            "rule": {**rule.document, "id": rule.id},
            "trigger": rule.trigger.document,
            "trigger_type": {"ref": rule.trigger.type},
            "trigger_instance": {**instance, "status": "processing"},
        }
        origin = Origin(context, extra, {"trigger": instance["payload"]})
        return self._executing.request(action, rule.parameters, origin)

    def _record(self, rule: Rule, instance: Document, **outcome: str) -> None:
        failed = "failure_reason" in outcome
        if failed:
            log.warning("rule.enforcement_failed rule=%s reason=%s", rule.ref, outcome["failure_reason"])
        self._store.events.put_enforcement(
            {
                "trigger_instance_id": instance["id"],
                **outcome,
                "rule": {"ref": rule.ref, "id": rule.id, "uid": rule.uid},
                "enforced_at": timestamp(),
                "status": "failed" if failed else "succeeded",
                "id": new_id(),
            }
        )


def _unfit(trigger: str | Mapping[str, Any], payload: Any, problem: str) -> Fault:
    told = str(payload)[:_TOLD_PAYLOAD]
    return Fault(
        400,
        "Trigger payload validation failed and validation is enabled, not dispatching a trigger "
        f'"{trigger}" ({told}): {problem}',
    )
