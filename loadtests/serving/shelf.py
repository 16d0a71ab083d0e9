"""What is known of runs, on disk: it outlives the service. One folder for each run, written file by file as a whole."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from loadtests.serving.run import Ending, State, Wanted

if TYPE_CHECKING:
    from pathlib import Path

WANTED: Final = "wanted.json"
ENDED: Final = "ended.json"
COMMAND: Final = "command.json"
STOP: Final = "stop"
LOG: Final = "log.txt"
SINCE: Final = "since.json"


@dataclass(frozen=True, slots=True)
class Record:
    """One run as it lies on disk; no `ending` as long as it runs, or where it was lost."""

    id: str
    wanted: Wanted
    started_at: datetime
    ending: Ending | None
    folder: Path


@dataclass(frozen=True, slots=True)
class Shelf:
    """The runs of one folder."""

    folder: Path

    def open(self, now: datetime) -> None:
        """Make the folder, and note since when runs are known; an older note stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / SINCE).exists():
            write(self.folder / SINCE, now.isoformat())

    def since(self) -> datetime:
        """Tell since when runs are known."""
        return datetime.fromisoformat(json.loads((self.folder / SINCE).read_text()))

    def add(self, run_id: str, wanted: Wanted, now: datetime) -> Record:
        """Note a run that is about to begin."""
        folder = self.folder / run_id
        folder.mkdir()
        write(folder / WANTED, asdict(wanted) | {"started_at": now.isoformat()})
        return Record(run_id, wanted, now, None, folder)

    def all(self) -> list[Record]:
        """Give every run, oldest first."""
        found = [self._read(each.parent) for each in self.folder.glob(f"*/{WANTED}")]
        return sorted(found, key=lambda each: (each.started_at, each.id))

    def one(self, run_id: str) -> Record | None:
        """Give a run by its id, None for one that is not known."""
        return next((each for each in self.all() if each.id == run_id), None)

    def _read(self, folder: Path) -> Record:
        wanted: dict[str, Any] = json.loads((folder / WANTED).read_text())
        started = datetime.fromisoformat(wanted.pop("started_at"))
        return Record(folder.name, Wanted(**wanted), started, ending_of(folder), folder)


def ending_of(folder: Path) -> Ending | None:
    """Read how a run ended, None where nobody has written it."""
    file = folder / ENDED
    if not file.exists():
        return None
    told = json.loads(file.read_text())
    return Ending(**told | {"state": State(told["state"])})


def write(file: Path, content: object) -> None:
    """Write a file of JSON, whole or not at all."""
    draft = file.with_name(file.name + ".draft")
    draft.write_text(json.dumps(content))
    draft.replace(file)
