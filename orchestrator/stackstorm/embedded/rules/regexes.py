"""Regular expressions of rules, with an end to each search: one that backtracks without end stops no server.

Python's engine cannot be interrupted and holds the interpreter's lock. So the work a pattern could make is bounded
first, from its structure and the text's length; what may take long runs in a process of its own, which is killed.
"""

from __future__ import annotations

import json
import re
import selectors
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]  # the parsed form of a pattern has no public name
from re import _parser as parser  # type: ignore[attr-defined]  # as above
from typing import Any, Final

LIMIT_SECONDS: Final = 0.5
# About 10 ms of Python's engine.
INLINE_STEPS: Final = 1e6

_REPEATS: Final = (codes.MAX_REPEAT, codes.MIN_REPEAT)
_PROGRAM: Final = """
import json, re, sys
for line in sys.stdin:
    pattern, text, flags, anchored = json.loads(line)
    compiled = re.compile(pattern, flags)
    found = (compiled.match if anchored else compiled.search)(text) is not None
    sys.stdout.write("1" if found else "0")
    sys.stdout.flush()
"""


class RegexTimeout(Exception):
    """A pattern that was not decided in time."""


def found(pattern: Any, text: Any, flags: int = 0, *, whole_start: bool = False) -> bool:
    """Tell whether a pattern is found in a text, at its start only if `whole_start`; raises RegexTimeout, re.error."""
    compiled = re.compile(pattern, flags)
    if not isinstance(text, str) or _steps(pattern, flags, len(text)) <= INLINE_STEPS:
        return (compiled.match if whole_start else compiled.search)(text) is not None
    return _elsewhere.found(pattern, text, flags, whole_start)


@lru_cache(maxsize=1024)
def _steps(pattern: str, flags: int, length: int) -> float:
    """Bound the steps of a search: the ways in which the pattern can take up text, from each place of the text."""
    try:
        return _ways(parser.parse(pattern, flags), length) * (length + 1)
    except OverflowError:
        return float("inf")


def _ways(parts: Any, length: int) -> float:
    ways = 1.0
    for code, value in parts:
        ways *= _ways_of(code, value, length)
    return ways


def _ways_of(code: Any, value: Any, length: int) -> float:
    if code in _REPEATS:
        lowest, highest, inner = value
        turns = min(int(highest), length)
        each = _ways(inner, length)
        return float(each**turns * (turns - min(lowest, turns) + 1))
    if code is codes.BRANCH:
        return float(sum(_ways(branch, length) for branch in value[1]))
    if code is codes.SUBPATTERN:
        return _ways(value[-1], length)
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return _ways(value[1], length)
    if code is codes.GROUPREF_EXISTS:
        return sum(_ways(branch, length) for branch in value[1:] if branch)
    return _ways(value, length) if code is codes.ATOMIC_GROUP else 1.0


class _Elsewhere:
    """The process that runs what may take long: started when first needed, killed when it does take long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def found(self, pattern: str, text: str, flags: int, anchored: bool) -> bool:  # noqa: FBT001 passed on, by one caller
        asked = json.dumps([pattern, text, flags, anchored]).encode() + b"\n"
        with self._lock:
            answer = self._ask(asked)
            if answer not in (b"0", b"1"):
                self._end()
                raise RegexTimeout(f"the pattern {pattern!r} was not decided within {LIMIT_SECONDS} s")
            return answer == b"1"

    def _ask(self, asked: bytes) -> bytes | None:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        given, taken = self._process.stdin, self._process.stdout
        if given is None or taken is None:
            raise RuntimeError("expected pipes to the process that runs regular expressions, got none")
        given.write(asked)
        given.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(taken, selectors.EVENT_READ)
            return taken.read(1) if selector.select(LIMIT_SECONDS) else None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            with suppress(OSError):
                self._process.communicate()
            self._process = None


_elsewhere = _Elsewhere()
