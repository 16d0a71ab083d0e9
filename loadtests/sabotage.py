"""Sabotage: what a load test has to notice, made on purpose by a module that runs in the place of the real one.

Nothing of the product knows of it. A run says which by `--sabotage NAME`, and its report says so too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE: Final = "LOADTESTS_SABOTAGE"
FOLDER_VARIABLE: Final = "LOADTESTS_SABOTAGE_FOLDER"

SLOW_PLUGIN: Final = "slow-plugin"
BROKEN_RECOVERY: Final = "broken-recovery"
LOST_EVENT: Final = "lost-event"
PROVIDER_NEVER_FAILS: Final = "provider-never-fails"
SLOWER_BUILD: Final = "slower-build"

TIMED: Final = "loadtests.apps.timed"
SABOTAGED_WORKER: Final = "loadtests.apps.sabotaged"
ORCHESTRATOR: Final = "orchestrator"
SABOTAGED_ORCHESTRATOR: Final = "loadtests.inside.sabotaged"
PROVIDER: Final = "loadtests.apps.provider"
CALM_PROVIDER: Final = "loadtests.apps.calm_provider"


class SabotageUnknown(ValueError):
    """A name that is no sabotage."""


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One sabotage: the module that each process runs, which without one is the real one.

    `worker_app` is what `celery -A` is given; the others are what `python -m` is given.
    """

    name: str | None = None
    about: str = "nothing is sabotaged"
    worker_app: str = TIMED
    orchestrator: str = ORCHESTRATOR
    provider: str = PROVIDER

    def environ(self, folder: Path) -> dict[str, str]:
        """Give what the modules have to know: which one it is, and a folder of the run for what they count."""
        return {VARIABLE: self.name, FOLDER_VARIABLE: str(folder)} if self.name else {}


_ALL: Final = (
    Sabotage(SLOW_PLUGIN, "the plugin takes 5 ms more over each run", worker_app=SABOTAGED_WORKER),
    Sabotage(BROKEN_RECOVERY, "every tenth redrive fails in the worker", worker_app=SABOTAGED_WORKER),
    Sabotage(LOST_EVENT, "a relay keeps one event back from its sink", orchestrator=SABOTAGED_ORCHESTRATOR),
    Sabotage(PROVIDER_NEVER_FAILS, "the provider's faults do nothing", provider=CALM_PROVIDER),
    Sabotage(
        SLOWER_BUILD,
        "the plugin and the API take 20 % longer",
        worker_app=SABOTAGED_WORKER,
        orchestrator=SABOTAGED_ORCHESTRATOR,
    ),
)
NAMES: Final = tuple(str(each.name) for each in _ALL)


def of(name: str | None) -> Sabotage:
    """Find a sabotage by its name, None for none; raises SabotageUnknown."""
    if name is None:
        return Sabotage()
    found = next((each for each in _ALL if each.name == name), None)
    if found is None:
        raise SabotageUnknown(f"--sabotage: expected one of {', '.join(NAMES)}, got {name!r}")
    return found
