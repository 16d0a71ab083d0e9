"""A workflow as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Final = ("continue", "fail", "noop", "retry")


@dataclass(frozen=True, slots=True)
class Transition:
    """What follows a task: when the expression holds (or always), publish, then go to each task of `do`."""

    when: str | None = None
    publish: tuple[tuple[str, Any], ...] = ()
    do: tuple[str, ...] = ("continue",)


@dataclass(frozen=True, slots=True)
class Retry:
    """Run a task again up to `count` times, `delay` seconds apart, when it failed or when the expression holds."""

    count: int | str
    when: str | None = None
    delay: int | str | None = None


@dataclass(frozen=True, slots=True)
class WithItems:
    """Run a task's action once for each item of a list, at most `concurrency` at the same time.

    `names`: what item(name) may ask for; one names the whole item, several its members.
    """

    expression: str
    names: tuple[str, ...] = ()
    concurrency: int | str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task. `join` is "all", or how many of the inbound tasks must have led here.

    `input` is a mapping, or an expression that gives one.
    """

    name: str
    action: str | None = None
    input: Mapping[str, Any] | str = field(default_factory=dict)
    items: WithItems | None = None
    delay: int | str | None = None
    join: int | str | None = None
    retry: Retry | None = None
    next: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowSpec:
    """A whole workflow; input, vars and output are (name, default or expression) in the order of the file."""

    tasks: Mapping[str, Task]
    input: tuple[tuple[str, Any], ...] = ()
    vars: tuple[tuple[str, Any], ...] = ()
    output: tuple[tuple[str, Any], ...] = ()
    description: str = ""

    def task(self, name: str) -> Task:
        """Give a task, or an empty one for a reserved command."""
        return self.tasks.get(name) or Task(name)
