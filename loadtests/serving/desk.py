"""The desk: starts a run where none is going, tells how each stands, and stops one. What it knows lies on disk."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from secrets import token_hex
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from loadtests.scenarios.reading import shipped
from loadtests.serving.run import Ending, State, Verdict, unreadable, verdict_of
from loadtests.serving.shelf import COMMAND, LOG, STOP, Record, Shelf, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from loadtests.serving.run import Wanted

COMMANDED: Final = (sys.executable, "-m", "loadtests")
# A keeper that has written the end is gone in a moment.
FREE_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.05
# A run stops a dozen processes, one after the other; what does not listen for so long is killed.
STOP_SECONDS: Final = 90.0


class FolderInUse(RuntimeError):
    """Another service works in this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"expected a folder that no other service works in, got {folder}; stop that one, or name another"
        )


class Going(RuntimeError):
    """A run is going: a second one beside it would measure the first."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"expected no run to be going, got {run_id}; wait for its end, or stop it")
        self.run_id = run_id


class KeyReused(RuntimeError):
    """An idempotency key came again with another request."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"expected the same request with the same idempotency_key, got another than that of {run_id}")


class ScenarioUnknown(RuntimeError):
    """Nothing is to be played by this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"expected a scenario of {', '.join(known)}, or of the folder --scenarios, got {name}")


@dataclass(frozen=True, slots=True)
class Run:
    """How one run stands now; `report` is the folder of its reports, None where it made none."""

    record: Record
    state: State
    report: Path | None = None

    @property
    def verdict(self) -> Verdict | None:
        """Judge it by its report, which is read for that; None as long as it runs."""
        if self.record.ending is None:
            return None
        try:
            return verdict_of(self.record.ending, self.document())
        except (OSError, ValueError) as error:
            return unreadable(error)

    def document(self) -> dict[str, Any] | None:
        """Read its report, None where it made none; raises OSError or ValueError for one that is gone or broken."""
        if self.report is None:
            return None
        told = json.loads((self.report / "report.json").read_text())
        if isinstance(told, dict) and isinstance(told.get("verdict"), dict):
            return told
        raise ValueError(f"expected a report with a verdict in {self.report}, got something else")


@dataclass(slots=True)
class Desk:
    """The runs of one folder of load tests (`out`).

    `command` is what a scenario's name is added to, `scenarios` a folder of those that do not ship.
    """

    out: Path
    command: Sequence[str] = COMMANDED
    scenarios: Path | None = None
    stop_seconds: float = STOP_SECONDS
    _mutex: Lock = field(default_factory=Lock)
    _claim: int = -1
    # Collected when they have ended: nobody else waits for them.
    _keepers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def shelf(self) -> Shelf:
        """Where the runs lie."""
        return Shelf(self.out / "serving")

    def open(self) -> None:
        """Claim the folder until this process ends; raises FolderInUse."""
        self.out = self.out.absolute()
        self.shelf.open(datetime.now(UTC))
        self._claim = os.open(self.shelf.folder / "service.lock", os.O_CREAT | os.O_RDWR, 0o600)
        if not _locked(self._claim):
            os.close(self._claim)
            raise FolderInUse(self.out)

    def close(self) -> None:
        """Let the folder go; a run that is going goes on."""
        os.close(self._claim)

    def start(self, wanted: Wanted) -> tuple[Run, bool]:
        """Start a run; gives it, and whether it is new. Raises Going, KeyReused, ScenarioUnknown."""
        with self._mutex:
            known = _known(self._standings(), wanted)
            if known:
                return known, False
            command = self._command(wanted)
            with self._free() as lock:
                now = datetime.now(UTC)
                record = self.shelf.add(f"{now:%Y%m%dT%H%M%SZ}-{wanted.scenario}-{token_hex(3)}", wanted, now)
                self._spawn(record, command, lock)
            return Run(record, State.RUNNING), True

    def _spawn(self, record: Record, command: list[str], lock: int) -> None:
        told = {"out": str(self.out), "command": command, "stop_seconds": self.stop_seconds}
        write(record.folder / COMMAND, told | {"timeout_seconds": record.wanted.timeout_seconds})
        keeper = [sys.executable, "-m", "loadtests.serving.keeper", str(record.folder), "--lock", str(lock)]
        with (record.folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                keeper, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(lock,), start_new_session=True
            )
        self._keepers.append(process)

    def _command(self, wanted: Wanted) -> list[str]:
        engines = ["--engines", wanted.engines] if wanted.engines else []
        seed = ["--seed", str(wanted.seed)] if wanted.seed is not None else []
        return [*self.command, self._place(wanted.scenario), "--out", str(self.out), *engines, *seed]

    def _place(self, scenario: str) -> str:
        """Give the file of a scenario of one's own, else the name of one that ships; raises ScenarioUnknown."""
        file = self.scenarios / f"{scenario}.toml" if self.scenarios else None
        if file and file.is_file():
            return str(file.absolute())
        if scenario not in shipped():
            raise ScenarioUnknown(scenario, shipped())
        return scenario

    @contextmanager
    def _free(self) -> Iterator[int]:
        """Hold the lock that says that a run is going; whoever inherits it holds it on. Raises Going."""
        lock = os.open(self.shelf.folder / "run.lock", os.O_CREAT | os.O_RDWR, 0o600)
        deadline = time.monotonic() + FREE_SECONDS
        try:
            while not _locked(lock):
                going = next((each.id for each in reversed(self.shelf.all()) if each.ending is None), "")
                if going or time.monotonic() > deadline:
                    raise Going(going or "one that nobody knows")
                time.sleep(POLL_SECONDS)
            yield lock
        finally:
            os.close(lock)

    def runs(self) -> list[Run]:
        """Give every run, oldest first."""
        with self._mutex:
            return self._standings()

    def run(self, run_id: str) -> Run | None:
        """Give one run, None for one that is not known."""
        return next((each for each in self.runs() if each.record.id == run_id), None)

    def stop(self, run_id: str) -> Run | None:
        """Ask a run that is going to stop, and leave any other as it is; gives it, None for one that is not known."""
        found = self.run(run_id)
        if found and found.state is State.RUNNING:
            (found.record.folder / STOP).touch()
        return found

    def _standings(self) -> list[Run]:
        """Look whether anybody holds the lock first: whoever let it go has written the end before."""
        going, records = self._going(), self.shelf.all()
        return [_standing(each, self.out, going=going and each is records[-1]) for each in records]

    def _going(self) -> bool:
        self._keepers = [each for each in self._keepers if each.poll() is None]
        lock = os.open(self.shelf.folder / "run.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            return not _locked(lock)
        finally:
            os.close(lock)


def _known(runs: Sequence[Run], wanted: Wanted) -> Run | None:
    """Find the run that a key was given for; raises KeyReused where it was for another one."""
    for run in runs:
        if run.record.wanted.idempotency_key == wanted.idempotency_key:
            if run.record.wanted != wanted:
                raise KeyReused(run.record.id)
            return run
    return None


def _standing(record: Record, out: Path, *, going: bool) -> Run:
    if record.ending is None and going:
        return Run(record, State.RUNNING)
    ending = record.ending or Ending(State.LOST, None, "")
    folder = out / "runs" / ending.report if ending.report else None
    return Run(replace(record, ending=ending), ending.state, folder)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
