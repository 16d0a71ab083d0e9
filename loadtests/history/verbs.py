"""`python -m loadtests compare A B` and `trend`: the history's two commands."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests.history import nights, texts
from loadtests.history.comparing import compared
from loadtests.history.store import History, HistoryInvalid, of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping

    from loadtests.history.store import Document

HISTORY: Final = Path(".loadtests/history")
SHOWN: Final = 20
DONE, NOTHING_TO_COMPARE, SLOWER = 0, 1, 99


def describe(verbs: Any) -> None:  # noqa: ANN401 - argparse's collection of sub-parsers has no public name
    """Add both commands to those of `python -m loadtests`."""
    two = verbs.add_parser("compare", help="two runs side by side; ends with 99 where the second is slower")
    two.add_argument("first", metavar="A", help="a run's id or its beginning, 'last', or the path of a report.json")
    two.add_argument("second", metavar="B")
    _shared(two, compare)
    line = verbs.add_parser("trend", help="the runs over the nights; ends with 99 where the newest is slower")
    line.add_argument("scenario", nargs="?", metavar="SCENARIO", help="that of the newest run, if none is named")
    line.add_argument("--last", type=_above_zero, default=SHOWN, metavar="N", help=f"runs that are shown ({SHOWN})")
    line.add_argument("--engines", choices=("embedded", "real"), help="those of the newest run, if none are named")
    _shared(line, trend)


def _shared(parser: ArgumentParser, run: Callable[[Namespace], int]) -> None:
    parser.add_argument("--history", type=Path, default=HISTORY, metavar="DIR", help=f"where runs are kept ({HISTORY})")
    parser.add_argument("--json", action="store_true", help="print it as data")
    parser.set_defaults(run=lambda arguments: _told(run, arguments))


def compare(arguments: Namespace) -> int:
    """Print two runs side by side; raises HistoryInvalid."""
    history = History(arguments.history)
    first, second = history.one(arguments.first), history.one(arguments.second)
    told = compared(first, second) | {"trend": nights.against(second, history)}
    print(json.dumps(told) if arguments.json else texts.of_comparison(told))
    return SLOWER if told["trend"]["slower"] else DONE


def trend(arguments: Namespace) -> int:
    """Print the runs that are like the newest one, and what the regression test says of that; raises HistoryInvalid."""
    runs = History(arguments.history).runs(arguments.scenario, arguments.engines)
    if not runs:
        wanted = " ".join(filter(None, (arguments.scenario, arguments.engines))) or "any scenario"
        raise HistoryInvalid(f"expected runs of {wanted} in {arguments.history}, got none; play one first")
    told = trend_of(runs)
    print(json.dumps(told) if arguments.json else texts.of_trend(told, arguments.last))
    return SLOWER if told["slower"] else DONE


def trend_of(runs: list[Document]) -> dict[str, Any]:
    """Hold the newest of the runs against those before it: as `nights.told`, with each run in short and the newest's
    scenario, engines and kind of machine.
    """
    newest = runs[-1]
    earlier = nights.comparable(newest, runs)
    named = {"scenario": newest["scenario"], "engines": newest["engines"], "machine": of(newest)}
    told = nights.told(newest, earlier)
    return told | {"newest": named, "runs": [_short(each) for each in [*earlier, newest]]}


def _short(run: Mapping[str, Any]) -> dict[str, Any]:
    outcome = (run.get("verdict") or {}).get("outcome")
    return {"run_id": run["run_id"], "started_at": run["started_at"], "commit": run.get("commit"), "outcome": outcome}


def _told(run: Callable[[Namespace], int], arguments: Namespace) -> int:
    try:
        return run(arguments)
    except HistoryInvalid as error:
        print(error, file=sys.stderr)
        return NOTHING_TO_COMPARE


def _above_zero(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)
