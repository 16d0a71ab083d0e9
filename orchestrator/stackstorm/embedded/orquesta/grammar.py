"""The shape of a workflow as a JSON Schema of draft 4; the paths into it are what StackStorm's findings name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # 3.2, which st2client pins, has no types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Schema = dict[str, Any]
Path = tuple[str | int, ...]

WORD: Final = r"^\w+$"
# The forms of `with`: an expression alone, or names of the item's parts in front of it.
_EXPRESSION: Final = "{{.*?}}|<%.*?%>"
_ITEMS: Final = rf"^(\s+)?({_EXPRESSION})(\s+)?$|^(\s+)?((\w+,\s?|\s+)+)?(\w+)\s+in\s+({_EXPRESSION})(\s+)?$"

_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_TEXT_OR_COUNT: Final[Schema] = {"oneOf": [_TEXT, _COUNT]}
_ANYTHING: Final[Schema] = {
    "anyOf": [{"type": name} for name in ("null", "array", "boolean", "integer", "number", "object", "string")]
}
_VALUES: Final[Schema] = {"type": "object", "minProperties": 1, "patternProperties": {WORD: _ANYTHING}}
_VALUE: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "patternProperties": {WORD: _ANYTHING},
}


def _list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items, "uniqueItems": True, "minItems": 1}


def _only(properties: Schema, **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


_TRANSITION: Final = _only(
    {
        "when": _TEXT,
        "publish": {"oneOf": [_TEXT, _list_of(_VALUE)]},
        "do": {"oneOf": [_TEXT, _list_of(_TEXT)]},
    },
    minProperties=1,  # not in the real shape, but the real reader fails where a transition or a task is empty
)
_TASK: Final = _only(
    {
        "delay": _TEXT_OR_COUNT,
        "join": {"oneOf": [{"enum": ["all"]}, _COUNT]},
        "with": _only({"items": {"type": "string", "minLength": 1, "pattern": _ITEMS}, "concurrency": _TEXT_OR_COUNT}),
        "action": _TEXT,
        "input": {"oneOf": [_TEXT, _VALUES]},
        "retry": _only({"when": _TEXT, "count": _TEXT_OR_COUNT, "delay": _TEXT_OR_COUNT}, required=["count"]),
        "next": {"type": "array", "items": _TRANSITION},
    },
    minProperties=1,
)
_WORKFLOW: Final = _only(
    {
        "vars": _list_of(_VALUE),
        "input": _list_of({"oneOf": [_TEXT, _VALUE]}),
        "output": _list_of(_VALUE),
        # nor is the last of these: the real reader fails where the name of a task is no word
        "tasks": _VALUES | {"patternProperties": {WORD: _TASK}, "additionalProperties": False},
        "name": _TEXT,
        "version": {"enum": ["1.0", 1.0]},
        "description": _TEXT,
        "tags": _list_of(_TEXT),
    },
    required=["tasks"],
)


def faults(workflow: Any) -> Iterator[tuple[str, Path, Path]]:
    """Give each place where a workflow departs from its shape: the message, the path in it, the path in the schema."""
    try:
        errors = list(_validator().iter_errors(workflow))
    except TypeError:  # a name that is no text
        yield from ((f"{key!r} is not of type 'string'", path, ()) for key, path in _odd_keys(workflow, ()))
        return
    for error in errors:
        # StackStorm unescapes the message, and so spoils what is not ASCII in it.
        yield _unescaped(error.message), tuple(error.absolute_path), tuple(error.absolute_schema_path)


def _odd_keys(value: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    """Give the keys that are no text: YAML reads `on` and `1` as something else."""
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                yield key, path
            yield from _odd_keys(member, (*path, str(key)))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _odd_keys(member, (*path, index))


def written(path: Iterable[str | int]) -> str | None:
    """Write a path as StackStorm's findings do: tasks.first.next[0].do."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or None


def _unescaped(text: str) -> str:
    try:
        return text.encode().decode("unicode_escape")
    except UnicodeDecodeError:
        return text


@cache
def _validator() -> Draft4Validator:
    return Draft4Validator(_WORKFLOW)
