"""The producer of telemetry: posts batches of events, in turn as CloudEvents and as a RudderStack SDK does."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import uuid4

from locust import events

from loadtests.stamps import line
from loadtests.users.arriving import Arriving, expecting
from loadtests.users.noting import append
from loadtests.users.share import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.env import Environment

BATCH: Final = 10
TYPE: Final = "com.example.page.seen"
SOURCE: Final = "urn:redrive:loadtest"


class Producer(Arriving):
    """One stream of `--telemetry-rate` batches a second; the ids of those with a receipt go to --accepted."""

    fixed_count = 1
    api: ClassVar[str] = ""
    write_key: ClassVar[str] = ""
    accepted: ClassVar[str | None] = None

    def on_start(self) -> None:
        """Take the token, where there is one."""
        super().on_start()
        token = os.environ.get("REDRIVE_API_TOKEN")
        self._authorized = {"Authorization": f"Bearer {token}"} if token else {}

    def rate(self) -> float:
        """Give the batches a second."""
        return share.look().telemetry_rate

    def arrive(self, intended: float) -> None:
        """Post one batch; who has no receipt forgets it."""
        ids = [str(uuid4()) for _ in range(BATCH)]
        if self.dice.random() < 0.5:  # noqa: PLR2004 - one in two
            headers = {**self._authorized, "Content-Type": "application/cloudevents-batch+json"}
            self._post("/v1/events", intended, ids, json.dumps([_event(each) for each in ids]), headers, 202)
        else:
            key = b64encode(f"{self.write_key}:".encode()).decode()
            headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
            self._post(
                "/v1/batch", intended, ids, json.dumps({"batch": [_message(each) for each in ids]}), headers, 200
            )

    def _post(  # noqa: PLR0913, PLR0917 - what a batch is
        self, path: str, intended: float, ids: Sequence[str], body: str, headers: dict[str, str], expected: int
    ) -> None:
        answer = self.ask(
            "POST", self.api + path, f"POST {path}", intended, expecting(expected), data=body, headers=headers
        )
        if answer is not None and self.accepted:
            append(self.accepted, "".join(line("accepted-event", each) for each in ids))


def _event(event_id: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"specversion": "1.0", "id": event_id, "source": SOURCE, "type": TYPE, "time": now, "data": {"page": "home"}}


def _message(message_id: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    told = {"type": "track", "userId": "load-test", "event": "Page Seen", "properties": {"page": "home"}}
    return told | {"messageId": message_id, "originalTimestamp": now, "sentAt": now}


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _point_at_the_api(environment: Environment, **_: object) -> None:
    options = environment.parsed_options
    if options:
        Producer.api, Producer.write_key, Producer.accepted = options.api_url, options.write_key, options.accepted
