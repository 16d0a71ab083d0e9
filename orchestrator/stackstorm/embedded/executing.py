"""Executions from their request to their end. All decisions on the control thread; actions run in a pool of threads."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded import parameters, restart
from orchestrator.stackstorm.embedded.errors import Fault, ParameterError
from orchestrator.stackstorm.embedded.executions import Document, Origin, moved, requested
from orchestrator.stackstorm.embedded.interventions import Interventions
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.catalog import INQUIRER, NOOP, NOOP_RESULT, ORQUESTA
from orchestrator.stackstorm.embedded.slots import Slots
from orchestrator.stackstorm.embedded.turns import Turns
from orchestrator.stackstorm.embedded.workflow_run import ActionNotFound
from orchestrator.stackstorm.embedded.workflows import Workflows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Action
    from orchestrator.stackstorm.embedded.control import Control
    from orchestrator.stackstorm.embedded.runners.running import Runners
    from orchestrator.stackstorm.embedded.store import Store
    from orchestrator.stackstorm.embedded.traces import Traces

    Listener = Callable[[Document], object]

WAITING: Final = frozenset({statuses.REQUESTED, statuses.DELAYED})
_INQUIRY: Final = ("schema", "roles", "users", "route", "ttl")
_MINUTE: Final = 60
_KILL_AGAIN: Final = 0.5
# Seconds until an execution that a policy delays is looked at again, as StackStorm's scheduler does it.
POLICY_DELAY: Final = 2.5
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What executions lean on."""

    library: Library
    store: Store
    traces: Traces
    control: Control
    runners: Runners
    api_url: str


