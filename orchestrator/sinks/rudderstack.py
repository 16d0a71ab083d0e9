"""The sink that sends events to a RudderStack data plane, each under a messageId that stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import requests

from orchestrator.domain.events import Deferred, Delivered, Outcome
from orchestrator.sinks import sdk
from orchestrator.sinks.messages import TYPES, posts, write
from orchestrator.sinks.parcels import Refused, pack, send_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.events import Delivery, StoredEvent
    from orchestrator.sinks.messages import Message

OK: Final = 200
# 413 is refused like 400: halved until what is too large stands alone.
TOO_LARGE: Final = 413
REFUSED: Final = frozenset({400, TOO_LARGE})
TIMED_OUT: Final = 408
TOO_MANY: Final = 429
SERVER_ERRORS: Final = 500


class RudderStackSink:
    """Posts to `data_plane_url`/v1/batch, for the source of `write_key`.

    `timeout_seconds` holds for connecting and for each read; the whole answer may take three times as long.
    """

    types = TYPES

    def __init__(
        self, data_plane_url: str, write_key: str, timeout_seconds: float, *, name: str = "rudderstack"
    ) -> None:
        self.name = name
        self._url = data_plane_url
        self._write_key = write_key
        self._timeout = timeout_seconds

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Send the batch in posts below the gateway's limits; what it refuses alone is rejected with its answer."""
        parcels, refused = pack(batch, write)
        return send_apart(posts(parcels), self._post, refused)

    def _post(self, messages: list[Message]) -> Delivered | Deferred | Refused:
        try:
            return decide(sdk.post(self._url, self._write_key, [each.body for each in messages], self._timeout))
        except requests.RequestException as error:
            return Deferred(f"no answer from the data plane: {type(error).__name__}")


def decide(answer: sdk.Answer) -> Delivered | Deferred | Refused:
    """Tell what an answer means for the batch. Only a 200 has it committed; only 400 and 413 speak of its events."""
    said = f"the data plane answered {answer.status}: {answer.text}"
    if answer.status == OK:
        return Delivered()
    if answer.status in REFUSED:
        return Refused(said, too_large=answer.status == TOO_LARGE)
    if answer.status == TOO_MANY:
        return Deferred(said, answer.retry_after, Outcome.THROTTLE)
    if answer.status == TIMED_OUT or answer.status >= SERVER_ERRORS:
        return Deferred(said, answer.retry_after)
    what_next = "check the write key, the source and the data plane's URL"
    return Deferred(f"config: {said}; {what_next}", answer.retry_after, Outcome.CONFIG)
