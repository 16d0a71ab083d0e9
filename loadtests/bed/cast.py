"""The processes of a run: how each is started, as values. Nothing here starts one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadtests.bed.urls import QUEUES, REROUTED, WRITE_KEY, Urls, Web, port_of
from loadtests.evidence import Arm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadtests.sabotage import Sabotage

SECONDS_PER_TOKEN: Final = 0.0001
# No answer of the model takes nearly as long: who waits longer asks a line that is dead.
TIMEOUT_SECONDS: Final = 5
DEPENDENCY: Final = "model-provider"
PROBE: Final[Mapping[str, float]] = {"every_seconds": 1, "timeout_seconds": 2}
# The source of telemetry that the producer posts as, by RudderStack's form.
SOURCE: Final = "loadtest"


@dataclass(frozen=True, slots=True)
class Part:
    """One process: what follows the Python interpreter, and what is added to its environment.

    One that is `told` takes --ready-file and --parent-pid; the others read them from their environment. `after` are
    arguments that come last.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    told: bool = True
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """All processes of a run in `folder`, on these places, with this sabotage; `packs` is the folder of the packs."""

    folder: Path
    urls: Urls
    web: Web
    sabotage: Sabotage
    packs: Path
    children: int = 4

    def parts(self) -> list[Part]:
        """List them, in the order in which they are started."""
        workers = [self._worker(arm) for arm in Arm]
        return [*self._outside(), self._stackstorm(), self._orchestrator(), self._front(), *workers]

    def _outside(self) -> list[Part]:
        """List what stands for other people's services."""
        asked = ("--scale", str(SECONDS_PER_TOKEN), "--asked", str(self.folder / "asked.txt"))
        provider = _served(self.sabotage.provider, self.web.provider, *asked)
        data_plane = _served("orchestrator.dev.dataplane", self.web.data_plane, "--state", str(self.folder))
        return [
            Part("collector", _served("loadtests.bed.collector", self.web.otlp)),
            Part("dataplane", data_plane),
            Part("provider", provider, self._sabotaged()),
        ]

    def _stackstorm(self) -> Part:
        places = {"--packs": self.packs, "--configs": self.folder / "configs", "--state": self.folder / "stackstorm"}
        options = [str(each) for pair in places.items() for each in pair]
        return Part("stackstorm", _served("orchestrator.stackstorm.embedded", self.web.stackstorm, *options))

    def _orchestrator(self) -> Part:
        return Part("orchestrator", ("-m", self.sabotage.orchestrator, "run"), self._settings() | self._sabotaged())

    def _settings(self) -> dict[str, str]:
        """Give the orchestrator's settings: all parts, mode act, the model provider probed as workers reach it."""
        probe = {"http": f"{self.web.provider_link}/health", **PROBE}
        return {
            "REDRIVE_BUS_URL": self.urls.bus,
            "REDRIVE_BROKER_URL": self.urls.broker,
            "REDRIVE_LEDGER_URL": self.urls.ledger,
            "REDRIVE_EVENTLOG_URL": self.urls.eventlog,
            "REDRIVE_WAREHOUSE_URL": self.urls.warehouse,
            "REDRIVE_RESULT_BACKEND_URL": self.urls.backend,
            "REDRIVE_STACKSTORM_URL": self.web.stackstorm,
            "REDRIVE_RUDDERSTACK_URL": self.web.data_plane,
            "REDRIVE_RUDDERSTACK_WRITE_KEY": WRITE_KEY,
            "REDRIVE_WRITE_KEYS": f"{SOURCE}={WRITE_KEY}",
            "REDRIVE_JOURNAL_DIR": str(self.folder / "journal"),
            "REDRIVE_DEPENDENCIES": json.dumps({DEPENDENCY: {"probe": probe}}),
            "REDRIVE_API_PORT": str(port_of(self.web.api)),
            "REDRIVE_MODE": "act",
        }

    def _front(self) -> Part:
        log = ("--log", str(self.folder / "sent.txt"))
        return Part("front", _served("loadtests.apps.front", self.web.front, *log), self._app(Arm.OFF))

    def _worker(self, arm: Arm) -> Part:
        name = f"worker-{arm}"
        # Each arm looks at two queues, whether the second is ever used or not: what a look costs is in all of them.
        queues = f"{QUEUES[arm]},{REROUTED if arm is Arm.ON else f'{QUEUES[arm]}-{REROUTED}'}"
        options = ("-c", str(self.children), "-Q", queues, "-n", f"{arm}@%h", "-l", "ERROR", "--without-mingle")
        command = ("-m", "celery", "-A", self.sabotage.worker_app, "worker", *options)
        return Part(name, command, self._app(arm) | self._sabotaged(), told=False)

    def _app(self, arm: Arm) -> dict[str, str]:
        """Give what a worker of the sample app is told, or its front (arm off)."""
        told = {
            "LLM_APP_BROKER": self.urls.broker,
            "LLM_APP_BACKEND": self.urls.backend,
            "LLM_APP_PROVIDER": self.web.provider_link,
            "LLM_APP_TIMEOUT": str(TIMEOUT_SECONDS),
            "LLM_APP_PLUGIN": "off" if arm is Arm.OFF else "on",
            "LLM_APP_STAMPS": str(self.folder / "stamps.txt"),
            "REDRIVE_BUS_URL": self.urls.bus,
            "REDRIVE_SPOOL_DIR": str(self.folder / "spool"),
            "REDRIVE_JOURNAL_DIR": str(self.folder / "journal"),
        }
        traces = {"REDRIVE_TRACES": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": self.web.otlp}
        return told | (traces if arm is Arm.TRACED else {})

    def _sabotaged(self) -> dict[str, str]:
        return self.sabotage.environ(self.folder)


def _served(module: str, url: str, *options: str) -> tuple[str, ...]:
    return ("-m", module, *options, "--port", str(port_of(url)))
