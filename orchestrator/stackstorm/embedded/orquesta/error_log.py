"""The errors that a workflow's execution shows."""

from __future__ import annotations

from typing import Any


class ErrorLog:
    """Entries in the order they came, each once."""

    def __init__(self, entries: list[dict[str, Any]] | None = None) -> None:
        self.entries: list[dict[str, Any]] = entries or []

    def note(self, message: str, **facts: Any) -> None:
        """Add an error; facts without a value are left out."""
        entry = {"type": "error", "message": message} | {name: fact for name, fact in facts.items() if fact is not None}
        if entry not in self.entries:
            self.entries.append(entry)

    def failure(
        self, error: Exception, task: str | None = None, route: int | None = None, transition: str | None = None
    ) -> None:
        """Add an exception, with where it was raised."""
        self.note(f"{type(error).__name__}: {error}", task_id=task, route=route, task_transition_id=transition)

    def forget(self, task: str) -> None:
        """Drop what is said about a task that runs again."""
        self.entries[:] = [entry for entry in self.entries if entry.get("task_id") != task]
