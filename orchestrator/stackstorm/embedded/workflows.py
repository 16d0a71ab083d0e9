"""The workflows that run: each is obeyed, told what became of its actions, and kept with every change."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from orchestrator.stackstorm.embedded.content import source
from orchestrator.stackstorm.embedded.content.signatures import signatures
from orchestrator.stackstorm.embedded.errors import ContentError, ParameterError
from orchestrator.stackstorm.embedded.executions import USER, in_context, moved
from orchestrator.stackstorm.embedded.marks import new_id
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.conductor import Conductor
from orchestrator.stackstorm.embedded.orquesta.inspection import inspect
from orchestrator.stackstorm.embedded.orquesta.reading import workflow
from orchestrator.stackstorm.embedded.orquesta.refusals import Refused
from orchestrator.stackstorm.embedded.orquesta.scope import ExpressionError
from orchestrator.stackstorm.embedded.runners.catalog import ORQUESTA
from orchestrator.stackstorm.embedded.store.workflows import WorkflowRow
from orchestrator.stackstorm.embedded.task_views import task_view
from orchestrator.stackstorm.embedded.workflow_run import Launcher, Stalled, WorkflowRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Action, Content
    from orchestrator.stackstorm.embedded.executions import Document
    from orchestrator.stackstorm.embedded.orquesta.findings import Finding
    from orchestrator.stackstorm.embedded.orquesta.scope import Outside
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec
    from orchestrator.stackstorm.embedded.store import Store
    from orchestrator.stackstorm.embedded.turns import Turns

_UNKNOWN_ACTION: Final = re.compile('The action "([^"]+)" is not registered')
_WAITS: Final = statuses.COMPLETED | {statuses.PAUSED}


class Engine(Launcher, Protocol):
    """What workflows need from the engine."""

    turns: Turns

    def inputs(self, action: Action, document: Document) -> tuple[Document, Document]:
        """Give what the runner and what the action of an execution get; raises ParameterError."""

    def finish(self, document: Document) -> None:
        """Keep an execution in its new status, and tell who has to know."""

    def broke(self, execution: str, error: Exception) -> None:
        """End an execution that a fault stopped."""


class CannotStart(Exception):
    """A workflow that cannot be started, or run again from its tasks; the text is StackStorm's own."""


class BadWorkflow(Exception):
    """A workflow in which inspection finds faults: they are its execution's errors."""

    def __init__(self, findings: Sequence[Finding], content: Content) -> None:
        super().__init__("Workflow definition failed inspection.")
        self.errors = [_reasoned(finding.shown(), content) for finding in findings]


