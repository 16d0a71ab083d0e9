"""The shape of each kind of file as StackStorm's own schemas have it, in JSON Schema draft 4; whole numbers included.

A key that may be left out may also be null, as in StackStorm: see `without_nulls` in `checks`.
"""

from __future__ import annotations

from typing import Any, Final

Shape = dict[str, Any]

TEXT: Final[Shape] = {"type": "string"}
FLAG: Final[Shape] = {"type": "boolean"}
MAP: Final[Shape] = {"type": "object"}
LIST: Final[Shape] = {"type": "array"}
TEXTS: Final[Shape] = {"type": "array", "items": TEXT}
TAGS: Final[Shape] = {"type": "array", "items": MAP}
_COUNT: Final[Shape] = {"type": "integer", "minimum": 0}
_NUMBER: Final[Shape] = {"type": "number"}
_NESTED: Final[Shape] = {"$ref": "#/definitions/nested"}
_NESTED_LIST: Final[Shape] = {"type": "array", "minItems": 1, "items": _NESTED}
_NESTED_MAP: Final[Shape] = {"type": "object", "additionalProperties": _NESTED}
_FLAG_OR_NESTED: Final[Shape] = {"anyOf": [FLAG, _NESTED]}
KINDS: Final = ("array", "boolean", "integer", "null", "number", "object", "string")


def mapping(needed: str, optional: dict[str, Shape], *, open_: bool = False) -> Shape:
    """Make the shape of a mapping: `needed` names the keys that must be there, all of them text or in `optional`."""
    names = needed.split()
    shape: Shape = {"type": "object", "properties": {**dict.fromkeys(names, TEXT), **optional}}
    return shape | ({"required": names} if names else {}) | ({} if open_ else {"additionalProperties": False})


def _schema_keywords(kind: Shape) -> dict[str, Shape]:
    """Give the keywords of a parameter's schema: draft 4, with `required` as a boolean and StackStorm's own three."""
    return {
        **dict.fromkeys(("id", "$schema", "title", "description", "pattern"), TEXT),
        **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "uniqueItems"), FLAG),
        **dict.fromkeys(("required", "secret", "immutable"), FLAG),
        **dict.fromkeys(("maximum", "minimum"), _NUMBER),
        **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"), _COUNT),
        **dict.fromkeys(("definitions", "properties", "patternProperties"), _NESTED_MAP),
        **dict.fromkeys(("additionalItems", "additionalProperties"), _FLAG_OR_NESTED),
        **dict.fromkeys(("allOf", "anyOf", "oneOf"), _NESTED_LIST),
        "default": {},
        "multipleOf": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        "position": {"type": "number", "minimum": 0},
        "items": {"anyOf": [_NESTED, _NESTED_LIST]},
        "dependencies": {"type": "object", "additionalProperties": {"anyOf": [_NESTED, TEXTS]}},
        "enum": {"type": "array", "minItems": 1, "uniqueItems": True},
        "not": _NESTED,
        "type": kind,
    }


_ONE_KIND: Final[Shape] = {"enum": list(KINDS)}
_KINDS: Final[Shape] = {"anyOf": [_ONE_KIND, {"type": "array", "items": _ONE_KIND, "minItems": 1, "uniqueItems": True}]}
_BOUNDS: Final[Shape] = {
    "dependencies": {"exclusiveMaximum": ["maximum"], "exclusiveMinimum": ["minimum"]},
}
PARAMETER: Final[Shape] = {**mapping("", _schema_keywords(_ONE_KIND)), **_BOUNDS}
PARAMETERS: Final[Shape] = {
    "type": "object",
    "patternProperties": {r"^\w+$": PARAMETER},
    "additionalProperties": False,
}
DEFINITIONS: Final[Shape] = {
    # StackStorm 3.8 and 3.9 take other keywords below the first level, and packs use them: `$ref`, `format`.
    "nested": {**mapping("", _schema_keywords(_KINDS), open_=True), **_BOUNDS},
}
_NOTICE: Final[Shape] = mapping("", {"message": TEXT, "data": MAP, "routes": LIST, "channels": LIST})
_COMPUTED: Final = {"id": TEXT, "ref": TEXT, "uid": TEXT, "pack": TEXT, "metadata_file": TEXT}

