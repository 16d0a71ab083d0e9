"""`python -m orchestrator.stackstorm.embedded`: the embedded StackStorm as another program starts it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.serving import Options, serve

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal or the parent's death; answers the exit code (3: it cannot serve what was asked for)."""
    given = _parser().parse_args(arguments)
    options = Options(
        packs=tuple(given.packs),
        configs=given.configs,
        state=given.state,
        host=given.host,
        port=given.port,
        api_key_file=given.api_key_file,
        parent=given.parent_pid,
        slots=given.slots,
        stubs=given.stubs,
        virtualenvs=given.virtualenvs,
    )
    return serve(options, lambda url: _announce(given.ready_file, url))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.stackstorm.embedded", description=__doc__)
    parser.add_argument(
        "--packs", type=Path, action="append", required=True, help="a pack, or a folder of packs; may be repeated"
    )
    parser.add_argument("--configs", type=Path, help="the folder with <pack>.yaml files")
    parser.add_argument(
        "--virtualenvs", type=Path, help="the folder with <pack>/bin/python; beside --configs by default"
    )
    parser.add_argument("--state", type=Path, help="the folder for the state, made where it is not there")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help='gets {"url": ...} once it serves')
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    parser.add_argument("--api-key-file", type=Path, help="ask every request for the key in this file")
    parser.add_argument("--slots", type=int, default=8, help="actions that run at once")
    parser.add_argument("--stubs", action="store_true", help="let tests replace actions by their results")
    return parser


def _announce(ready_file: Path | None, url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    if ready_file is not None:
        partial = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        partial.write_text(json.dumps({"url": url}))
        partial.replace(ready_file)


if __name__ == "__main__":
    sys.exit(main())
