"""The place of a message: where its task was published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchestrator.domain.failures import TaskMessage

# Celery's native delayed delivery puts 28 binary digits before the routing key.
DELAY_PREFIX: Final = re.compile(r"^(?:[01]\.){28}")


def home_of(message: TaskMessage) -> tuple[str, str]:
    """Give the exchange and the routing key that a task was published with."""
    return message.exchange, DELAY_PREFIX.sub("", message.routing_key)
