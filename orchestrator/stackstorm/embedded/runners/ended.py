"""How an action ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ended:
    """How an action ended: a final status of StackStorm, and the result in StackStorm's shape."""

    status: str
    result: dict[str, Any]
