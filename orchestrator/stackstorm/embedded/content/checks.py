"""Checks data against a shape, and says what was expected in the words of the file's author."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # 3.2, which st2client pins, has no types
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # as above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orchestrator.stackstorm.embedded.content.shapes import Shape
    from orchestrator.stackstorm.embedded.content.source import Key, Source
    from orchestrator.stackstorm.embedded.errors import ContentError

Problem = tuple["Key", str]
LONGEST: Final = 60
WORDS: Final = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}
_LIMITS: Final = (
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)
_PATTERNS: Final = {
    "ref": "lower-case letters, digits and underscores",
    "version": "a semantic version such as 0.1.0",
    "stackstorm_version": "a range such as >=3.8.0",
}


def expect(document: Source, shape: Shape) -> dict[str, Any]:
    """Give a file's mapping without the keys that are null and may be left out; raises ContentError with all errors."""
    data = without_nulls(document.data, shape)
    raise_all(document, problems(data, shape))
    found: dict[str, Any] = data
    return found


def raise_all(document: Source, found: Iterable[Problem]) -> None:
    """Raise the first problem as a ContentError that holds the others; nothing where there is none."""
    errors: list[ContentError] = [document.error(key, expected) for key, expected in found]
    if errors:
        errors[0].others = tuple(errors[1:])
        raise errors[0]


def without_nulls(data: Any, shape: Shape) -> Any:
    """Leave out what is null and optional, at any depth that the shape names."""
    if not isinstance(data, dict) or "properties" not in shape:
        return data
    needed = shape.get("required", ())
    return {
        name: without_nulls(value, shape["properties"].get(name, {}))
        for name, value in data.items()
        if value is not None or name in needed or name not in shape["properties"]
    }


def problems(data: Any, shape: Mapping[str, Any], *, show: bool = True) -> Iterator[Problem]:
    """Give each problem as (key path, what was expected, what came); `show` False keeps values out of the words."""
    for error in Draft4Validator(shape).iter_errors(data):
        narrow = best_match([error]) if error.context else error
        yield from said(narrow, show=show)


def pattern_problems(key: Key, parameters: Mapping[str, Any]) -> Iterator[Problem]:
    """Give each pattern of named parameters that is no regular expression."""
    for name, schema in parameters.items():
        try:
            re.compile(str(schema.get("pattern", "")))
        except re.error as error:
            yield (*key, name, "pattern"), f"expected a regular expression, got an error: {error}"


def said(error: Any, *, show: bool) -> Iterator[Problem]:
    """Say one of jsonschema's errors in these words; `show` False keeps the value out."""
    key: Key = tuple(error.absolute_path)
    came = got(error.instance) if show else kind_of(error.instance)
    say: Callable[[Key, Any, str], Iterator[Problem]] = _SAYINGS.get(error.validator, _otherwise)
    yield from say(key, error, came)


def _type(key: Key, error: Any, came: str) -> Iterator[Problem]:
    wanted = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
    yield key, f"expected {' or '.join(WORDS[name] for name in wanted)}, got {came}"


def _required(key: Key, error: Any, _came: str) -> Iterator[Problem]:
    # One error comes for each missing key, all with the same values: the text tells which one this is.
    missing = [name for name in error.validator_value if error.message.startswith(repr(name))]
    yield from ((key, f"expected the key {name!r}, got none") for name in missing)


def _extra(key: Key, error: Any, _came: str) -> Iterator[Problem]:
    if "patternProperties" in error.schema:
        odd = [name for name in error.instance if not re.fullmatch(r"\w+", name)]
        yield from (((*key, name), f"expected a name of letters, digits and underscores, got {name!r}") for name in odd)
        return
    allowed = error.schema.get("properties", {})
    if "immutable" in allowed:
        wanted = "an attribute of JSON Schema draft 4 or secret, position, immutable"
    else:
        wanted = f"one of {', '.join(sorted(allowed))}"
    yield from (((*key, name), f"expected {wanted}, got {name!r}") for name in error.instance if name not in allowed)


def _enum(key: Key, error: Any, came: str) -> Iterator[Problem]:
    yield key, f"expected one of {', '.join(str(value) for value in error.validator_value)}, got {came}"


def _pattern(key: Key, error: Any, came: str) -> Iterator[Problem]:
    words = _PATTERNS.get(str(key[-1]) if key else "", f"text that matches {error.validator_value}")
    yield key, f"expected {words}, got {came}"


def _limit(key: Key, error: Any, came: str) -> Iterator[Problem]:
    yield key, f"expected {error.validator} {error.validator_value}, got {came}"


def _dependencies(key: Key, error: Any, _came: str) -> Iterator[Problem]:
    pairs = ", ".join(f"{one} with {other[0]}" for one, other in error.validator_value.items())
    yield key, f"expected together: {pairs}"


def _otherwise(key: Key, error: Any, came: str) -> Iterator[Problem]:
    yield key, f"expected what {error.validator} in the schema asks for, got {came}"


_SAYINGS: Final[dict[str, Callable[[Key, Any, str], Iterator[Problem]]]] = {
    "type": _type,
    "required": _required,
    "additionalProperties": _extra,
    "enum": _enum,
    "pattern": _pattern,
    "dependencies": _dependencies,
    **dict.fromkeys(_LIMITS, _limit),
}


def got(value: Any) -> str:
    """Say what came: a short value as it is, a structure or long text by its kind."""
    if value is None or isinstance(value, (dict, list)):
        return kind_of(value)
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def kind_of(value: Any) -> str:
    """Name the kind of a value."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    return {dict: "a mapping", list: "a list", str: "text", int: "a whole number", float: "a number"}.get(
        type(value), type(value).__name__
    )
