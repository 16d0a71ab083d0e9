"""The options of `python -m loadtests serve`; what serves is imported when it does."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

PORT: Final = 8420
HIGHEST_PORT: Final = 65_535


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--port", type=_port, default=PORT, help=f"where to listen; 0 for any free port ({PORT})")
    parser.add_argument("--host", default="127.0.0.1", help="the address; beyond loopback it needs LOADTESTS_TOKEN")
    parser.add_argument("--out", type=Path, default=Path(".loadtests"), help="where runs and reports lie (.loadtests)")
    parser.add_argument("--scenarios", type=Path, help="a folder with scenarios of your own, NAME.toml")
    parser.add_argument(
        "--public-url",
        type=_url,
        metavar="URL",
        help="where people reach it; as whoever asks calls it, if none is named",
    )
    parser.add_argument("--ready-file", type=Path, help="where its URL is written, as JSON, once it listens")
    parser.set_defaults(run=_serve)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"expected a port of 0 to {HIGHEST_PORT}, got {text!r}")
    return int(text)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise argparse.ArgumentTypeError(f"expected a URL such as https://load.example, got {text!r}")
    return text.rstrip("/") + "/"


def _serve(options: argparse.Namespace) -> int:
    return int(importlib.import_module("loadtests.serving.command").serve(options))
