"""The API, served by uvicorn on a free port of loopback, around a scene that a test can move."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests
import uvicorn

from eventbus.wire import LLM_CALL, TASK_FAILED
from orchestrator.api.app import create_app
from orchestrator.api.needs import Api
from orchestrator.domain.commands import Mode
from orchestrator.domain.events import Lane, Passed, Refusal
from orchestrator.domain.ladders import Watch
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.circuits import MemoryCircuits
from orchestrator.eventlog.reconciliations import MemoryReconciliations
from orchestrator.eventlog.replays_memory import MemoryReplays
from orchestrator.eventlog.subscribers import MemorySubscribers
from orchestrator.flows.accepting import Accepting
from orchestrator.flows.desk import Desk
from orchestrator.observability import Metrics
from orchestrator.warehouse.schema import STORE as WAREHOUSE
from tests.events import event, record
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from sqlalchemy import Engine
    from starlette.types import Receive, Scope, Send


@dataclass
class Served:
    """The API at a URL, and the scene behind it; `checks` may be changed while it serves."""

    scene: Scene
    checks: dict[str, Callable[[], None]] = field(default_factory=dict)
    sink_checks: dict[str, Callable[[], None]] = field(default_factory=dict)
    url: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    write_keys: dict[str, str] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    alert_targets: frozenset[str] = frozenset()
    server: Server | None = None
    warehouse: Engine = field(default_factory=lambda: WAREHOUSE.open("sqlite://"))
    held: set[UUID] = field(default_factory=set)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        """Put the desk beside the scene's log, with two sinks; `held` are the keys that the warehouse has."""
        replays = MemoryReplays(self.scene.log)
        circuits = MemoryCircuits(self.scene.clock)
        self.desk = Desk(
            self.scene.log,
            replays,
            circuits,
            MemoryReconciliations(replays),
            MemorySubscribers(replays, circuits),
            ("warehouse", "rudderstack"),
            {"warehouse": lambda keys: self.held & set(keys)},
        )

    @property
    def parts(self) -> Api:
        """What the handlers get."""
        return Api(
            ledger=self.scene.ledger,
            warehouse=self.warehouse,
            clock=self.scene.clock,
            new_id=uuid4,
            default_mode=Mode.OBSERVE,
            tokens=self.tokens,
            desk=self.desk,
            checks=self.checks,
            sink_checks=self.sink_checks,
            metrics=Metrics().exposition,
            taking_in=Accepting(self.scene.intake),
            write_keys=self.write_keys,
            watch=self.watch,
            alert_targets=self.alert_targets,
        )

    def again(self) -> Served:
        """Serve the scene as it is now."""
        return self.server.serve(self) if self.server else self

    def ask(self, method: str, path: str, body: object = None, **options: Any) -> requests.Response:
        """Send a request; a body is sent as JSON."""
        return requests.request(method, self.url + path, json=body, timeout=10, **options)


@dataclass
class Server:
    """One uvicorn on a free port; it serves whichever application a test puts there."""

    url: str = ""
    app: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to the application of the test that runs."""
        await self.app(scope, receive, send)

    def serve(self, served: Served) -> Served:
        """Serve this from now on."""
        self.app = create_app(served.parts)
        served.url, served.server = self.url, self
        return served


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server, started once: starting and stopping takes longer than a test."""
    made = Server()
    config = uvicorn.Config(made, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off")
    running = uvicorn.Server(config)
    thread = Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server did not start"
        sleep(0.01)
    made.url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    yield made
    running.should_exit = True
    thread.join(10)


@pytest.fixture
def api(server: Server) -> Served:
    """The API on loopback, without a token."""
    return server.serve(Served(Scene()))


@pytest.fixture
def guarded(server: Server) -> Served:
    """The API with tokens."""
    return server.serve(Served(Scene(), tokens={"token": "s3cret", "ann": "anns-own", "stackstorm": "the-pack-s"}))


@pytest.fixture
def desk(api: Served) -> Served:
    """Three calls and a failure: the warehouse refused the first, has the second; the third waits."""
    log = api.scene.log
    for sink in ("warehouse", "rudderstack"):
        log.subscribe(sink, Subscription(frozenset({LLM_CALL})))
    log._clock = api.scene.clock
    log.append([record(event(kind)) for kind in (LLM_CALL, TASK_FAILED, LLM_CALL, LLM_CALL)])
    why = {1: Refusal("it is NaN", "data.cost")}
    log.advance("warehouse", Lane.PRIORITY, 3, epoch=1, passed=Passed(api.scene.now, why, attempts=2))
    api.held.add(log.read(Lane.PRIORITY, 0, 4)[2].record.key)
    return api
