"""The verb that shows one live screen of what an operator watches."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.answers import NoAnswer, NotNow
from orchestrator.cli.asking import DEFAULT_API, Api, call, text_of
from orchestrator.cli.board import MOST_RECOVERIES, Seen, board
from orchestrator.cli.following import Pace
from orchestrator.cli.lines import USUAL, width
from orchestrator.cli.naming import OPEN
from orchestrator.cli.times import now

if TYPE_CHECKING:
    from rich.text import Text

LEAST_ROWS: Final = 16
# The newest of those that are open: enough to have the largest among them, and cheap to ask for again and again.
NEWEST: Final = 200
UNDER_WAY: Final = "state=running&state=paused&state=proposed"


def top(
    every: Annotated[float, typer.Option(min=0.5, max=60, help="Look again after so many seconds.")] = 2.0,
    *,
    once: Annotated[bool, typer.Option("--once", help="One screen; so it is where stdout is no terminal.")] = False,
    api: Api = DEFAULT_API,
) -> None:
    """Show live what has failed, how dependencies are, what is on its way, how late things are. Ctrl-C ends it."""
    looking = Looking(api)
    if once or not sys.stdout.isatty():
        for line in _frame(looking.look()):
            typer.echo(line)
        return
    try:
        _live(looking, every)
    except KeyboardInterrupt:
        return


@dataclass(slots=True)
class Looking:
    """Asks the API for what the screen shows, five small requests each time, and remembers how recoveries move."""

    api: str
    paces: defaultdict[str, Pace] = field(default_factory=lambda: defaultdict(Pace))

    def look(self) -> Seen:
        """Ask once; raises as every request does."""
        recoveries = self._list(f"recovery/retries?limit={MOST_RECOVERIES}&{UNDER_WAY}", "retries")
        at = time.monotonic()
        for each in recoveries:
            self.paces[each["id"]].saw(each["progress"], at)
        return Seen(
            at=now(),
            summary=call("GET", self.api, "/api/v1/summary"),
            incidents=self._list(f"incidents?limit={NEWEST}&{OPEN}", "incidents"),
            dependencies=self._list("dependencies?limit=100", "dependencies"),
            recoveries=recoveries,
            metrics=b"".join(text_of(self.api, "/metrics", "text/plain")).decode(errors="replace"),
            rates={each["id"]: self.paces[each["id"]].rate for each in recoveries},
        )

    def _list(self, path: str, member: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = call("GET", self.api, f"/api/v1/{path}")[member]
        return found


def _frame(seen: Seen) -> list[str]:
    return board(seen, width(), max(get_terminal_size(USUAL).lines - 1, LEAST_ROWS))


def _live(looking: Looking, every: float) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        lines: list[str] = []
        while True:
            try:
                lines, away = _frame(looking.look()), ""
            except (NoAnswer, NotNow):
                away = f"no answer from {looking.api}; asked again every {every:g} s"
            live.update(_text(lines, away), refresh=True)
            time.sleep(every)


def _text(lines: list[str], away: str) -> Text:
    """Give the screen as text in which nothing is markup."""
    from rich.text import Text

    return Text("\n".join([*lines, *([away] if away else [])]), no_wrap=True, overflow="crop", end="")
