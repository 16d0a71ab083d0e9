"""The action that a rehearsal runs."""

from __future__ import annotations

import importlib
from typing import Any

Action = importlib.import_module("st2common.runners.base_action").Action


class Rehearsed(Action):  # type: ignore[misc, valid-type]  # mypy does not see packs' import path
    """Does nothing of its own."""

    def run(self, number: int) -> Any:
        """Give something of each kind that JSON has."""
        return {"number": number, "texts": ["text", None, True, 1.5]}
