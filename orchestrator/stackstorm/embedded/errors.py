"""What can go wrong: a file that cannot be loaded, and a request that cannot be served."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ContentError(Exception):
    """A file of a pack that a StackStorm would refuse, or that cannot be read: names file, key and line.

    `others` holds what else is wrong with the same file.
    """

    def __init__(
        self,
        path: Path | str,
        key: str,
        expected: str,
        line: int | None = None,
        others: tuple[ContentError, ...] = (),
    ) -> None:
        super().__init__(located(path, key, line, expected))
        self.path = str(path)
        self.key = key
        self.line = line
        self.expected = expected
        self.others = others


def located(path: Path | str, key: str, line: int | None, said: str) -> str:
    """Write what is said of a place in a file: file, line, key (or `file` for the whole of it)."""
    where = f"{path}:{line}" if line else f"{path}"
    return f"{where}: {key or 'file'}: {said}"


class Fault(Exception):
    """A request's answer when it cannot be served: an HTTP status, and StackStorm's `faultstring`."""

    def __init__(self, status: int, faultstring: str) -> None:
        super().__init__(faultstring)
        self.status = status
        self.faultstring = faultstring


class ParameterError(ValueError):
    """A parameter that cannot be rendered, converted or validated; the text is StackStorm's own."""
