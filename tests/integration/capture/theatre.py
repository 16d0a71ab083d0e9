"""All stages that a session's tests look at, played side by side, each once."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.capture.cases import BY_NAME, Case, Group
from tests.integration.capture.stage import Seen, Stage
from tests.services import own_redis_database, own_vhost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUSES = ("rabbitmq", "redis", "sqlite")
NEWEST, OLDER = "5.7", "5.6"
AT_A_TIME = 3
LOCK = Path(__file__).parents[2] / "celery56.lock"


@dataclass(frozen=True)
class Cell:
    """A bus, and a version of Celery."""

    bus: str
    version: str = NEWEST


@dataclass
class Theatre:
    """Plays the stages of the wanted cases. `folder` holds logs and files, `cache` outlives the session."""

    folder: Path
    cache: Path
    wanted: dict[Cell, set[str]] = field(default_factory=lambda: defaultdict(set))
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_A_TIME))
    _played: dict[tuple[Cell, Group], Future[dict[str, Seen]]] = field(default_factory=dict)
    _pythons: dict[str, str] = field(default_factory=lambda: {NEWEST: sys.executable})

    def want(self, cell: Cell, cases: Iterable[str]) -> None:
        """Note before the first look what the session's tests will look at."""
        self.wanted[cell].update(cases)

    def look(self, cell: Cell, name: str) -> Seen:
        """Give what became of a case; the first look raises the curtain for all."""
        if not self._played:
            self._play_all()
        return self._played[cell, BY_NAME[name].group].result()[name]

    def figures(self, cell: Cell, names: Iterable[str]) -> str:
        """Give how many failures each bad end of a way made in the ledger, and of how many events on the bus."""
        seen = [self.look(cell, name) for name in names if BY_NAME[name].way]
        return ", ".join(f"{len(each.failures)} ({len(each.events)})" for each in seen)

    def _play_all(self) -> None:
        for group in Group:
            for cell, names in self.wanted.items():
                cases = [case for case in BY_NAME.values() if case.name in names and case.group is group]
                if cases:
                    self._played[cell, group] = self._pool.submit(self._play, cell, group, cases, self.python(cell))

    def python(self, cell: Cell) -> str:
        """Give the interpreter that has a version of Celery."""
        if cell.version not in self._pythons:
            self._pythons[cell.version] = python_of_celery56(self.cache)
        return self._pythons[cell.version]

    def _play(self, cell: Cell, group: Group, cases: list[Case], python: str) -> dict[str, Seen]:
        folder = self.folder / f"{cell.bus}-{cell.version}-{group.name.lower()}"
        folder.mkdir()
        with bus(cell.bus, folder) as url:
            return Stage(folder, url, python, group, cases).play()

    def close(self) -> None:
        """Wait for what still plays."""
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def bus(name: str, folder: Path) -> Iterator[str]:
    """Give the URL of a bus of its own."""
    if name == "rabbitmq":
        with own_vhost() as url:
            yield url
    elif name == "redis":
        with own_redis_database() as url:
            yield url
    else:
        yield f"redrive+sqlite:///{folder}/bus.sqlite"


def python_of_celery56(cache: Path) -> str:
    """Make the environment of tests/celery56.lock, once for each content of that file; gives its interpreter."""
    folder = cache / sha256(LOCK.read_bytes()).hexdigest()[:16]
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", str(LOCK)]
        subprocess.run(command, check=True, timeout=300)
        done.touch()
    return str(python)
