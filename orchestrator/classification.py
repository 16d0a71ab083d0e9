"""The operator's rules of classification as the settings give them: checked at the start, made into the domain's."""

from __future__ import annotations

import json
import math
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from orchestrator.domain.classify import OwnRule
from orchestrator.domain.failures import Kind, Way

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_RULES: Final = 200
LONGEST_PATTERN: Final = 200
MOST_REPEATS: Final = 1_000
CONDITIONS: Final = ("task", "dependency", "type", "status", "code", "message", "captured")
_REPEAT: Final = re.compile(r"\{(\d{1,9})?(?:,(\d{1,9})?)?\}")
_CLASS: Final = re.compile(r"([45])xx")


def _several(value: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
    """Make a list of what is given alone."""
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _statuses(value: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
    """Spell out `5xx`."""
    given = _several(value)
    if not isinstance(given, list | tuple):
        return given
    return [status for each in given for status in _spelt_out(each)]


def _spelt_out(each: object) -> list[object]:
    found = _CLASS.fullmatch(each) if isinstance(each, str) else None
    return list(range(int(found[1]) * 100, int(found[1]) * 100 + 100)) if found else [each]


Glob = Annotated[str, Field(min_length=1, max_length=200)]
Globs = Annotated[tuple[Glob, ...], BeforeValidator(_several)]
Status = Annotated[int, Field(ge=100, le=599)]


class ClassifyRule(BaseModel):
    """One `[[classify]]` table: conditions that must all hold, and the kind with its reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    reason: str = Field(min_length=1, max_length=300)
    name: str = Field("", max_length=60, pattern=r"^[\w.-]*$")
    task: Globs = ()
    dependency: Globs = ()
    type: Globs = ()
    status: Annotated[tuple[Status, ...], BeforeValidator(_statuses)] = ()
    code: Globs = ()
    message: str = Field("", max_length=LONGEST_PATTERN)
    captured: Annotated[tuple[Way, ...], BeforeValidator(_several)] = ()

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the settings hold
        if not isinstance(given, dict):
            raise ValueError(f"expected a table of conditions with kind and reason, got {given!r}"[:200])  # noqa: TRY004 - pydantic's
        for key in given.keys() - cls.model_fields.keys():
            near = get_close_matches(str(key), cls.model_fields, 1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(cls.model_fields)}"
            raise ValueError(f"expected the name of a condition, kind, reason or name, got {key!r}; {advice}")
        return given

    @model_validator(mode="after")
    def _expect_condition(self) -> ClassifyRule:
        if not any(getattr(self, name) for name in CONDITIONS):
            raise ValueError(f"expected at least one of {', '.join(CONDITIONS)}, got none: it would match everything")
        return self

    @field_validator("message")
    @classmethod
    def _expect_pattern(cls, pattern: str) -> str:
        if pattern:
            matcher(pattern)
        return pattern

    def rule(self, number: int) -> OwnRule:
        """Make the domain's rule of it; `number` counts from 1."""
        return OwnRule(
            name=f"settings rule {number}: {self.name}" if self.name else f"settings rule {number}",
            kind=self.kind,
            reason=self.reason,
            task=self.task,
            dependency=self.dependency,
            type=self.type,
            status=frozenset(self.status),
            code=self.code,
            captured=frozenset(self.captured),
            pattern=self.message,
            says=matcher(self.message) if self.message else None,
        )


def matcher(pattern: str) -> Callable[[str], bool]:
    """Compile a pattern into a search that takes time linear in the text, whatever the pattern: Rust's `regex`.

    Raises ValueError for what that engine has not (references back, look-around), and for too much counted repetition.
    """
    repeats = math.prod(max(1, *(int(each or 0) for each in counts)) for counts in _REPEAT.findall(pattern))
    if repeats > MOST_REPEATS:
        raise ValueError(
            f"expected a pattern whose counted repeats multiply to at most {MOST_REPEATS}, got {repeats}: "
            f"use * or + in {pattern!r}"
        )
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")).isinstance_python
    except (SchemaError, UnicodeEncodeError) as error:
        told = " ".join(str(error).rpartition("error: ")[2].split())
        raise ValueError(f"expected a pattern of Rust's regex syntax, got {pattern!r}: {told}") from None


def parsed(given: Any) -> Any:  # noqa: ANN401 - whatever the environment or the file holds
    """Read the JSON that an environment variable holds; a file's list is one already."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given or "[]")
    except ValueError as error:
        raise ValueError(f"expected a JSON list of rules, got text that is not JSON: {error}") from None


ClassifyRules = Annotated[tuple[ClassifyRule, ...], Field(max_length=MOST_RULES), BeforeValidator(parsed)]
