"""The base class of Python actions, under the import path that StackStorm gives it."""

from __future__ import annotations

import logging
from abc import ABCMeta, abstractmethod
from typing import Any


class Action(metaclass=ABCMeta):
    """A Python action. An instance has config (the pack's values), action_service and logger."""

    description: str | None = None

    def __init__(self, config: dict[str, Any] | None = None, action_service: Any = None) -> None:
        self.config = config or {}
        self.action_service = action_service
        self.logger = logging.getLogger(f"st2.actions.python.{type(self).__name__}")

    @abstractmethod
    def run(self, **kwargs: Any) -> Any:
        """Do the work: return a JSON value, or (True, data) or (False, data) to tell success from failure."""
