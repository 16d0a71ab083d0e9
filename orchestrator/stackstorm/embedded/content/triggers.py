"""Triggers: a type and the parameters a rule gives it; and the types that every StackStorm has."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.content.schemas import checker, first_problem, standard
from orchestrator.stackstorm.embedded.content.values import TriggerType
from orchestrator.stackstorm.embedded.marks import stable_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CORE: Final = "core"
WEBHOOK: Final = "core.st2.webhook"
INTERVAL: Final = "core.st2.IntervalTimer"
DATE: Final = "core.st2.DateTimer"
CRON: Final = "core.st2.CronTimer"
TIMERS: Final = (INTERVAL, DATE, CRON)
ACTION: Final = "core.st2.generic.actiontrigger"
NOTIFY: Final = "core.st2.generic.notifytrigger"
INQUIRY: Final = "core.st2.generic.inquiry"
KEY: Final = "core.st2.key_value_pair"
# What a StackStorm has and this one does not do: their types are shown, a rule on one is refused.
NEVER_FIRED: Final = {
    "core.st2.action.file_written": "the embedded StackStorm writes no action files",
    "core.st2.sensor.process_spawn": "the embedded StackStorm runs no sensors",
    "core.st2.sensor.process_exit": "the embedded StackStorm runs no sensors",
}


@dataclass(frozen=True)
class Trigger:
    """What rules listen to: a trigger type, with parameters where the type has some.

    What is worked out of both is worked out once: a rule's trigger is asked for it with every execution.
    """

    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pack(self) -> str:
        """The pack of its type."""
        return self.type.split(".", 1)[0]

    @cached_property
    def name(self) -> str:
        """The type's own name; with parameters a UUID, the same for the same parameters after every restart."""
        if not self.parameters:
            return self.type.split(".", 1)[-1]
        digest = hashlib.sha256(f"{self.type}{_text(self.parameters)}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))

    @cached_property
    def ref(self) -> str:
        """The name that trigger instances and executions give it."""
        return f"{self.pack}.{self.name}"

    @cached_property
    def document(self) -> dict[str, Any]:
        """The trigger as the API shows it; not to be changed."""
        mark = hashlib.md5(_text(self.parameters).encode(), usedforsecurity=False).hexdigest()
        uid = f"trigger:{self.pack}:{self.name}:{mark}"
        return {
            "uid": uid,
            "ref": self.ref,
            "name": self.name,
            "pack": self.pack,
            "type": self.type,
            "parameters": dict(self.parameters),
            "id": stable_id(uid),
        }


def parameters_problem(kind: TriggerType, parameters: Mapping[str, Any]) -> tuple[list[str | int], str] | None:
    """Give (path, what is wrong) with the parameters that a rule gives a trigger type, or None."""
    schema = kind.document.get("parameters_schema")
    if not schema:
        return None
    problem = first_problem(dict(parameters), standard(schema))
    if problem is None and not parameters:
        return [], "expected parameters, as the trigger type has some, got none"
    return problem


def payload_check(kind: TriggerType) -> Callable[[Any], str | None]:
    """Make what says what is wrong with a payload of a trigger type, or gives None."""
    schema = kind.document.get("payload_schema")
    check = checker(standard(schema)) if schema else None

    def problem(payload: Any) -> str | None:
        found = check(payload) if check else None
        if found is None and not isinstance(payload, dict | None):
            return f"expected an object, got {type(payload).__name__}"
        return None if found is None else found[1]

    return problem


def _text(parameters: Mapping[str, Any]) -> str:
    return json.dumps(dict(parameters), sort_keys=True, default=str)


def _type(ref: str, description: str, payload: dict[str, Any], parameters: dict[str, Any] | None = None) -> TriggerType:
    document = {
        "description": description,
        "payload_schema": {"type": "object", **payload},
        "parameters_schema": {"type": "object", **parameters, "additionalProperties": False} if parameters else {},
    }
    return TriggerType(CORE, ref.split(".", 1)[1], document)


def _any(*names: str) -> dict[str, Any]:
    return {"properties": {name: {} for name in names}}


def _range(lowest: int, highest: int) -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, {"type": "integer"}], "minimum": lowest, "maximum": highest}


_ZONE = {"timezone": {"type": "string"}}
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_FIRED = {
    "properties": {
        "executed_at": {"type": "string", "format": "date-time"},
        "schedule": {"type": "object"},
    }
}
_EXECUTION = ("execution_id", "status", "start_timestamp", "action_ref", "runner_ref")
CORE_TYPES: Final[dict[str, TriggerType]] = {
    kind.ref: kind
    for kind in (
        _type(
            WEBHOOK,
            "A request to /webhooks/<url>.",
            {"properties": {"headers": {"type": "object"}, "body": {"anyOf": [{"type": "array"}, {"type": "object"}]}}},
            {"properties": {"url": {"type": "string", "required": True}}},
        ),
        _type(
            INTERVAL,
            "Fires again and again, at equal intervals.",
            _FIRED,
            {
                "properties": {
                    **_ZONE,
                    "unit": {"enum": list(_UNITS), "required": True},
                    "delta": {"type": "integer", "required": True},
                }
            },
        ),
        _type(
            DATE,
            "Fires once, at a date and time.",
            _FIRED,
            {"properties": {**_ZONE, "date": {"type": "string", "format": "date-time", "required": True}}},
        ),
        _type(
            CRON,
            "Fires whenever the wall clock of a time zone shows what the fields ask for.",
            _FIRED,
            {
                "properties": {
                    **_ZONE,
                    "year": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    "month": _range(1, 12),
                    "day": _range(1, 31),
                    "week": _range(1, 53),
                    "day_of_week": _range(0, 6),
                    "hour": _range(0, 23),
                    "minute": _range(0, 59),
                    "second": _range(0, 59),
                }
            },
        ),
        _type(ACTION, "An execution has ended.", _any(*_EXECUTION, "action_name", "parameters", "result")),
        _type(
            NOTIFY,
            "An execution that asks for notifications has ended.",
            _any(*_EXECUTION, "end_timestamp", "channel", "route", "message", "data"),
        ),
        _type(
            INQUIRY,
            "An inquiry waits for its answer.",
            {
                "properties": {
                    "id": {"type": "string", "required": True},
                    "route": {"type": "string", "required": True},
                },
                "additionalProperties": False,
            },
        ),
        _type(f"{KEY}.create", "A key of the datastore was created.", _any("object")),
        _type(f"{KEY}.update", "A key of the datastore was set.", _any("object")),
        _type(
            f"{KEY}.value_change", "The value of a key of the datastore has changed.", _any("old_object", "new_object")
        ),
        _type(f"{KEY}.delete", "A key of the datastore was deleted.", _any("object")),
        _type(
            "core.st2.action.file_written", "The file of an action was written.", _any("ref", "file_path", "host_info")
        ),
        _type("core.st2.sensor.process_spawn", "A sensor's process has started.", _any("object")),
        _type("core.st2.sensor.process_exit", "A sensor's process has ended.", _any("object")),
    )
}
