"""A person who has events sent again and again, whatever happens to the orchestrator meanwhile."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

import requests

if TYPE_CHECKING:
    from random import Random

    from loadtests.crash.clients import Client

EVERY_SECONDS: Final = 0.3
ASKED: Final = 20
ANSWER_SECONDS: Final = 30
ACCEPTED: Final = 202


@dataclass(slots=True)
class Asker:
    """Asks for replays of a few accepted events to every sink; `replays` counts those that were taken."""

    api: str
    client: Client
    dice: Random
    replays: int = 0
    last_answer: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="asker")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            known = list(self.client.accepted)
            # The older half: what has just been accepted may not have been delivered, and is not sent again then.
            older = known[: len(known) // 2]
            if older:
                self._ask(self.dice.sample(older, min(ASKED, len(older))))

    def _ask(self, wanted: list[str]) -> None:
        body = {"event_ids": wanted, "dead": False, "reason": "bench crash"}
        try:
            answer = requests.post(
                f"{self.api}/api/v1/events/replay",
                json=body,
                headers={"Idempotency-Key": str(uuid4())},
                timeout=ANSWER_SECONDS,
            )
        except requests.RequestException as error:
            self.last_answer = type(error).__name__
            return
        self.last_answer = f"{answer.status_code}: {answer.text[:300]}"
        self.replays += answer.status_code == ACCEPTED
