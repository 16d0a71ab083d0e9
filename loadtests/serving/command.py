"""`python -m loadtests serve`: plays scenarios for whoever asks over HTTP, one at a time."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Final

import uvicorn

from loadtests.serving.access import TokenMissing, orchestrator, read_token
from loadtests.serving.desk import COMMANDED, Desk, FolderInUse
from loadtests.serving.service import create_app
from loadtests.serving.telling import teller

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

FAILED: Final = 1
STOP_SECONDS: Final = 5


def serve(options: argparse.Namespace) -> int:
    """Serve until told to stop; a run that is going goes on. Gives 1 where it cannot serve."""
    desk = Desk(options.out, COMMANDED, options.scenarios)
    try:
        token, tell = read_token(os.environ, options.host), teller(*orchestrator())
        desk.open()
        listener = socket.create_server((options.host, options.port))
    except (TokenMissing, FolderInUse, OSError) as error:
        print(f"loadtests: {error}", file=sys.stderr)
        return FAILED
    app = create_app(desk, token, tell, options.public_url)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=STOP_SECONDS)
    _announce(f"http://{options.host}:{listener.getsockname()[1]}", options.ready_file)
    uvicorn.Server(config).run(sockets=[listener])
    desk.close()
    return 0


def _announce(url: str, ready_file: Path | None) -> None:
    print(f"loadtests listens on {url}", file=sys.stderr, flush=True)
    if ready_file:
        draft = ready_file.with_name(ready_file.name + ".draft")
        draft.write_text(json.dumps({"url": url}))
        draft.replace(ready_file)
