"""The two dependencies of the night: a file takes one away, and an HTTP probe sees whether it is there."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

NAMES: Final = ("payments-api", "model-api")


@dataclass(slots=True)
class Outage:
    """Says 503 for each dependency that a file in `folder` takes away, on a free port of loopback."""

    folder: Path
    _server: ThreadingHTTPServer = field(init=False)

    def __enter__(self) -> Self:
        """Begin with both away."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"folder": self.folder}))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        for name in NAMES:
            self._flag(name).touch()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _flag(self, name: str) -> Path:
        return self.folder / f"down-{name}"

    def end(self, name: str) -> None:
        """Bring one back."""
        self._flag(name).unlink(missing_ok=True)

    def settings(self, per_second: int) -> str:
        """Give REDRIVE_DEPENDENCIES: how each is probed, and how many redrives a second it bears."""
        url = f"http://127.0.0.1:{self._server.server_port}"
        budget = {"budget_rate": per_second, "budget_burst": per_second, "max_in_flight": 1000}
        each: dict[str, Any] = {
            name: {"probe": {"http": f"{url}/{name}", "every_seconds": 2}, **budget} for name in NAMES
        }
        return json.dumps(each)


class _Handler(BaseHTTPRequestHandler):
    folder: Path

    def do_GET(self) -> None:
        """Tell whether it is there."""
        down = (self.folder / f"down-{self.path.strip('/')}").exists()
        self.send_response(503 if down else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Say nothing."""
