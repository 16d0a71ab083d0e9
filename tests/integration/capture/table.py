"""The tables that a slow run prints, as Markdown, for docs/capture.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.integration.capture.cases import ONLY_RABBITMQ, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.capture.cases import Row


@dataclass
class Table:
    """One line for each way; one column for each cell that was played, in the order in which they came."""

    title: str
    entries: dict[tuple[int, str], str] = field(default_factory=dict)

    def note(self, row: Row, column: str, text: str) -> None:
        """Fill in one field."""
        self.entries[row.number, column] = text

    def markdown(self) -> Iterator[str]:
        """Give the lines of the table; nothing for an empty one."""
        columns = sorted({column for _, column in self.entries})
        if not columns:
            return
        yield f"{self.title} ({datetime.now(UTC).date()})"
        yield ""
        yield "| | way | " + " | ".join(columns) + " |"
        yield "|---|---|" + "---|" * len(columns)
        for row in ROWS:
            fields = [self.entries.get((row.number, column), self._empty(row, column)) for column in columns]
            yield f"| {row.number} | {row.title} | " + " | ".join(fields) + " |"

    def _empty(self, row: Row, column: str) -> str:
        cannot_be = row.number in ONLY_RABBITMQ and not column.startswith("rabbitmq")
        return "cannot be: no delivery limit" if cannot_be else "not run"