ACTION: Final[Shape] = {
    "definitions": DEFINITIONS,
    **mapping(
        "name runner_type",
        {
            **_COMPUTED,
            "description": TEXT,
            "enabled": FLAG,
            "entry_point": TEXT,
            "parameters": PARAMETERS,
            "output_schema": {**mapping("", _schema_keywords(_ONE_KIND), open_=True), **_BOUNDS},
            "tags": TAGS,
            "notify": mapping("", {"on-complete": _NOTICE, "on-failure": _NOTICE, "on-success": _NOTICE}),
        },
    ),
}
RULE_TYPES: Final = ("standard", "backstop")
# StackStorm takes from trigger types and sensors what it knows, and leaves the rest: other keys are no error.
TRIGGER: Final[Shape] = mapping(
    "name",
    {**_COMPUTED, "description": TEXT, "payload_schema": MAP, "parameters_schema": MAP, "tags": TAGS},
    open_=True,
)
RULE: Final[Shape] = mapping(
    "name trigger action",
    {
        **_COMPUTED,
        "description": TEXT,
        "enabled": FLAG,
        "type": mapping("ref", {"ref": {"enum": list(RULE_TYPES)}, "parameters": MAP}),
        "trigger": mapping("type", {"description": TEXT, "parameters": MAP, "ref": TEXT}, open_=True),
        "criteria": MAP,
        "action": mapping("ref", {"description": TEXT, "parameters": MAP}),
        "context": MAP,
        "tags": TAGS,
    },
)
ALIAS: Final[Shape] = mapping(
    "name action_ref formats",
    {
        **_COMPUTED,
        "description": TEXT,
        "enabled": FLAG,
        "formats": {
            "type": "array",
            "items": {"anyOf": [TEXT, mapping("", {"display": TEXT, "representation": TEXTS}, open_=True)]},
        },
        "ack": mapping("", {"enabled": FLAG, "format": TEXT, "extra": MAP, "append_url": FLAG}, open_=True),
        "result": mapping("", {"enabled": FLAG, "format": TEXT, "extra": MAP}, open_=True),
        "extra": MAP,
        "immutable_parameters": MAP,
    },
)
SENSOR: Final[Shape] = mapping(
    "class_name entry_point",
    {
        **_COMPUTED,
        "description": TEXT,
        "entry_point": {"type": "string", "minLength": 1},
        "artifact_uri": TEXT,
        "enabled": FLAG,
        "poll_interval": {"type": "number", "minimum": 4},
        "trigger_types": {"type": "array", "items": TRIGGER},
    },
    open_=True,
)
POLICIES: Final = ("action.concurrency", "action.concurrency.attr", "action.retry")
POLICY: Final[Shape] = mapping(
    "name resource_ref policy_type",
    {
        **_COMPUTED,
        "description": TEXT,
        "enabled": FLAG,
        "policy_type": {"enum": list(POLICIES)},
        "parameters": {
            "type": "object",
            "patternProperties": {r"^\w+$": {"type": ["array", "boolean", "number", "object", "string"]}},
            "additionalProperties": False,
        },
    },
)
CONCURRENCY: Final[Shape] = mapping(
    "threshold", {"threshold": {"type": "integer", "minimum": 0}, "action": {"enum": ["delay", "cancel"]}}
)
REF: Final = r"^[a-z0-9_]+$"
_SEMANTIC: Final = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9a-z.-]+)?(\+[0-9a-z.-]+)?$"
_RANGE: Final = r"^((>?>|>=|=|<=|<?<)\s*[0-9]+\.[0-9]+\.[0-9]+(\s*,)?\s*)+$"
CONFIG_SCHEMA: Final[Shape] = {"definitions": DEFINITIONS, **PARAMETERS, "minProperties": 1}
PACK: Final[Shape] = mapping(
    "name description version author",
    {
        "ref": {"type": "string", "pattern": REF},
        "version": {"type": "string", "pattern": _SEMANTIC},
        "stackstorm_version": {"type": "string", "pattern": _RANGE},
        "python_versions": {
            "type": "array",
            "items": {"enum": ["2", "3"]},
            "minItems": 1,
            "maxItems": 2,
            "uniqueItems": True,
        },
        "id": TEXT,
        "uid": TEXT,
        "keywords": TEXTS,
        "email": TEXT,
        "contributors": {"type": "array", "items": {"type": "string", "maxLength": 100}},
        "files": TEXTS,
        "dependencies": TEXTS,
        "system": MAP,
        "path": TEXT,
    },
    open_=True,
)
