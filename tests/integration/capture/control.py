"""The control: the same workers and the same bad ends without the plugin, and what Celery itself reports of them."""

from __future__ import annotations

from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from tests.integration.capture.messages import PROPERTIES, Sent
from tests.integration.capture.stage import FIRST_LIFE, Seen, Stage
from tests.integration.capture.worker import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.capture.cases import Case

# Celery looks after a pool every five seconds.
REPORT_PATIENCE = 15.0


@dataclass
class Reported:
    """What Celery's signals said of one case: their names, and whether one of them had the whole message."""

    case: Case
    signals: list[str] = field(default_factory=list)
    whole: bool = False


class Control(Stage):
    """Plays the first life alone."""

    def play_bare(self) -> dict[str, Reported]:
        """Play it; gives what Celery reported of each case."""
        path = self.worker.folder / "signals"
        try:
            self._start(PLUGIN="off", SIGNALS=str(path))
            FIRST_LIFE[self.group](self)
        finally:
            self.worker.clear_away()
            self.orchestra.close()
        return {name: reported(seen, self._reports()) for name, seen in self.seen.items()}

    def _reports(self) -> list[dict[str, Any]]:
        path = self.worker.folder / "signals"
        return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def capture(self, wanted: Callable[[Seen], bool] = lambda _: True) -> None:
        """Wait until Celery has reported what is due, or could have."""
        due = [seen for seen in self.seen.values() if seen.case.way and wanted(seen)]
        with suppress(AssertionError):
            wait_for(
                lambda: all(reported(seen, self._reports()).signals for seen in due), "the reports", REPORT_PATIENCE
            )

    def recover(self, name: str) -> None:
        """Let the redelivered run end."""
        if name in self.seen:
            self.finish(name)


def reported(seen: Seen, reports: list[dict[str, Any]]) -> Reported:
    """Pick the reports of a case, and hold each to the message that was sent."""
    task_id = seen.sent.headers.get("id")
    own = [report for report in reports if report["id"] == task_id]
    signals = [report["signal"] for report in own]
    return Reported(seen.case, signals, any(is_whole(report["found"], seen.sent) for report in own))


def is_whole(found: dict[str, Any], sent: Sent) -> bool:
    """Tell whether a redrive with the same arguments, canvas, headers, properties and routing could be made of it."""
    properties = found.get("properties") or {}
    return (
        _has_body(found, sent)
        and (found.get("headers") or {}).get("my-header") == sent.headers.get("my-header")
        and all(properties.get(name) == sent.properties[name] for name in PROPERTIES)
        and found.get("routing_key") == sent.queue
    )


def _has_body(found: dict[str, Any], sent: Sent) -> bool:
    if "body" in found:
        return b64decode(found["body"]) == sent.body
    try:
        return bool(found.get("arguments") == orjson.loads(sent.body))
    except orjson.JSONDecodeError:
        return False
