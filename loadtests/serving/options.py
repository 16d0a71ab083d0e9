"""The options of `python -m loadtests serve`; what serves is imported when it does."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse

PORT: Final = 8420


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--port", type=int, default=PORT, help=f"where to listen; 0 for any free port ({PORT})")
    parser.add_argument("--host", default="127.0.0.1", help="the address; beyond loopback it needs LOADTESTS_TOKEN")
    parser.add_argument("--out", type=Path, default=Path(".loadtests"), help="where runs and reports lie (.loadtests)")
    parser.add_argument("--scenarios", type=Path, help="a folder with scenarios of your own, NAME.toml")
    parser.add_argument("--ready-file", type=Path, help="where its URL is written, as JSON, once it listens")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    return int(importlib.import_module("loadtests.serving.command").serve(options))
