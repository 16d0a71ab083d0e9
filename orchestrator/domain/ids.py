"""Ids made of other ids: a step that is repeated after a crash makes the same row, not a second one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid5

from eventbus.wire import NAMESPACE

if TYPE_CHECKING:
    from uuid import UUID


def derive(*parts: object) -> UUID:
    """Give the id that belongs to these parts, in this order (a name-based UUID, RFC 9562 section 5.5)."""
    return uuid5(NAMESPACE, "/".join(str(part) for part in parts))
