"""What the exit codes of `redrive` mean."""

from __future__ import annotations

from typing import Final

from orchestrator.bootstrap.parts import UnknownPart
from orchestrator.domain.errors import Conflict, DependencyUnreachable, NotFound, RedriveError, SettingsInvalid

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
SETTINGS_INVALID: Final = 3
UNREACHABLE: Final = 4
PARTLY: Final = 5
INTERRUPTED: Final = 130

EXIT_CODES: Final[dict[type[RedriveError], int]] = {
    SettingsInvalid: SETTINGS_INVALID,
    UnknownPart: USAGE,
    DependencyUnreachable: UNREACHABLE,
    NotFound: FAILED,
    Conflict: FAILED,
}
