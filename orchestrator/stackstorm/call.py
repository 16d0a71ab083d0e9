"""What is asked of StackStorm over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WHAT: Final = "StackStorm"


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of StackStorm; `safe` says that asking twice does no harm."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] | None = None
    data: bytes | None = None
    basic: tuple[str, str] | None = None

    @property
    def safe(self) -> bool:
        """Tell whether it may be asked again though it may have been done."""
        return self.method == "GET" or self.basic is not None
