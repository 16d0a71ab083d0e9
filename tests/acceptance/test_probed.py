"""With a probe set, an outage costs requests of the probe alone: no task runs into it, each first retry succeeds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.answering import answering, says

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from threading import Event

    from tests.acceptance.field import Field

PROBES = 5


def test_no_task_runs_into_an_outage_that_a_probe_sees(make_field: Callable[..., Field]) -> None:
    """Tasks wait while the probe fails, however often it does; once it passes each runs once more, and well."""
    down: list[bool] = [True]

    def behave(connection: socket.socket, stop: Event) -> None:
        says("503 Service Unavailable" if down else "200 OK")(connection, stop)

    with answering(behave) as provider:
        probe = {"http": f"http://127.0.0.1:{provider.port}/health", "every_seconds": 0.4}
        tables = {"model": {"probe": probe, "half_life": 600, "minimum": 1}}
        field = make_field(environ={"REDRIVE_DEPENDENCIES": json.dumps(tables)})
        outage = field.folder / "down"
        outage.touch()
        results = field.send("fragile", *"abcdefgh")
        field.until("the failures to be planned", lambda: field.incident()["plan"])
        before = len(provider.requests)
        field.until("the probe to fail a few times", lambda: len(provider.requests) >= before + PROBES)
        assert dict(field.runs()) == dict.fromkeys("abcdefgh", 1)
        outage.unlink()
        down.clear()
        field.until("the incident to recover", lambda: field.incident()["state"] == "recovered")
        assert all(result.get(timeout=10) for result in results)
        assert dict(field.runs()) == dict.fromkeys("abcdefgh", 2)
