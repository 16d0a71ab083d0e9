"""Drives a conductor through a case: a workflow, a plan of what its actions end in, and what somebody asks meanwhile.

The same driver has been put in front of the real conductor (StackStorm/orquesta); what it saw there is recorded beside.
A case, as JSON holds it:

    workflow, inputs, context   what is run
    ends     {task: [status, ...]}: what the n-th action of a task ends in, the last word for all later; else succeeded
    picks    [number, ...]: which of the running actions ends next, in turn; else the one that began first
    asks     {step: word}: what is asked before that step: pausing, paused, resuming, canceling, canceled
    reruns   [{"tasks": [...], "reset": [...]}, ...]: what is run again once the workflow has ended, in turn
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_STEPS = 120
WAITING = ("pending", "paused")
COMPLETED = ("succeeded", "failed", "timeout", "abandoned", "canceled")
Place = tuple[str, int, "int | None"]
Requested = list[Any]


class Driven(Protocol):
    """A conductor, as the driver sees it; requests are [task, route, delay, items, concurrency, actions].

    Each action is [item, ref, input, delay].
    """

    def start(self) -> None:
        """Begin."""

    def next_tasks(self) -> list[Requested]:
        """Give what to run now."""

    def started(self, places: Sequence[Place]) -> None:
        """Tell that these actions run."""

    def ended(self, place: Place, status: str, result: object) -> None:
        """Tell what became of an action."""

    def request(self, status: str) -> str | None:
        """Ask for a status; answers the name of the error where that is not allowed."""

    def rerun(self, tasks: list[str], reset: list[str]) -> str | None:
        """Run again; answers the name of the error where that is not allowed."""

    def finish(self) -> None:
        """Render the output."""

    def status(self) -> str:
        """Give the workflow's status."""

    def now(self) -> dict[str, Any]:
        """Give what can be seen at any time: the status, those of the tasks, what is staged."""

    def end(self) -> dict[str, Any]:
        """Give what is left when all is over: output, errors, runs, routes, contexts."""


@dataclass
class Driver:
    """One case in front of one conductor; `seen` is all that happened."""

    case: dict[str, Any]
    conductor: Driven
    seen: list[Any] = field(default_factory=list)
    _running: list[Place] = field(default_factory=list)
    _waiting: list[Place] = field(default_factory=list)
    _ends: Counter[str] = field(default_factory=Counter)

    def drive(self) -> list[Any]:
        """Run the case to its end; answers all that was seen."""
        self.conductor.start()
        self._advance()
        reruns = list(self.case.get("reruns", ()))
        for step in range(MOST_STEPS):
            asked = self.case.get("asks", {}).get(str(step))
            if asked:
                self._ask(asked)
            if not self._step(step, reruns):
                break
        self.conductor.finish()
        self.seen.append({"end": self.conductor.end(), **self.conductor.now()})
        return self.seen

    def _step(self, step: int, reruns: list[dict[str, list[str]]]) -> bool:
        """End an action, or settle what waits, or resume, or run again; tells whether there was anything to do."""
        if self._running:
            self._end(self._pick(self._running, step))
        elif self._waiting and self.conductor.status() not in COMPLETED:
            self._settle(self._pick(self._waiting, step))
        elif self.conductor.status() in ("pausing", "paused"):
            return self._ask("resuming") is None
        elif self.conductor.status() in COMPLETED and reruns:
            again = reruns.pop(0)
            self.conductor.finish()
            self._waiting.clear()
            error = self.conductor.rerun(again.get("tasks", []), again.get("reset", []))
            self._note("rerun", again, error)
            self._advance()
        else:
            return False
        return True

    def _pick(self, places: list[Place], step: int) -> Place:
        picks = self.case.get("picks") or [0]
        return places.pop(picks[step % len(picks)] % len(places))

    def _ask(self, asked: str) -> str | None:
        error = self.conductor.request(asked)
        self._note("asked", asked, error)
        self._advance()
        return error

    def _end(self, place: Place) -> None:
        task, _, item = place
        number = self._ends[task]
        self._ends[task] += 1
        ends = self.case.get("ends", {}).get(task, ["succeeded"])
        status = ends[min(number, len(ends) - 1)]
        result = None if status in WAITING else {"result": {"task": task, "n": number, "item": item}, "exit_code": 0}
        self.conductor.ended(place, status, result)
        self._note("ended", [*place, status], None)
        if status in WAITING:
            self._waiting.append(place)
        else:
            self._advance()

    def _settle(self, place: Place) -> None:
        """A pending action is answered, a paused one goes on."""
        task, route, item = place
        if self.conductor.now()["tasks"].get(f"{task}|{route}") == "pending":
            self.conductor.ended(place, "succeeded", {"result": {"task": task, "n": -1, "item": item}})
            self._note("answered", list(place), None)
            self._advance()
        else:
            self.conductor.started([place])
            self._running.append(place)
            self._note("resumed", list(place), None)

    def _advance(self) -> None:
        for _ in range(MOST_STEPS):
            requests = self.conductor.next_tasks()
            if not requests:
                return
            places = [(r[0], r[1], a[0]) for r in requests for a in r[5] or [[None]]]
            self.conductor.started(places)
            self._note("next", requests, None)
            for request in requests:
                for action in request[5] or [[None, None]]:
                    place = (request[0], request[1], action[0])
                    if action[1] is None:
                        self.conductor.ended(place, "succeeded", None)
                    else:
                        self._running.append(place)

    def _note(self, what: str, detail: object, error: str | None) -> None:
        self.seen.append({what: detail, **({"error": error} if error else {}), **self.conductor.now()})
