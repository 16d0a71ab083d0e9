"""The command: `python -m eventbus lint APP [--json] [--ignore ID]`. Exit codes: 0 nothing, 1 findings, 2 usage."""

from __future__ import annotations

import argparse
import json
import os
import sys
from difflib import get_close_matches
from fnmatch import filter as matching
from platform import node
from typing import TYPE_CHECKING, Any, Final

from eventbus import scrub
from eventbus.declaration import DeclarationError
from eventbus.lint.checks import IDS, findings_of, heard, not_installable
from eventbus.lint.loading import AppUnreadable, load
from eventbus.lint.reading import read
from eventbus.lint.report import as_data, as_text, refused_as_data, refused_as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING: Final = 0
FINDINGS: Final = 1
USAGE: Final = 2
IGNORED: Final = "REDRIVE_LINT_IGNORE"
# The 90th percentile of the outages of two model providers, 307 minutes, and some.
HOLD_SECONDS: Final = 21_600.0


def main(arguments: Sequence[str]) -> int:
    """Lint one app, print what was found on stdout, and give the exit code."""
    options = _parser().parse_args(arguments)
    ignored = [*options.ignore, *os.environ.get(IGNORED, "").split(",")]
    ignored = [each.strip() for part in ignored for each in part.split(",") if each.strip()]
    unknown = [each for each in ignored if not matching(IDS, each)]
    if unknown:
        return _refuse(f"expected ids of findings to ignore, got {', '.join(map(_with_meant, unknown))}")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as `celery -A` does: an app lies where one works
    try:
        return _lint(options, ignored)
    except AppUnreadable as error:
        return _refuse(str(error))


def _lint(options: argparse.Namespace, ignored: list[str]) -> int:
    try:
        app = read(load(options.app), hostname=node(), hold=options.hold, pool=options.pool)
    except DeclarationError as error:
        finding = not_installable(str(error))
        _say(refused_as_data(options.app, finding) if options.as_json else refused_as_text(options.app, finding))
        return FINDINGS
    findings = heard(findings_of(app), ignored)
    _say(as_data(app, findings, ignored) if options.as_json else as_text(app, findings))
    return FINDINGS if findings else NOTHING


def _say(content: str | dict[str, Any]) -> None:
    sys.stdout.write(f"{content if isinstance(content, str) else json.dumps(content, indent=2)}\n")


def _refuse(why: str) -> int:
    sys.stderr.write(f"lint: {scrub.text(why)}\n")
    return USAGE


def _with_meant(name: str) -> str:
    close = get_close_matches(name, IDS, n=1)
    return f"{name} (meant: {close[0]}?)" if close else name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eventbus", description=__doc__)
    lint = parser.add_subparsers(required=True, metavar="lint").add_parser("lint", help="look at a Celery app")
    lint.add_argument("app", metavar="APP", help="as for `celery -A`: proj, proj.celery:app")
    lint.add_argument("--json", action="store_true", dest="as_json", help="print a document")
    lint.add_argument("--ignore", action="append", default=[], metavar="ID", help="leave out; * matches, commas divide")
    lint.add_argument("--pool", help="the pool that `celery worker -P` is given; worker_pool when left out")
    lint.add_argument("--hold", type=float, default=HOLD_SECONDS, metavar="SECONDS", help="how long an outage may last")
    return parser
