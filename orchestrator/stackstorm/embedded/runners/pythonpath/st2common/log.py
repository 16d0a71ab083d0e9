"""Loggers as StackStorm names them, with its level AUDIT; `from st2common import log as logging` works as there."""

from __future__ import annotations

import functools
import logging
from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING
from typing import Any, Callable

AUDIT = CRITICAL + 10
METHODS = ("debug", "info", "warning", "error", "critical", "exception", "log", "audit")

__all__ = ["AUDIT", "CRITICAL", "DEBUG", "ERROR", "INFO", "WARNING", "getLogger"]


def audit(logger: Any, message: Any, *args: Any, **kwargs: Any) -> None:
    """Log at the level AUDIT."""
    if logger.isEnabledFor(AUDIT):
        logger._log(AUDIT, message, args, **kwargs)


def getLogger(name: str) -> Any:  # noqa: N802 StackStorm's own name
    """Give the logger of a name below `st2`; keys of `extra` may be those of a log record."""
    logger = logging.getLogger(name if name.startswith("st2.") else "st2." + name)
    for method in METHODS:
        found = getattr(logger, method)
        if not hasattr(found, "__wrapped__"):
            setattr(logger, method, _apart(found))
    return logger


def _apart(method: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(method)
    def log(*args: Any, **kwargs: Any) -> None:
        if kwargs.get("extra"):
            kwargs["extra"] = {"_" + name: value for name, value in kwargs["extra"].items()}
        kwargs.setdefault("stacklevel", 2)
        method(*args, **kwargs)

    return log


logging.addLevelName(AUDIT, "AUDIT")
logging.AUDIT = AUDIT  # type: ignore[attr-defined]  # StackStorm adds it, and its log levels are looked up there
logging.Logger.audit = audit  # type: ignore[attr-defined]  # as above
