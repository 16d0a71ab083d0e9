"""The base class of Python actions, under the import path that StackStorm gives it."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any

from .own import PackConfigDict, get_logger_for_python_runner_action


class Action(metaclass=ABCMeta):
    """A Python action. An instance has config (the pack's values), action_service and logger."""

    description = None  # type: str | None

    def __init__(self, config: Any = None, action_service: Any = None) -> None:
        wrapper = getattr(action_service, "_action_wrapper", None)
        self.config = PackConfigDict(getattr(wrapper, "_pack", "unknown"), config or {})
        self.action_service = action_service
        self.logger = get_logger_for_python_runner_action(
            action_name=type(self).__name__, log_level=getattr(wrapper, "_log_level", "debug")
        )

    @abstractmethod
    def run(self, **kwargs: Any) -> Any:
        """Do the work: return a JSON value, or (True, data) or (False, data) to tell success from failure."""
