"""What the tasks themselves say of their runs: the truth that every count of the orchestrator is held against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class Truth:
    """The trace in `path`, read as far as it goes.

    `redriven` counts the runs of each attempt of each task, `by_name` the tasks that went well.
    """

    path: Path
    first: Counter[str] = field(default_factory=Counter)
    redriven: Counter[tuple[str, str]] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    by_name: Counter[str] = field(default_factory=Counter)
    _offset: int = 0
    _rest: bytes = b""

    def read(self) -> Truth:
        """Read on from where it stopped."""
        if not self.path.exists():
            return self
        with self.path.open("rb") as file:
            file.seek(self._offset)
            more = file.read()
        self._offset += len(more)
        *lines, self._rest = (self._rest + more).split(b"\n")
        for line in lines:
            self._note(*line.decode().split())
        return self

    def _note(self, task_id: str, attempt: str, end: str, task: str) -> None:
        if attempt == "-":
            self.first[task_id] += 1
        else:
            self.redriven[task_id, attempt] += 1
        if end == "ok":
            self.by_name[task] += task_id not in self.succeeded
            self.succeeded[task_id] += 1

    def succeeded_of(self, prefix: str) -> int:
        """Count the tasks whose name begins so and that have gone well, each once."""
        return sum(count for task, count in self.by_name.items() if task.startswith(prefix))

    @property
    def runs_again(self) -> int:
        """Count the runs that a redrive brought."""
        return sum(self.redriven.values())

    @property
    def duplicates(self) -> int:
        """Count the runs of an attempt beyond its first: published twice, or delivered twice."""
        return self.runs_again - len(self.redriven)

    @property
    def beyond(self) -> int:
        """Count the runs that went well of tasks that had gone well before."""
        return sum(self.succeeded.values()) - len(self.succeeded)