class Executing:
    """Runs executions. `ask` and `request` may be called from any thread, the rest on the control thread."""

    def __init__(self, around: Surroundings, slots: int) -> None:
        self.turns = Turns(around.store, around.control, self._forget)
        self.workflows = Workflows(self, around.library, around.store, around.api_url)
        self.interventions = Interventions(self, around.store)
        self.running: dict[str, Document] = {}
        self._library = around.library
        self._store = around.store
        self._traces = around.traces
        self._control = around.control
        self._runners = around.runners
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="action")
        self._slots: Slots[tuple[Action, Document]] = Slots(slots, self._admit)
        self._on_change: list[Listener] = []
        self._on_inquiry: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        """Call this with each execution that has ended, in the transaction of its end."""
        self._on_change.append(listener)

    def on_inquiry(self, listener: Listener) -> None:
        """Call this with each inquiry that begins to wait for its response, in the transaction of that."""
        self._on_inquiry.append(listener)

    def take_up(self) -> None:
        """Go on with what a killed process left, before anything else begins: see `restart`."""
        restart.take_up(self, self._store)

    def stop(self) -> None:
        """Wait for the threads of actions; their processes were killed before."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def ask(self, action: str, given: Mapping[str, Any], context: Mapping[str, Any], delay: float = 0) -> Document:
        """Accept an execution that somebody asks for; raises Fault 400."""
        found = self._library.content.actions.get(action)
        if found is None:
            raise Fault(400, self._library.content.absence(action))
        try:
            return self.request(found, given, Origin(context), delay)
        except ParameterError as error:
            raise Fault(400, str(error)) from None

    def launch(self, action: str, given: Mapping[str, Any], origin: Origin, delay: float) -> None:
        """Request an action as part of a workflow."""
        found = self._library.content.actions.get(action)
        if found is None:
            refusal = self._library.content.refusal(action)
            raise ActionNotFound(str(refusal) if refusal else f'Unable to find action "{action}".')
        self.request(found, given, origin, delay)

    def request(self, action: Action, given: Mapping[str, Any], origin: Origin, delay: float = 0) -> Document:
        """Accept an execution of an action, to run after `delay` seconds; raises ParameterError, Fault 400.

        It is kept before this returns. Where the caller's transaction comes to nothing, so does it.
        """
        _refuse_disabled(action)
        names = {**origin.names, **self._library.template_names(action.pack, dict(origin.context))}
        return self._accept(action, parameters.live(action, given, names), origin, delay)

    def request_said(self, action: Action, said: Mapping[str, Any], origin: Origin) -> Document:
        """Accept an execution as `request` does, with parameters that are no templates, whatever they hold."""
        _refuse_disabled(action)
        return self._accept(action, parameters.given(action, said), origin)

    def _accept(self, action: Action, shown: Mapping[str, Any], origin: Origin, delay: float = 0) -> Document:
        asked = requested(action, shown, origin.context, origin.extra)
        if delay > 0:
            asked["delay"] = round(delay * 1000)
        document = moved(asked, statuses.DELAYED) if delay > 0 else asked
        due = time.time() + delay if delay > 0 else None
        with self._store.transaction():
            self._store.executions.insert(document, due)
            self._traces.execution(document)
        self.begin(document, delay)
        return asked

    def inputs(self, action: Action, document: Document) -> tuple[Document, Document]:
        """Give what the runner and what the action of an execution get; raises ParameterError."""
        names = self._library.template_names(action.pack, document["context"])
        return parameters.final(action, document["parameters"], names)

    def begin(self, document: Document, delay: float = 0) -> None:
        """Run an execution that waits, after `delay` seconds."""
        self._later(delay, document["id"], partial(self._start, document))

    def expire(self, document: Document, due: float) -> None:
        """Let an inquiry time out when it is due and still waits then."""
        self._later(max(0.0, due - time.time()), document["id"], partial(self._time_out, document["id"]))

    def finish(self, document: Document) -> None:
        """Keep an execution that has ended, or pauses, or waits for a response, and tell who has to know."""
        self._store.executions.move(document)
        self.settle(document)

    def settle(self, document: Document) -> None:
        """Tell the listeners and the workflow that an execution is part of."""
        if document["status"] in statuses.COMPLETED:
            self.running.pop(document["id"], None)
            for listener in self._on_change:
                listener(document)
        self.workflows.child_changed(document)

    def kill(self, execution: str) -> None:
        """Kill what runs for an execution once this turn is kept, again where it was only about to run.

        Its end comes as any other.
        """
        if execution in self.running:
            self.turns.then(partial(self._runners.cancel, execution))
            self._later(_KILL_AGAIN, execution, partial(self.kill, execution))

    def printed(self, execution: str) -> tuple[str, str]:
        """Give what an action that still runs has printed until now, to stdout and to stderr; from any thread."""
        return self._runners.printed(execution)

    def broke(self, execution: str, error: Exception) -> None:
        """End an execution that a fault of this program stopped: better failed than running for ever.

        Its workflow is told, but no listener: the fault may be theirs.
        """
        log.error("execution.broke execution=%s error=%s", execution, error, exc_info=error)
        self.running.pop(execution, None)
        document = self._store.executions.get(execution)
        if document is not None and document["status"] not in statuses.COMPLETED:
            broken = moved(document, statuses.FAILED, result=_error(error))
            self._store.executions.move(broken)
            self._tell_workflow(broken)

    def _tell_workflow(self, broken: Document) -> None:
        try:
            with self._store.transaction():
                self.workflows.child_changed(broken)
        except Exception as error:  # noqa: BLE001 whatever it is, the workflow ends of it
            self._forget()
            self.workflows.give_up(broken, error)

    def _forget(self) -> None:
        """Take what is held in memory from the store again, where a turn was undone."""
        self.workflows.forget()
        kept = ((id_, self._store.executions.get(id_)) for id_ in self.running)
        self.running = {id_: document for id_, document in kept if document is not None}

    def _later(self, delay: float, execution: str, work: Callable[[], None]) -> None:
        failed = partial(self.broke, execution)
        if delay > 0:
            self.turns.after(delay, work, failed)
        else:
            self.turns.post(work, failed)

    def _start(self, document: Document) -> None:
        if self._store.executions.status(document["id"]) not in WAITING:
            return
        action = self._library.content.actions.get(document["action"]["ref"])
        if action is None:
            error = ActionNotFound(f'Unable to find action "{document["action"]["ref"]}".')
            self.finish(moved(document, statuses.FAILED, result=_error(error)))
        elif action.runner_type not in (NOOP, INQUIRER, ORQUESTA):
            self._slots.ask((action, document))
        elif self._barred(action, document):
            return
        elif action.runner_type == ORQUESTA:
            self.workflows.begin(action, document)
        else:
            self._run_here(action, document)

    def _barred(self, action: Action, document: Document) -> bool:
        """Tell whether a policy keeps an execution from running now: then it waits, or is canceled."""
        for policy in self._library.content.policies_of(action.ref):
            if self._store.executions.under_way(action.ref) >= policy.threshold:
                if policy.cancels:
                    self.finish(moved(document, statuses.CANCELING, statuses.CANCELED))
                else:
                    self._store.executions.move(moved(document, statuses.DELAYED), time.time() + POLICY_DELAY)
                    self.begin(document, POLICY_DELAY)
                return True
        return False

    def _run_here(self, action: Action, document: Document) -> None:
        """Run what takes no time: nothing at all, or a question that then waits."""
        try:
            runner, _ = self.inputs(action, document)
        except ParameterError as error:
            self.finish(_done(document, statuses.FAILED, _error(error)))
            return
        if action.runner_type == NOOP:
            self.finish(_done(document, statuses.SUCCEEDED, dict(NOOP_RESULT)))
        else:
            self._inquire(document, runner)

    def _inquire(self, document: Document, asked: Document) -> None:
        waiting = _done(document, statuses.PENDING, {name: asked[name] for name in _INQUIRY})
        due = time.time() + asked["ttl"] * _MINUTE if asked["ttl"] > 0 else None
        self._store.executions.move(waiting, due)
        if due is not None:
            self.expire(waiting, due)
        for listener in self._on_inquiry:
            listener(waiting)
        self.settle(waiting)

    def _time_out(self, inquiry: str) -> None:
        document = self._store.executions.get(inquiry)
        if document is not None and document["status"] == statuses.PENDING:
            self.interventions.expired(document)

    def _admit(self, admitted: tuple[Action, Document]) -> None:
        def failed(error: Exception) -> None:
            self._slots.release()
            self.broke(admitted[1]["id"], error)

        self.turns.post(partial(self._occupy, *admitted), failed)

    def _occupy(self, action: Action, document: Document) -> None:
        waits = self._store.executions.status(document["id"]) in WAITING
        if not waits or self._barred(action, document):
            self.turns.then(self._slots.release)
            return
        try:
            runner, own = self.inputs(action, document)
        except ParameterError as error:
            self.turns.then(self._slots.release)
            self.finish(_done(document, statuses.FAILED, _error(error)))
            return
        document = moved(document, statuses.SCHEDULED, statuses.RUNNING)
        self._store.executions.move(document)
        self.running[document["id"]] = document
        self.turns.then(partial(self._pool.submit, self._run, action, document["id"], runner, own))

    def _run(self, action: Action, execution: str, runner: Document, own: Document) -> None:
        try:
            ended = self._runners.run(self._library.ready(action.pack), action, execution, runner, own)
            status, result = ended.status, ended.result
        except Exception as error:
            log.exception("action.run_failed execution=%s", execution)
            status, result = statuses.FAILED, _error(error)
        self._control.post(self._slots.release)
        self.turns.post(partial(self._ended, execution, status, result), partial(self.broke, execution))

    def _ended(self, execution: str, status: str, result: Any) -> None:
        document = self.running.get(execution)
        if document is None:
            return
        if document["status"] == statuses.CANCELING:
            self.finish(moved(document, statuses.CANCELED))
        else:
            self.finish(moved(document, status, result=result))


def _refuse_disabled(action: Action) -> None:
    if not action.enabled:
        raise Fault(400, f'Unable to execute. Action "{action.ref}" is disabled.')


def _done(document: Document, status: str, result: Any) -> Document:
    return moved(document, statuses.SCHEDULED, statuses.RUNNING, status, result=result)


def _error(error: Exception) -> Document:
    return {"error": str(error), "traceback": ""}
