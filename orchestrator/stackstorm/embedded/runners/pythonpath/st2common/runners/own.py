"""The logger and the configuration that an action has."""

from __future__ import annotations

import logging
from typing import Any

from ..log import getLogger

_loggers = {}  # type: dict[str, logging.Logger]


class PackConfigDict(dict):  # type: ignore[type-arg]  # Python 3.8 knows no dict[...]
    """A pack's configuration; a value that is not there is an error that says so."""

    def __init__(self, pack_name: str, *args: Any) -> None:
        super().__init__(*args)
        self._pack_name = pack_name

    def __getitem__(self, key: Any) -> Any:
        if key not in self:
            raise ValueError(
                f'Config for pack "{self._pack_name}" is missing key "{key}". '
                f"Set it in configs/{self._pack_name}.yaml, and register the pack again."
            )
        return super().__getitem__(key)


def get_logger_for_python_runner_action(action_name: str, log_level: str = "debug") -> Any:
    """Give the logger of an action class, which writes to stderr; the same one each time."""
    name = "actions.python." + action_name
    level = getattr(logging, log_level.upper(), logging.DEBUG)
    if name not in _loggers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)-12s: %(levelname)-8s %(message)s"))
        _loggers[name] = getLogger(name)
        _loggers[name].addHandler(handler)
    logger = _loggers[name]
    if logger.level != level:
        logger.setLevel(level)
    return logger
