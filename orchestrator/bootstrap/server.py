"""The HTTP server as a part: uvicorn in a thread, stopped with the others."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from threading import Event

    from fastapi import FastAPI

STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class HttpServer:
    """Serves an application on one address until told to stop."""

    app: FastAPI
    host: str
    port: int

    def run(self, stop: Event) -> None:
        """Serve; raises RuntimeError when the address cannot be had."""
        config = uvicorn.Config(
            self.app,
            host=self.host,
            port=self.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        server = uvicorn.Server(config)
        watcher = Thread(target=_stop_with, args=(server, stop, self.app), daemon=True)
        watcher.start()
        try:
            server.run()
        except SystemExit as error:
            raise RuntimeError(f"expected to listen on {self.host}:{self.port}, got {error}") from error


def _stop_with(server: uvicorn.Server, stop: Event, app: FastAPI) -> None:
    stop.wait()
    app.state.streams.stopping = True  # the server waits for what is open
    server.should_exit = True
