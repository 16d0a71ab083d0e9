"""What a message goes through before it leaves the worker: the one place for the data of every TASK_FAILED event.

Redacted arguments and denied headers are replaced, secrets taken out of texts, a large body is stored and named by a
claim, and with the operator's keys the whole message is sealed. A fault in here lets a failure leave without its
message, never a message without its redaction.
"""

from __future__ import annotations

import logging
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from eventbus import frozen, scrub
from eventbus.redaction import (
    DENIED_HEADERS,
    LONGEST_REPR,
    RESOLVED,
    Found,
    Redaction,
    Unreadable,
    deny,
    texts_of,
    without,
)
from eventbus.sealing import Keys
from eventbus.searching import found_by
from eventbus.stores import LARGEST_INLINE, Stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from eventbus.redaction import Path as RulePath
    from eventbus.wire import Event

log = logging.getLogger(__name__)

DENY_VARIABLE: Final = "REDRIVE_DENY_HEADERS"
# The headers that Celery itself sets: none of them is ever denied.
_CELERY_S: Final = frozenset(
    (
        *("lang", "task", "id", "root_id", "parent_id", "group", "group_index", "shadow", "retries", "eta", "expires"),
        *("timelimit", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting"),
        *("stamped_headers", "stamps", "compression"),
    )
)
# Names of headers that are known not to be denied: senders have few.
MOST_REMEMBERED: Final = 256
_REPRS: Final = {"args": "argsrepr", "kwargs": "kwargsrepr"}
# How a JSON body of Celery's ends that has no links, callbacks or errbacks.
_NO_LINKS: Final = b'{"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
# What stands in every signature, in links and among arguments.
_SIGNATURE: Final = b'"task"'
_WITHHELD: Final = "[withheld]"


@dataclass(frozen=True, slots=True)
class Departing:
    """Makes messages fit to leave this worker. Made once by `of_worker`; safe to share between threads and forks."""

    redaction: Redaction
    stores: Stores
    redacting: Callable[[], bool] = lambda: False
    keys: Keys | None = field(default=None, repr=False)
    resolvable: bool = False
    _harmless: set[str] = field(default_factory=lambda: set(_CELERY_S), repr=False)

    @classmethod
    def of_worker(  # noqa: PLR0913 - what a worker is told
        cls,
        spool: Path,
        *,
        paths_of: Callable[[str], Sequence[RulePath]] = lambda _task: (),
        redacting: Callable[[], bool] = lambda: False,
        accept: Callable[[], Iterable[str] | None] = lambda: None,
        deny_headers: Iterable[str] = (),
        resolvable: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Read the worker's settings; raises ValueError (KeysInvalid, too) naming the variable that is wrong."""
        denied = {*DENIED_HEADERS, *deny_headers, *environ.get(DENY_VARIABLE, "").split(",")} - {""}
        return cls(
            redaction=Redaction(paths_of, frozenset(name.strip().lower() for name in denied) - _CELERY_S, accept),
            stores=Stores.of(spool, environ),
            redacting=redacting,
            keys=Keys.of(environ),
            resolvable=resolvable,
        )

    def touches(self, task: str, headers: Mapping[str, Any] | None, body: bytes | str) -> bool:
        """Tell whether a message of this task may not be written down as it is; a microsecond where it may."""
        if self.keys is not None or self.redaction.paths_of(task):
            return True
        if headers and not self._harmless.issuperset(headers) and self._denies_among(headers):
            return True
        plain = body if isinstance(body, bytes) else body.encode()
        no_links = plain.endswith(_NO_LINKS) and _SIGNATURE not in plain
        return not no_links and (self.redacting() or self._denies_in(plain))

    def _denies_among(self, headers: Iterable[str]) -> bool:
        """Tell whether one of these headers is denied, or may hold one that is; remember the names that are not."""
        new = [name for name in headers if name not in self._harmless]
        if any(name == "headers" or str(name).lower() in self.redaction.denied for name in new):
            return True
        if len(self._harmless) < MOST_REMEMBERED:
            self._harmless.update(new)
        return False

    def message(self, task: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """Give a message (the data of an event) as a journal may keep it: redacted, and sealed where there are keys."""
        try:
            return self._sealed(self._redacted(task, message, Found()))
        except Exception as error:  # noqa: BLE001 - a message that can't be made fit is not written down
            log.error("message.withheld: of a task %s: %s", task, type(error).__name__)  # noqa: TRY400 - its text may hold a secret
            return without_message(message)

    def of(self, task: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Give the data of a failure's event as it may leave; never raises."""
        found, more = Found(), {}
        try:
            redacted = self._redacted(task, data["message"], found)
            message = self._sealed(self._bounded(redacted))
            exception = self._told(data["exception"], found.values)
            more = self._found_by(task, data.get("declaration") or {}, redacted, found.values)
        except Exception as error:  # noqa: BLE001 - guarantee 4: a failure is told, without what could not be made fit
            log.error("message.withheld: of a task %s: %s", task, type(error).__name__)  # noqa: TRY400 - its text may hold a secret
            exception = {**data["exception"], "message": _WITHHELD, "traceback": "", "chain": []}
            exception.pop("code", None)
            message = without_message(data["message"])
        return {**data, **more, "message": message, "exception": exception}

    def _found_by(
        self, task: str, declaration: Mapping[str, Any], message: Mapping[str, Any], values: Iterable[Any]
    ) -> dict[str, Any]:
        """Give what the failure can be found by; what cannot be read is not told, and keeps nothing else back."""
        try:
            opened = self.keys.open(message) if message.get("sealed") and self.keys is not None else message
            return found_by(opened, declaration, self.redaction, texts_of([*values, *RESOLVED.get()]))
        except Exception as error:  # noqa: BLE001 - guarantee 4: a failure is told, whatever its message holds
            log.warning("arguments.not_told: of a task %s: %s", task, type(error).__name__)
            return {}

    def _redacted(self, task: str, message: Mapping[str, Any], found: Found) -> dict[str, Any]:
        if message.get("sealed") is not None or message.get("missing"):
            return dict(message)
        headers = deny(message["headers"], self.redaction.denied, "headers", found)
        found.values[:] = [frozen.thaw(value) for value in found.values]
        changed = {**message, "headers": headers}
        if self._to_be_read(message):
            changed = self._body_redacted(task, changed, found)
        names = [*dict.fromkeys([*message.get("redacted", ()), *found.paths])]
        if not names:
            return changed
        resolvable = self.resolvable and not found.inner and bool(message.get("resolvable", True))
        return changed | {"redacted": names, "resolvable": resolvable}

    def _to_be_read(self, message: Mapping[str, Any]) -> bool:
        """Tell whether something in the body may have to be replaced: by a rule, or a denied header of a link's."""
        if self.redacting():
            return bool(message["body"])
        return self._denies_in(b64decode(message["body"]))

    def _denies_in(self, body: bytes) -> bool:
        lower = body.lower()
        return any(name.encode() in lower for name in self.redaction.denied)

    def _body_redacted(self, task: str, message: dict[str, Any], found: Found) -> dict[str, Any]:
        inside = Found()
        body = b64decode(message["body"])
        try:
            body = self.redaction.body(task, body, message["content_type"], message["content_encoding"], inside)
        except Unreadable:
            if self.redaction.paths_of(task):
                raise
            return message
        found.paths += inside.paths
        found.values += inside.values
        found.inner = inside.inner
        headers = message["headers"] | {
            name: repr(_as_called(inside.call[root]))[:LONGEST_REPR]
            for root, name in _REPRS.items()
            if message["headers"].get(name) is not None and any(path.startswith(root) for path in inside.paths)
        }
        return message | {"body": b64encode(body).decode(), "headers": headers}

    def _bounded(self, message: dict[str, Any]) -> dict[str, Any]:
        """Store a large body, and name it by its claim."""
        if message.get("sealed") and self.keys is not None:
            message = self.keys.open(message)
        if _bytes_in(message["body"]) <= self.stores.above:
            return message
        plain = b64decode(message["body"])
        name = self.keys.name(plain) if self.keys else None
        body = self.keys.seal_bytes(plain) if self.keys else plain
        claim = self.stores.put(body, name)
        if claim is not None:
            return message | {"body": "", "claim": claim}
        return message if len(body) <= LARGEST_INLINE else without_message(message)

    def _sealed(self, message: dict[str, Any]) -> dict[str, Any]:
        return self.keys.seal(message) if self.keys is not None and not message.get("missing") else message

    @staticmethod
    def _told(exception: Mapping[str, Any], values: Iterable[Any]) -> dict[str, Any]:
        hidden = texts_of([*values, *RESOLVED.get()])
        clean = {name: scrub.text(without(exception[name], hidden)) for name in ("message", "traceback")}
        told = {**exception, **clean, "chain": [scrub.text(each) for each in exception["chain"]]}
        code = told.get("code")
        if code is not None and scrub.text(without(code, hidden)) != code:
            del told["code"]
        return told


def _bytes_in(base64: str) -> int:
    return len(base64) // 4 * 3 - base64[-2:].count("=")


def without_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Give a message of which nothing but its place is known."""
    place = {name: message.get(name) or "" for name in ("exchange", "routing_key")}
    empty = {"body": "", "content_type": "", "content_encoding": "", "headers": {}, "properties": {}}
    return empty | place | {"queue": message.get("queue"), "missing": True}


def bare(event: Event) -> Event:
    """Give a failure's event without its message, for one that cannot be encoded, or is too large to leave."""
    log.error("message.withheld: of a task %s: expected an event that JSON can hold", event.data["task"])
    data = {**event.data, "message": without_message(event.data["message"])}
    return replace(event, data=frozen.freeze(data))


def _as_called(arguments: Any) -> Any:  # noqa: ANN401 - what a serializer gives
    return tuple(arguments) if isinstance(arguments, list) else arguments
