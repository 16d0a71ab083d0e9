"""The timed sample app, sabotaged: `celery -A loadtests.apps.sabotaged worker`, with what LOADTESTS_SABOTAGE names.

Nothing of the product knows of it: hooks of the plugin are wrapped here, and so is the task. A worker without the
plugin runs the same, and nothing of it is reached.
"""

from __future__ import annotations

import fcntl
import os
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eventbus import telemetry
from eventbus.parent import Parent
from eventbus.sender import Sender
from eventbus.tracer import Tracer
from eventbus.wire import ATTEMPT_HEADER
from loadtests import sabotage
from loadtests.apps.llm_app import call_model
from loadtests.apps.timed import app
from loadtests.slowing import delayed, replace, stretched

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["app"]

SLOW_SECONDS: Final = 0.005
SLOWER_SHARE: Final = 0.2
EVERY: Final = 10
# One of these ends each run in the child.
ENDS: Final = ("_succeeded", "_ended", "_left")
# Where the plugin does its work, by what owns it: in the child, in the worker's main process, in the sender's thread.
WORK: Final[tuple[tuple[object, tuple[str, ...]], ...]] = (
    (Tracer, (*ENDS, "failed", "_skips")),
    (Parent, ("queue_of", "began", "admit", "failing", "failed")),
    (Sender, ("handle",)),
    (telemetry, ("record",)),
)


class RedriveBroken(RuntimeError):
    """Every tenth redrive ends so."""


def slow_plugin() -> None:
    """Have the plugin wait 5 ms at the end of each run."""
    for name in ENDS:
        replace(Tracer, name, partial(delayed, seconds=SLOW_SECONDS))


def slower_build() -> None:
    """Have all that the plugin does take a fifth more of the processor."""
    for owner, names in WORK:
        for name in names:
            replace(owner, name, partial(stretched, share=SLOWER_SHARE))


def broken_recovery(counter: Path) -> None:
    """Let every tenth redrive fail before it asks the model; the children of a worker count in one file."""
    replace(call_model, "run", partial(_breaking, counter=counter))


def _breaking(run: Callable[..., Any], counter: Path) -> Callable[..., Any]:
    @wraps(run)
    def broken(*args: Any, **options: Any) -> object:
        if (call_model.request.headers or {}).get(ATTEMPT_HEADER) and counted(counter) % EVERY == 0:
            raise RedriveBroken("expected the redrive to run, got sabotage: every tenth one fails")
        return run(*args, **options)

    return broken


def counted(counter: Path) -> int:
    """Count one more in a file, and give how many there are by now; processes take turns."""
    with counter.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b".")
        file.flush()
        return file.tell()


def _sabotage(name: str | None, folder: Path) -> None:
    made: dict[str, Callable[[], None]] = {
        sabotage.SLOW_PLUGIN: slow_plugin,
        sabotage.SLOWER_BUILD: slower_build,
        sabotage.BROKEN_RECOVERY: lambda: broken_recovery(folder / "redrives.count"),
    }
    if name in made:
        made[name]()


_sabotage(sabotage.of(os.environ.get(sabotage.VARIABLE)).name, Path(os.environ.get(sabotage.FOLDER_VARIABLE, ".")))