class Workflows:
    """Runs on the control thread only. What it holds in memory can be forgotten at any time: the store has it all."""

    def __init__(self, engine: Engine, library: Library, store: Store, api_url: str) -> None:
        self._engine = engine
        self._library = library
        self._store = store
        self._api_url = api_url
        self._runs: dict[str, WorkflowRun] = {}
        self._specs: dict[str, WorkflowSpec] = {}
        self._sound: set[str] = set()
        self._inspected_by = library.content

    def forget(self) -> None:
        """Read every workflow from the store when it is asked for next."""
        self._runs.clear()

    def begin(self, action: Action, execution: Document) -> None:
        """Start the workflow that an execution asks for: a new one, or one that has ended again from some tasks."""
        document = moved(execution, statuses.SCHEDULED, statuses.RUNNING, result={"output": None})
        again = execution["context"].get("re-run", {})
        try:
            run = self._rerun(document, again) if again.get("tasks") else self._new(action, document)
        except BadWorkflow as error:
            self._engine.finish(moved(document, statuses.FAILED, result={"errors": error.errors, "output": None}))
            return
        except ContentError as error:
            found = [{"type": "content", "message": str(one)} for one in (error, *error.others)]
            self._engine.finish(moved(document, statuses.FAILED, result={"output": None, "errors": found}))
            return
        except (CannotStart, OSError, ParameterError, ValueError) as error:
            refused = {"errors": [{"message": str(error)}], "output": None}
            self._engine.finish(moved(document, statuses.FAILED, result=refused))
            return
        run.execution = in_context(run.execution, workflow_execution=run.id)
        self._store.executions.move(run.execution)
        self.advance(run)

    def advance(self, run: WorkflowRun) -> None:
        """Launch what can run now, keep the workflow, and let its execution show what it has come to."""
        run.advance(self._engine)
        if run.more:
            again = partial(self._continue, run.id)
            self._engine.turns.post(again, partial(self._engine.broke, run.execution["id"]))
        elif run.status not in _WAITS and not self._moving(run):
            run.conductor.fail(Stalled("Nothing of this workflow is running, and nothing more can run."))
        self.report(run)

    def report(self, run: WorkflowRun) -> None:
        """Keep the workflow, and let its execution show its status; one that has ended stays as it ended.

        Where the inputs or the variables failed, nothing has begun, and there is no output to render.
        """
        if run.conductor.state.routes:
            run.conductor.finish()
        state = {"conductor": run.conductor.dump(), "tasks": run.task_executions}
        self._store.workflows.put(WorkflowRow(run.id, run.execution["id"], run.definition, state, run.more))
        if run.status in statuses.COMPLETED:
            self._runs.pop(run.id, None)
        document, status = run.execution, run.status
        if (document["status"], status) == (statuses.RUNNING, statuses.RESUMING):
            return  # an ended workflow that runs again, and none of its tasks has begun yet
        if document["status"] not in statuses.COMPLETED and document["status"] != status:
            run.execution = moved(document, status, result=run.result)
            self._engine.finish(run.execution)

    def child_changed(self, child: Document) -> None:
        """Tell the workflow that an execution is part of, if any, what became of it."""
        run = self._parent(child)
        if run is not None:
            run.child_ended(child)
            self.advance(run)

    def give_up(self, child: Document, error: Exception) -> None:
        """Fail the workflow, if any, that cannot take what became of an execution."""
        run = self._parent(child)
        if run is not None and run.status not in statuses.COMPLETED:
            run.conductor.fail(error)
            state = {"conductor": run.conductor.dump(), "tasks": run.task_executions}
            self._store.workflows.put(WorkflowRow(run.id, run.execution["id"], run.definition, state))
            self._engine.broke(run.execution["id"], error)

    def child_resumed(self, child: Document) -> None:
        """Let the workflows above one that goes on, go on too; what else of them is paused stays so."""
        run = self._parent(child)
        if run is None or run.status in statuses.COMPLETED:
            return
        run.child_resumed(child)
        self.report(run)
        self.child_resumed(run.execution)

    def of(self, execution: Document) -> WorkflowRun | None:
        """Give the workflow of an execution, if it has begun."""
        id_ = execution["context"].get("workflow_execution") if execution["runner"] == ORQUESTA else None
        return self._run(id_) if id_ else None

    def take_up(self) -> None:
        """Go on with what had more to launch when the process was killed."""
        for id_ in self._store.workflows.with_more():
            self._continue(id_)

    def _moving(self, run: WorkflowRun) -> bool:
        """Tell whether some action of a workflow can still bring it on."""
        before = run.execution["context"].get("re-run", {}).get("ref")
        below = (run.execution["id"], *([before] if before else []))
        return any(status not in statuses.COMPLETED for id_ in below for status in self._below(id_))

    def _below(self, id_: str) -> list[str]:
        return [status for _, _, status in self._store.executions.child_statuses(id_)]

    def _continue(self, id_: str) -> None:
        run = self._run(id_)
        if run is not None:
            self.advance(run)

    def _parent(self, child: Document) -> WorkflowRun | None:
        return self._run(child["workflow_execution"]) if "workflow_execution" in child else None

    def _run(self, id_: str) -> WorkflowRun | None:
        if id_ not in self._runs:
            row = self._store.workflows.get(id_)
            execution = self._store.executions.get(row.execution) if row else None
            if row is None or execution is None:
                return None
            conductor = Conductor.load(self._spec(row.definition), row.state["conductor"], self._outside(id_))
            self._runs[id_] = WorkflowRun(id_, execution, row.definition, conductor, row.state["tasks"], row.more)
        return self._runs[id_]

    def _spec(self, definition: str) -> WorkflowSpec:
        if definition not in self._specs:
            text = self._store.workflows.definition(definition)
            self._specs[definition] = workflow(source.parse(Path("definition"), text))
        return self._specs[definition]

    def _new(self, action: Action, document: Document) -> WorkflowRun:
        """Read the workflow as its file is now, as StackStorm does; from here on it runs by what was read."""
        runner, inputs = self._engine.inputs(action, document)
        file = action.entry_point or Path()
        text = file.read_text()
        definition = self._store.workflows.define(text)
        self._examine(definition, file, text)
        spec = self._specs[definition]
        _check_notify(runner.get("notify") or (), spec)
        id_ = new_id()
        context = {"st2": self._st2(id_, document), "parent": document["context"]}
        run = WorkflowRun(id_, document, definition, Conductor(spec, context, inputs, self._outside(id_)))
        run.conductor.start()
        self._runs[id_] = run
        return run

    def _examine(self, definition: str, file: Path, text: str) -> None:
        """Inspect and read a workflow, once for each text and what is loaded; raises BadWorkflow, ContentError."""
        content = self._library.content
        if self._inspected_by is not content:
            self._sound.clear()
            self._inspected_by = content
        if definition in self._sound:
            return
        written = source.parse(file, text)
        if isinstance(written.data, dict) and (found := inspect(written.data, signatures(content))):
            raise BadWorkflow(found, content)
        self._specs[definition] = workflow(written)
        self._sound.add(definition)

    def _outside(self, id_: str) -> Outside:
        return self._library.outside(partial(self._task, id_))

    def _task(self, id_: str, name: str, route: int) -> Document | None:
        """Give what the function task() shows; None for a task that has not run, and before any has."""
        run = self._runs.get(id_)
        found = run.conductor.state.nearest_run(name, route) if run else None
        if run is None or found is None:
            return None
        before = run.execution["context"].get("re-run", {}).get("ref")
        parents = [*([before] if before else []), run.execution["id"]]
        return task_view(id_, found, [child for parent in parents for child in self._store.executions.children(parent)])

    def _st2(self, id_: str, document: Document) -> Document:
        context = document["context"]
        return {
            "action_execution_id": document["id"],
            "api_url": self._api_url,
            "user": context.get("user", USER),
            "pack": document["action"]["pack"],
            "action": document["action"]["ref"],
            "runner": document["runner"],
            **{name: context[name] for name in ("api_user", "source_channel") if name in context},
            "workflow_execution_id": id_,
        }

    def _rerun(self, document: Document, again: Document) -> WorkflowRun:
        ended = self._store.executions.get(again["ref"])
        run = self.of(ended) if ended else None
        if run is None:
            raise CannotStart("Unable to rerun workflow execution because workflow_execution_id is not provided.")
        if run.status not in statuses.COMPLETED:
            wrong = 'Unable to rerun workflow execution "{}" because it is not in a completed state.'
            raise CannotStart(wrong.format(run.id))
        missing = [task for task in again["tasks"] if task not in {name for name, _ in run.conductor.state.latest}]
        if missing:
            wrong = "Unable to rerun workflow because one or more tasks is not found: {}"
            raise CannotStart(wrong.format(",".join(missing)))
        try:
            run.conductor.rerun(again["tasks"], again.get("reset", ()))
        except (Refused, ExpressionError, ValueError) as error:
            self._runs.pop(run.id, None)
            raise CannotStart(str(error)) from None
        run.execution = document
        run.task_executions.clear()
        self._runs[run.id] = run
        return run


def _reasoned(finding: Document, content: Content) -> Document:
    """Say of an action that is there, and refused, why it is refused, where StackStorm would say that it is unknown."""
    named = _UNKNOWN_ACTION.match(finding["message"])
    refusal = content.refusal(named[1]) if named else None
    return {**finding, "message": str(refusal)} if refusal else finding


def _check_notify(tasks: Sequence[str], spec: WorkflowSpec) -> None:
    unknown = sorted(set(tasks) - set(spec.tasks))
    if unknown:
        wrong = "The following tasks in the notify parameter do not exist in the workflow definition: {}."
        raise CannotStart(wrong.format(", ".join(unknown)))
