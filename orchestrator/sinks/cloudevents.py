"""The sink that posts CloudEvents over HTTP: the JSON batch format, or one by one (HTTP protocol binding 1.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.sinks.answers import posted
from orchestrator.sinks.parcels import pack, send_apart
from orchestrator.sinks.posting import session
from orchestrator.sinks.unfit import read, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.domain.events import Deferred, Delivered, Delivery, EventRecord, StoredEvent
    from orchestrator.sinks.parcels import Refused

BATCH: Final = "application/cloudevents-batch+json; charset=utf-8"
SINGLE: Final = "application/cloudevents+json; charset=utf-8"


class CloudEventsSink:
    """Posts to `url`, with `headers` that may hold its key. What it answers holds for all that was in the post.

    `timeout_seconds` holds for connecting and for each read; the whole answer may take three times as long.
    """

    def __init__(  # noqa: PLR0913 - one argument for each key of its table
        self,
        url: str,
        types: Iterable[str],
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 10.0,
        *,
        name: str = "cloudevents",
        single: bool = False,
        ca_file: str | None = None,
    ) -> None:
        self.name = name
        self.types = frozenset(types)
        self._url = url
        self._headers = {**(headers or {}), "Content-Type": SINGLE if single else BATCH}
        self._timeout = timeout_seconds
        self._single = single
        self._verify = ca_file or True
        self._session = session()

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Post the batch, in order; what is refused alone is rejected with what was answered."""
        parcels, refused = pack(batch, _event)
        parts = [[each] for each in parcels] if self._single else [parcels]
        return send_apart(parts, self._post, refused)

    def _post(self, events: list[bytes]) -> Delivered | Deferred | Refused:
        body = events[0] if self._single else b"[" + b",".join(events) + b"]"
        told: dict[str, Any] = {"headers": self._headers, "timeout": self._timeout, "verify": self._verify}
        return posted(
            "the receiver of events",
            f"check url and headers of the sink {self.name}",
            lambda: self._session.post(self._url, data=body, allow_redirects=False, **told),
        )


def _event(record: EventRecord) -> bytes:
    """Give an event's bytes, once they have been found to be an event's."""
    return written(read(record.body))
