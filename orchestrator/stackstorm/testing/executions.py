"""What a test looks at: an execution with all below it, and what a trigger started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any

from orchestrator.domain.workflows import FINAL


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as it was when it was looked at. `document` is what StackStorm's API shows of it."""

    document: Mapping[str, Any] = field(repr=False)
    children: tuple[Execution, ...] = ()

    @property
    def id(self) -> str:
        """Its identifier."""
        return str(self.document["id"])

    @property
    def action(self) -> str:
        """The ref of its action."""
        return str(self.document["action"]["ref"])

    @property
    def status(self) -> str:
        """StackStorm's word: succeeded, failed, timeout, canceled, running, pending, paused..."""
        return str(self.document["status"])

    @property
    def ended(self) -> bool:
        """Tell whether its status is final."""
        return self.status in FINAL

    @property
    def succeeded(self) -> bool:
        """Tell whether it ended well."""
        return self.status == "succeeded"

    @property
    def failed(self) -> bool:
        """Tell whether it ended, and not well."""
        return self.ended and not self.succeeded

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it was given, rendered; secrets are masked."""
        found: Mapping[str, Any] = self.document.get("parameters", {})
        return found

    @property
    def result(self) -> Any:
        """The whole result in its runner's shape; None until there is one."""
        return self.document.get("result")

    @property
    def output(self) -> Any:
        """The part of the result that the pack made: a workflow's output, what run() returned, an answer's body."""
        result = self.result
        for name in ("output", "result", "body", "stdout"):
            if isinstance(result, Mapping) and name in result:
                return result[name]
        return result

    @property
    def errors(self) -> tuple[Mapping[str, Any], ...]:
        """A workflow's errors: type, message, task_id..."""
        result = self.result
        return tuple(result.get("errors") or ()) if isinstance(result, Mapping) else ()

    @property
    def task(self) -> str | None:
        """The name of the task that it was run for; None outside of workflows."""
        name: str | None = self.document.get("context", {}).get("orquesta", {}).get("task_name")
        return name

    def child(self, task: str) -> Execution:
        """Give the last execution of a workflow's task; raises AssertionError where the task did not run."""
        found = [child for child in self.children if child.task == task]
        ran = ", ".join(sorted({child.task or "" for child in self.children})) or "none"
        assert found, f"expected the task {task} to have run, got these: {ran}"  # noqa: S101 it speaks to a test
        return found[-1]

    def explain(self) -> str:
        """Tell what went wrong, with all below it, as a failed test shows it."""
        task = f"task {self.task}: " if self.task else ""
        lines = [f"{task}{self.action} {self.status} ({self.id})"]
        lines += [indent(text, "  ") for text in _evidence(self)]
        lines += [indent(child.explain(), "  ") for child in self.children if not child.succeeded]
        return "\n".join(lines)

    def __str__(self) -> str:
        return f"<{self.action} {self.status}>"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Fired:
    """What became of a trigger: the rules that matched it, and the executions that they started, ended or waiting."""

    trigger: str
    instance: str
    executions: tuple[Execution, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def rules(self) -> tuple[str, ...]:
        """The refs of the rules that started an execution, by name."""
        return tuple(sorted(str(execution.document["rule"]["ref"]) for execution in self.executions))

    @property
    def execution(self) -> Execution:
        """Give the one execution that was started; raises AssertionError where there is none, or more than one."""
        assert len(self.executions) == 1, f"expected one execution, got {self}"  # noqa: S101 it speaks to a test
        return self.executions[0]

    def __str__(self) -> str:
        failed = "".join(f", {rule} could not: {reason}" for rule, reason in self.failures.items())
        return f"<{self.trigger} fired {list(self.executions)}{failed}>"

    __repr__ = __str__


def _evidence(execution: Execution) -> list[str]:
    found = [_error(error) for error in execution.errors]
    result = execution.result if isinstance(execution.result, Mapping) else {}
    for name in ("error", "traceback", "stderr"):
        text = str(result.get(name) or "").strip()
        if text and text != "None":
            found.append(f"{name}:\n{indent(text, '  ')}" if "\n" in text else f"{name}: {text}")
    return found


def _error(error: Mapping[str, Any]) -> str:
    place = f"{error['task_id']}: " if error.get("task_id") else ""
    return f"error: {place}{error.get('message')}"
