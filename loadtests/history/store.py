"""The history: each run one JSON file, its report without the series; a broken file is told, not skipped."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Document = dict[str, Any]
SCHEMA: Final = 1
LEFT_OUT: Final = ("series",)
# What a run is compared by: nobody wants a night held against one that the report does not name.
NEEDED: Final = ("run_id", "scenario", "engines", "started_at", "machine", "figures")
RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class HistoryInvalid(ValueError):
    """A file of the history that cannot be read, or a run that it does not have; says what to do."""


@dataclass(frozen=True, slots=True)
class History:
    """Runs in a folder, a file each; the folder is made when the first run is added."""

    folder: Path

    def add(self, document: Mapping[str, Any]) -> Path:
        """Keep a run, whole or not at all, and give its file; the same run again takes its place."""
        kept = {name: value for name, value in document.items() if name not in LEFT_OUT}
        _checked(kept, "the report")
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / f"{kept['run_id']}.json"
        draft = place.with_suffix(".draft")
        draft.write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        return draft.replace(place)

    def runs(
        self, scenario: str | None = None, engines: str | None = None, kind: str | None = None, last: int | None = None
    ) -> list[Document]:
        """Give the runs, oldest first, of a scenario, on engines, on a kind of machine; the `last` ones of them.

        Raises HistoryInvalid for a file that is no run.
        """
        found = sorted(map(read, self.folder.glob("*.json")), key=lambda each: (each["started_at"], each["run_id"]))
        wanted = [
            each
            for each in found
            if scenario in (None, each["scenario"]) and engines in (None, each["engines"]) and kind in (None, of(each))
        ]
        return wanted if last is None else wanted[max(0, len(wanted) - last) :]

    def one(self, name: str) -> Document:
        """Find a run by its id, by its beginning, by the name of its file, or by 'last'; raises HistoryInvalid."""
        if Path(name).is_file():
            return read(Path(name))
        ids = [each["run_id"] for each in self.runs()]
        if name == "last" and ids:
            return read(self.folder / f"{ids[-1]}.json")
        fitting = [each for each in ids if each == name] or [each for each in ids if each.startswith(name)]
        if len(fitting) != 1:
            told = f"{len(fitting)}: {', '.join(fitting[:5])}" if fitting else f"none of {len(ids)}"
            raise HistoryInvalid(
                f"expected one run whose id begins with {name!r} in {self.folder}, got {told}; "
                "give a run's whole id, or the path of its report.json"
            )
        return read(self.folder / f"{fitting[0]}.json")


def read(path: Path) -> Document:
    """Read a run; raises HistoryInvalid."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HistoryInvalid(f"expected the report of a run in {path}, got {error}; move the file away") from None
    _checked(document, str(path))
    found: Document = document
    return found


def of(document: Mapping[str, Any]) -> str:
    """Give the kind of machine that a run was on: only runs on one kind are compared."""
    return str(document["machine"]["kind"])


def _checked(document: object, what: str) -> None:
    if not isinstance(document, dict) or document.get("schema", SCHEMA) != SCHEMA:
        raise HistoryInvalid(f"expected a report of schema {SCHEMA} in {what}, got another; move the file away")
    missing = [name for name in NEEDED if name not in document]
    if missing or not isinstance(document["machine"], dict) or "kind" not in document["machine"]:
        raise HistoryInvalid(
            f"expected {', '.join(missing) or 'machine.kind'} in {what}, got none; "
            "move the file away, it is no report of a run"
        )
    if not RUN_ID.fullmatch(str(document["run_id"])):
        raise HistoryInvalid(
            f"expected a run_id of letters, digits, '.', '_', '-' in {what}, got another; move the file away"
        )
