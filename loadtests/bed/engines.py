"""What a run's broker, bus, result backend and databases are: SQLite files, or servers of the run's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import psycopg

from loadtests.bed import programs, urls
from loadtests.bed.cast import Part
from loadtests.bed.ports import free_port
from loadtests.bed.urls import Urls
from loadtests.scenarios import scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

POSTGRESQL, RABBITMQ, REDIS, EPMD = "postgresql", "rabbitmq", "redis", "epmd"
DATABASES: Final = ("ledger", "eventlog", "warehouse")
TOOL_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.05


class Engines(Protocol):
    """The engines of one run. `parts` are the servers to start, in order; then `prepare`."""

    urls: Urls
    # Which of the parts is the database, and which the broker; none where they are files.
    database: str | None
    broker: str | None

    def parts(self) -> list[Part]:
        """Make what the servers need, and list them; raises EngineMissing."""

    def prepare(self) -> None:
        """Make what has to be in the servers once they serve."""

    def close(self) -> None:
        """Remove what is not in the run's folder."""


def of(kind: scenario.Engines, folder: Path) -> Engines:
    """Choose the engines of a run in a folder."""
    return Files(urls.embedded(folder)) if kind is scenario.Engines.EMBEDDED else Servers(folder)


@dataclass(slots=True)
class Files:
    """SQLite files, which need nothing."""

    urls: Urls
    database: str | None = None
    broker: str | None = None

    def parts(self) -> list[Part]:
        """List no server."""
        return []

    def prepare(self) -> None:
        """Make nothing: each file is made by who opens it first."""

    def close(self) -> None:
        """Remove nothing."""


@dataclass(slots=True)
class Servers:
    """A PostgreSQL cluster, a RabbitMQ node with an epmd, and a Redis, on free ports of loopback.

    PostgreSQL's files are in a folder of their own, since it may have to run as another user, who must reach them.
    """

    folder: Path
    database: str | None = POSTGRESQL
    broker: str | None = RABBITMQ
    urls: Urls = field(init=False)
    _ports: Mapping[str, int] = field(init=False)
    _cluster: Path | None = None

    def __post_init__(self) -> None:
        names = (POSTGRESQL, RABBITMQ, REDIS, EPMD, "distribution")
        self._ports = {name: free_port() for name in names}
        amqp = f"amqp://guest:guest@127.0.0.1:{self._ports[RABBITMQ]}//"
        redis = f"redis://127.0.0.1:{self._ports[REDIS]}/0"
        self.urls = Urls(amqp, amqp, redis, *(self._database(name) for name in DATABASES))

    def _database(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._ports[POSTGRESQL]}/{name}"

    def parts(self) -> list[Part]:
        """Make the cluster's files, and list the four servers."""
        return [self._postgresql(), self._redis(), self._epmd(), self._rabbitmq()]

    def _postgresql(self) -> Part:
        place, user = programs.postgresql(), programs.unprivileged()
        self._cluster = Path(tempfile.mkdtemp(prefix="redrive-postgresql-"))
        data = self._cluster / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            self._cluster.chmod(0o755)
            os.chown(data, user.pw_uid, user.pw_gid)
        made = [place / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        subprocess.run(made, check=True, capture_output=True, timeout=TOOL_SECONDS, **as_user)  # type: ignore[call-overload]  # typeshed wants each key
        where = ("-D", str(data), "-p", str(self._ports[POSTGRESQL]), "-k", str(data), "-h", "127.0.0.1")
        # SIGINT ends it without waiting for those who are connected.
        options = ("--signal", "SIGINT", *(() if user is None else ("--user", user.pw_name)))
        return self._server(POSTGRESQL, (str(place / "postgres"), *where), *options)

    def _redis(self) -> Part:
        place = ("--port", str(self._ports[REDIS]), "--bind", "127.0.0.1", "--dir", str(self.folder))
        return self._server(REDIS, (str(programs.redis()), *place, "--save", "", "--appendonly", "no"))

    def _epmd(self) -> Part:
        """Describe Erlang's name server: a node that finds none starts one, which would stay."""
        port = str(self._ports[EPMD])
        return self._server(EPMD, (str(programs.epmd()), "-port", port, "-address", "127.0.0.1"))

    def _rabbitmq(self) -> Part:
        home = self.folder / RABBITMQ
        home.mkdir(exist_ok=True)
        config = home / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.local = 127.0.0.1:{self._ports[RABBITMQ]}\n")
        (home / "enabled_plugins").write_text("[].\n")
        # Without its own standard input the start script becomes the node, which then gets the signals itself.
        told = {
            "HOME": str(home),
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_NODENAME": f"redrive{self._ports[RABBITMQ]}@localhost",
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_DIST_PORT": str(self._ports["distribution"]),
            "ERL_EPMD_PORT": str(self._ports[EPMD]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        return self._server(RABBITMQ, (str(programs.rabbitmq()), "-noinput"), environ=told)

    def _server(
        self, name: str, program: tuple[str, ...], *options: str, environ: Mapping[str, str] | None = None
    ) -> Part:
        command = ("-m", "loadtests.bed.server", "--port", str(self._ports[name]), *options)
        return Part(name, command, environ or {}, after=("--", *program))

    def prepare(self) -> None:
        """Make the databases, once the cluster answers; raises psycopg.OperationalError."""
        server = self._database("postgres")
        await_answer(server)
        with psycopg.connect(server, autocommit=True) as admin:
            for name in DATABASES:
                admin.execute(f'CREATE DATABASE "{name}"'.encode())

    def close(self) -> None:
        """Remove the cluster's files."""
        if self._cluster is not None:
            shutil.rmtree(self._cluster, ignore_errors=True)


def await_answer(url: str) -> None:
    """Wait until a PostgreSQL server takes connections, and no longer says that it starts; raises OperationalError."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=3).close()
            return
        time.sleep(LOOK_SECONDS)
    psycopg.connect(url, connect_timeout=3).close()
