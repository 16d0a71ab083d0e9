"""What inspection finds: the kind, the message, and where: in the workflow, and in the shape of workflows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from orchestrator.stackstorm.embedded.orquesta.grammar import WORD, Path, written

TASKS: Final = "tasks"
TASK: Final[Path] = ("properties", TASKS, "patternProperties", WORD)


@dataclass(frozen=True, slots=True)
class Place:
    """A path in the workflow, and the one in its shape that goes with it."""

    spec: Path
    schema: Path

    def member(self, *names: str) -> Place:
        """Give the place of a member, or of a member's member."""
        return Place((*self.spec, *names), (*self.schema, *(part for name in names for part in ("properties", name))))

    def item(self, index: int, schema: Path = ()) -> Place:
        """Give the place of an item of a list."""
        return Place((*self.spec, index), (*self.schema, *schema))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `kind` is content, context, expression, semantic or syntax."""

    kind: str
    message: str
    place: Place
    language: str | None = None
    expression: str | None = None

    @property
    def spec_path(self) -> str | None:
        """Where it is in the workflow, as StackStorm writes it; None for the whole."""
        return written(self.place.spec)

    @property
    def schema_path(self) -> str:
        """Where it is in the shape of workflows, as StackStorm writes it."""
        return written(self.place.schema) or ""

    def shown(self) -> dict[str, Any]:
        """Give it as StackStorm's API does."""
        about = {"language": self.language, "expression": self.expression} if self.expression is not None else {}
        return {
            "type": self.kind,
            "message": self.message,
            "spec_path": self.spec_path,
            "schema_path": self.schema_path,
            **about,
        }
