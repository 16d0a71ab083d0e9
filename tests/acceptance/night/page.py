"""The page that tells of one night as it was: every screen as it was shown, and what the tasks themselves counted."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Final

import celery

from tests.acceptance.night.pager import END, LEVELS, PAGE
from tests.acceptance.night.terminal import COLUMNS
from tests.acceptance.night.walk import MODEL, PAYMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.acceptance.night.terminal import Screen
    from tests.acceptance.night.walk import Walk

# What is said above each screen, by the verb that was typed; of two screens of one verb, above each.
SAID: Final = (
    "Awake. So that nobody else is woken, the command that the page names for it:",
    "Why is the incident that the page names not moving? Nobody has to read a log for it:",
    "Its provider says that it is back. What would a retry of all that leans on it do? Without `--yes`, nothing:",
    "Then do it. The command shows the progress until the end:",
    "What leans on the other dependency, by the other page, waits for its gate and needs no command. Say who has it:",
    "Later that dependency came back, its gate opened, and its failures went by themselves. What was it all?",
)
# Folders that a traceback names, the longer first.
HERE: Final = (str(Path(celery.__file__).parents[1]), str(Path(__file__).parents[3]))
PAGED: Final = (
    "The ladder has three levels: a chat at once, a phone once a tenth of all that fails has failed of one dependency, "
    "a lead where the phone is not answered for {unanswered} seconds. For payments-api {payments} were told, each "
    "once; for model-api, which nobody acknowledged as a whole, {model}. The two pages as the phone had them, and the "
    "end of the first:"
)
INTRO: Final = """\
{failures:,} tasks of five kinds failed within a few minutes, since the two services they lean on
were away: payments-api ({paying:,} tasks, which nobody declared to be safe to run twice) and
model-api ({reading:,}, which are). Then payments-api came back, and model-api did not. Below are
the two pages that rang the phone, and each command that a person typed from there on with what it
showed, in a terminal of 80 columns. Nothing was typed between, and nothing was changed afterwards,
but that the lines of pages and postmortem are folded, and `...` stands for the folders of the
machine it was played on. `python -m tests.acceptance.night --write docs/night.md` plays the night
again, with real workers, and writes this page.
"""


def page(walk: Walk) -> str:
    """Write the page."""
    return "\n".join(_lines(walk)) + "\n"


def _lines(walk: Walk) -> Iterator[str]:
    night = walk.night
    yield from (f"# A night with {night.failures:,} failed tasks", "")
    counts = {"failures": night.failures, "paying": night.paying, "reading": night.failures - night.paying}
    yield from (_folded(INTRO.format(**counts)), "")
    yield from (_folded(f"Played on {datetime.now(UTC):%Y-%m-%d}, {walk.where}. {_fed(night.fed)}"), "")
    yield from _pages(walk)
    for number, (said, screen) in enumerate(zip(SAID, walk.terminal.screens, strict=True), 1):
        yield from (f"## {number}. `{' '.join(screen.typed.split()[:2])}`", "", _folded(said), "")
        yield from ("```text", *_typed(screen), *_shown(screen), "```", "")
    yield from ("## What the tasks say", "")
    yield from table(figures(walk))


def _pages(walk: Walk) -> Iterator[str]:
    """Show what rang the phone, and what it said when it was over."""
    pager, names = walk.night.pager, {"payments": PAYMENTS, "model": MODEL}
    woken = {key: " and ".join(each.level for each in pager.told(name, PAGE)) for key, name in names.items()}
    yield from ("## What rings the phone", "", _folded(PAGED.format(unanswered=pager.unanswered, **woken)), "")
    ends = (each for each in pager.told(PAYMENTS, END) if each.level == LEVELS[1])
    for message in (*walk.pages.values(), next(ends)):
        yield from ("```text", *_folding(f"{message.title}\n{message.text}"), "```", "")


def _fed(many: int) -> str:
    """Say of how many tasks the first run was not run: their failures are copies of captured ones."""
    return f"The first runs of {many:,} were not run: their failure events are copies of captured ones." if many else ""


def _shown(screen: Screen) -> Iterator[str]:
    """Give the lines of a screen; a document's are folded, and no folder of this machine is named."""
    told = screen.output.rstrip()
    for folder in HERE:
        told = told.replace(folder, "...")
    return _folding(told)


def _folding(text: str) -> Iterator[str]:
    """Fold each line where a terminal ends."""
    for line in text.splitlines():
        inside = " " * (len(line) - len(line.lstrip(" -")))
        yield from wrap(line, COLUMNS, subsequent_indent=inside, drop_whitespace=True) or [""]


def _typed(screen: Screen) -> Iterator[str]:
    """Give the command line, on as many lines as a terminal of this width needs."""
    line = "$"
    for word in (shlex.quote(each) for each in shlex.split(screen.typed)):
        if len(line) + len(word) + 3 > COLUMNS:
            yield f"{line} \\"
            line = "   "
        line += f" {word}"
    yield line


def typed_in(text: str) -> list[str]:
    """Give the commands that a page shows, each as it was typed."""
    found = re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    return [shlex.join(shlex.split(each.replace("\\\n", " "))) for each in found]


def shape(typed: str) -> str:
    """Give a command with its ids left out: these are others in each night."""
    return re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8}\b", "ID", typed)


def figures(walk: Walk) -> dict[str, str]:
    """Give what was measured, each with what it is."""
    truth, last, woken = walk.night.truth.read(), walk.recovery.looks[-1].progress, walk.night.pager
    dry = sorted(walk.dry_seconds)
    return {
        "tasks that failed": f"{walk.night.failures:,}",
        "pages for them, of two dependencies": f"{sum(len(woken.told(each, PAGE)) for each in walk.pages)}",
        "commands that were typed": f"{len(walk.terminal.screens)}",
        "dry runs over HTTP, each": ", ".join(f"{each:.3f}" for each in walk.dry_seconds) + " s",
        "of these the median and the longest": f"{dry[len(dry) // 2]:.3f} s, {dry[-1]:.3f} s",
        "recovered, as the recovery counts": f"{last['recovered']:,} of {last['asked']:,}",
        "gone well, as the tasks of payments-api count": f"{truth.succeeded_of('payments.'):,}",
        "gone well, as the tasks of model-api count": f"{truth.succeeded_of('texts.'):,}",
        "looks at the progress, none against what the tasks say": f"{len(walk.recovery.looks)}",
        "runs that redrives brought": f"{truth.runs_again:,}",
        "of these more than one for one attempt": f"{truth.duplicates}",
        "tasks that went well twice": f"{truth.beyond}",
        "duplicates, as the orchestrator counts": f"{walk.night.told_duplicates()}",
        "from `--yes` to recovered": f"{walk.spans['recovery']:.0f} s",
    }


def table(rows: dict[str, str]) -> Sequence[str]:
    """Give rows as a table, for the page and for whoever plays it."""
    return ["| what | how many |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def _folded(text: str) -> str:
    return fill(text, COLUMNS, break_long_words=False, break_on_hyphens=False)
