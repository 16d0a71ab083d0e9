"""Messages in RudderStack's form as events: whole, under their own messageId, at the time that their sender meant."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.wire import RUDDERSTACK_MESSAGE, SPEC_VERSION, Event
from orchestrator.api.ingest.checking import JSON, LONGEST, MOST_FAULTS, moment_of, schema_faults
from orchestrator.api.ingest.faults import Fault, shown, unfit
from orchestrator.domain.ids import derive
from orchestrator.flows.accepting import Arrival
from orchestrator.flows.intake import refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

SOURCE: Final = "urn:redrive:source:"
REFUSED: Final = "redrive.rudderstack.refused.v1"
WHO: Final = ("userId", "anonymousId")
# So much of a message that is nested too deeply is kept.
LEVELS: Final = 200
_TOO_DEEP: Final = Fault("", "a message of at most 250 levels", "more")


def arrival_of(
    message: object, source: str, now: datetime, new_id: Callable[[], UUID], *, suspect: bool
) -> Arrival | list[Fault]:
    """Give the event of a message, or what is wrong with it. One without a messageId gets a new one, and stays so."""
    if not isinstance(message, dict):
        return [Fault("", "a message as a JSON object", shown(message))]
    try:
        faults = list(islice(unfit(message), MOST_FAULTS)) if suspect else []
    except RecursionError:
        return [_TOO_DEEP]
    happened = when(message, now)
    message_id = _text(message.get("messageId")) or str(new_id())
    data = {**message, "messageId": message_id, "timestamp": message.get("timestamp") or happened.isoformat()}
    faults = faults or _faults(data)
    if faults:
        return faults
    return _arrival(Event(message_id, SOURCE + source, RUDDERSTACK_MESSAGE, happened, data))


def _arrival(event: Event) -> Arrival | list[Fault]:
    """Encode it here: what was read from JSON, and found fit, needs no second look."""
    envelope = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.isoformat(),
        "datacontenttype": JSON,
        "dataschema": event.dataschema,
        "data": event.data,
    }
    try:
        return Arrival(event, orjson.dumps(envelope))
    except TypeError:
        return [_TOO_DEEP]


def _faults(data: dict[str, Any]) -> list[Fault]:
    faults = list(schema_faults(RUDDERSTACK_MESSAGE, data))
    faults = [Fault(each.field.removeprefix("/data"), each.expected, each.got) for each in faults]
    if not any(_text(data.get(name)) for name in WHO):
        faults.append(Fault("/userId", "userId or anonymousId with something in it", shown(data.get("userId"))))
    if len(data["messageId"]) > LONGEST or not data["messageId"].isprintable():
        faults.append(Fault("/messageId", f"printable text of at most {LONGEST} characters", shown(data["messageId"])))
    return faults


def when(message: dict[str, Any], now: datetime) -> datetime:
    """Tell when it happened, as the gateway does: what the message says, else by the sender's clock set right by ours.

    https://www.rudderstack.com/docs/event-spec/standard-events/common-fields/#clock-skew-considerations
    """
    said = moment_of(message.get("timestamp"))
    if said is not None:
        return said
    began, sent = moment_of(message.get("originalTimestamp")), moment_of(message.get("sentAt"))
    if began is None:
        return now
    try:
        return now - (sent - began) if sent else began
    except OverflowError:
        return began


def kept_refused(message: object, source: str, why: str, now: datetime) -> Arrival:
    """Keep a message that was refused, with the reason: whole, or where that cannot be written, its upper levels.

    Of a type of its own: what a stranger sends must not fill the room that the log keeps for failures.
    """
    try:
        body = json.dumps(message).encode()
    except RecursionError:
        body = json.dumps(cut(message)).encode()
    event = refused(body, why, now)
    return Arrival(replace(event, id=str(derive(source, event.id)), source=SOURCE + source, type=REFUSED))


def cut(value: object, levels: int = LEVELS) -> object:
    """Give a value of JSON without what lies deeper than so many levels."""
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return "..."
    if isinstance(value, list):
        return [cut(each, levels - 1) for each in value]
    return {name: cut(each, levels - 1) for name, each in value.items()}


def _text(value: object) -> str:
    """Give an id as text; a blank one counts for none, as it does for the gateway."""
    return str(value).strip() if isinstance(value, str | int) else ""
