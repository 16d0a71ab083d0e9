"""Whether an event is what CloudEvents 1.0 and its schema say, and if not, what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs
import orjson

from eventbus.wire import OWN_TYPES, SPEC_VERSION, TYPES, schema_text
from orchestrator.api.ingest.faults import Fault, pointer, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 1_024
MOST_FAULTS: Final = 10
JSON: Final = "application/json"
NEEDED: Final = ("id", "source", "type")
OPTIONAL: Final = ("subject", "dataschema", "datacontenttype")
# Members of the JSON format that are no extensions.
MEMBERS: Final = frozenset({"specversion", "time", "data", "data_base64", *NEEDED, *OPTIONAL})
TOO_DEEP: Final = Fault("/data", "data of at most 250 levels", "more")


def is_json(content_type: str) -> bool:
    """Tell whether a content type is JSON's (RFC 6839 has the suffix)."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in {JSON, "text/json"} or kind.endswith("+json")


def envelope_faults(envelope: Mapping[str, Any]) -> Iterator[Fault]:
    """Find what CloudEvents 1.0 forbids (section 3) of the JSON form of an event, whatever its type."""
    if envelope.get("specversion") != SPEC_VERSION:
        yield Fault("/specversion", f"'{SPEC_VERSION}'", _shown(envelope, "specversion"))
    for name in NEEDED:
        if not _is_text(envelope.get(name)):
            yield Fault(f"/{name}", _TEXT, _shown(envelope, name))
    for name in OPTIONAL:
        if envelope.get(name) is not None and not _is_text(envelope[name]):
            yield Fault(f"/{name}", _TEXT, _shown(envelope, name))
    if envelope.get("time") is not None and moment_of(envelope["time"]) is None:
        yield Fault("/time", "RFC 3339 with an offset", _shown(envelope, "time"))
    if "data_base64" in envelope and "data" in envelope:
        yield Fault("/data_base64", "data or data_base64", "both")
    elif not isinstance(envelope.get("data_base64", ""), str):
        yield Fault("/data_base64", "text in base64", _shown(envelope, "data_base64"))
    for name in envelope.keys() - MEMBERS:
        yield from _extension_faults(name, envelope[name])


def data_faults(event_type: str, envelope: Mapping[str, Any]) -> Iterator[Fault]:
    """Find what the committed schema of one of our own types does not allow; of another type all data is taken.

    What the orchestrator alone makes comes from nobody else.
    """
    if event_type in OWN_TYPES:
        yield Fault("/type", "a type that others make than the orchestrator alone", f"'{event_type}'")
        return
    if event_type not in TYPES:
        return
    if envelope.get("time") is None:
        yield Fault("/time", "RFC 3339 with an offset", "nothing")
    if not is_json(envelope.get("datacontenttype") or JSON):
        yield Fault("/datacontenttype", f"'{JSON}'", _shown(envelope, "datacontenttype"))
    elif not isinstance(envelope.get("data"), Mapping):
        yield Fault("/data", "a JSON object", _shown(envelope, "data"))
    else:
        yield from schema_faults(event_type, envelope["data"])


def schema_faults(event_type: str, data: Mapping[str, Any]) -> Iterator[Fault]:
    """Find what the schema of a type does not allow in its data; or that it is nested too deeply to be told."""
    validator, schema = _compiled(event_type)
    try:
        if not validator.is_valid(data):
            yield from [_fault(error, schema) for error in islice(validator.iter_errors(data), MOST_FAULTS)]
    except ValueError:  # "Recursion limit reached"
        yield TOO_DEEP


def moment_of(time: object) -> datetime | None:
    """Read RFC 3339 with an offset; None for anything else, and for what no clock can show in UTC."""
    try:
        moment = datetime.fromisoformat(time)  # type: ignore[arg-type]  # what is no text is told by the TypeError
        moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None


@cache
def _compiled(event_type: str) -> tuple[jsonschema_rs.Draft202012Validator, Any]:
    schema = orjson.loads(schema_text(event_type))
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True), schema


def _fault(error: jsonschema_rs.ValidationError, schema: Any) -> Fault:  # noqa: ANN401 - JSON
    *_, keyword = error.schema_path
    rule: Any = schema
    for part in error.schema_path:
        rule = rule[part]
    where = pointer("data", *error.instance_path)
    if keyword == "required":
        return Fault(where + pointer(getattr(error.kind, "property", "")), "a value", "nothing")
    if keyword == "type":
        return Fault(where, " or ".join(rule) if isinstance(rule, list) else rule, shown(error.instance))
    return Fault(where, f"{keyword} {rule}", shown(error.instance))


_ALLOWED: Final = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{1,{LONGEST}}}")
_TEXT: Final = f"text of 1 to {LONGEST} characters, none of them a control character"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and _ALLOWED.fullmatch(value) is not None


def _extension_faults(name: object, value: object) -> Iterator[Fault]:
    if not isinstance(name, str) or not name.isascii() or not name.isalnum() or name.lower() != name:
        yield Fault(pointer(name), "an extension's name of a-z and 0-9 only", shown(name))
    elif value is not None and not isinstance(value, str | int):
        yield Fault(pointer(name), "an extension as text, a whole number or a boolean", shown(value))


def _shown(envelope: Mapping[str, Any], name: str) -> str:
    return shown(envelope[name]) if name in envelope else "nothing"
