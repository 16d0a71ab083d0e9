"""What one Locust process has to do of the whole load, what it counts, and by which clock it says when."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from locust import events
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtests.arrivals import Load, LoadInvalid
from loadtests.ends import Ends

if TYPE_CHECKING:
    from locust.env import Environment

log = logging.getLogger(__name__)
# The message by which a master tells its workers among how many web users the rate is shared.
STREAMS: Final = "redrive-streams"


@dataclass(slots=True)
class Share:
    """One process of Locust. No call comes before it is known among how many web users (`streams`) they are shared."""

    load: Load = field(default_factory=lambda: Load(0.0))
    streams: int = 0
    seed: int = 0
    process: int = 0
    ends: Ends = field(default_factory=Ends)
    rate_file: Path | None = None
    front_ahead: float | None = None
    _said: str = ""
    _dice: int = 0

    def rate(self) -> float:
        """Give the calls a second of one web user."""
        return self.look().rate / self.streams if self.streams else 0.0

    def look(self) -> Load:
        """Give what arrives now; a rate file that cannot be read changes nothing, and is said once."""
        if self.rate_file is None:
            return self.load
        try:
            self.load = self.load.changed(self.rate_file.read_text())
        except FileNotFoundError:
            pass
        except LoadInvalid as error:
            if self._said != (text := f"the rate file {self.rate_file}: {error}; the load stays {self.load}"):
                self._said = text
                log.warning("%s", text)
        return self.load

    def dice(self, name: str) -> Random:
        """Give the dice of one more user of this process."""
        self._dice += 1
        return Random(f"{self.seed}/{name}/{self.process}/{self._dice}")

    def on_front(self, moment: float) -> float:
        """Give a moment of this machine's monotonic clock on the front's."""
        return moment + (self.front_ahead or 0.0)


share = Share()


@events.test_start.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _begin(environment: Environment, **_: object) -> None:
    """Take the options of this run, which a worker has from its master, and the web page may have changed."""
    options, runner = environment.parsed_options, environment.runner
    if options is None:
        return
    share.load = Load(options.rate, options.telemetry_rate, options.malformed)
    share.rate_file = Path(options.rate_file) if options.rate_file else None
    share.seed = options.load_seed
    share.process = runner.worker_index if isinstance(runner, WorkerRunner) else 0
    share.ends = Ends()


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _share_out(environment: Environment, **_: object) -> None:
    """Once all users are there, and again after each change, tell among how many web users the rate is shared."""

    def tell(**_: object) -> None:
        runner = environment.runner
        if isinstance(runner, MasterRunner | LocalRunner):
            share.streams = runner.target_user_classes_count.get("WebUser", 0)
        if isinstance(runner, MasterRunner):
            runner.send_message(STREAMS, {"streams": share.streams})

    environment.events.spawning_complete.add_listener(tell)  # type: ignore[no-untyped-call]  # locust's hooks have no types
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.register_message(STREAMS, _told)


def _told(msg: Any, **_: object) -> None:  # noqa: ANN401 - locust has no type for it
    share.streams = int(msg.data["streams"])
