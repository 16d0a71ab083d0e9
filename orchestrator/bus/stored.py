"""What Celery stored of a task, read from its bytes; nothing of it is ever executed, whoever wrote them.

A result may be a pickle: Celery 5.6 writes one into its SQL tables whatever the serializer is, and `pickle` may be the
serializer. Unpickling runs what the bytes name, so the opcodes of plain values (texts, numbers, lists, dicts) are
followed here one by one, and anything else leaves the result opaque.
"""

from __future__ import annotations

import json
import pickletools
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.domain.results import RETRY, STARTED, StoredTask

LONGEST: Final = 65_536  # bytes of one stored task that are read, and that a compressed one may unfold to
_STATUS: Final = re.compile(rb"status[^A-Z]{1,8}([A-Z_]+)")
_RESULT: Final = re.compile(r'"result": ?')
# Celery 5.7, `result_compression`: this mark, the method's content type, a NUL, the compressed bytes.
_COMPRESSED: Final = b"\x00celery-compressed\x00"
_GZIP: Final = b"application/x-gzip"
_PICKLE: Final = b"\x80"
_MARK: Final = object()
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS: Final = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
)
_TUPLES: Final = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Opaque(ValueError):
    """Bytes that cannot be read without executing what they name, or not at all."""


def state_in(head: bytes) -> str | None:
    """Find the state in the first bytes of a stored task: each serializer writes it there in plain letters."""
    found = _STATUS.search(head)
    return found.group(1).decode() if found else None


def unfolded(payload: bytes) -> bytes:
    """Undo `result_compression`; raises Opaque for a method other than gzip, and for more than LONGEST bytes."""
    if not payload.startswith(_COMPRESSED):
        return payload
    method, _, body = payload[len(_COMPRESSED) :].partition(b"\x00")
    if method != _GZIP:
        raise Opaque(f"expected results compressed with gzip or not at all, got {method.decode(errors='replace')!r}")
    try:
        return zlib.decompressobj().decompress(body, LONGEST)
    except zlib.error as error:
        raise Opaque(f"expected results compressed with gzip, got: {error}") from error


def value_of(payload: bytes) -> Any:  # noqa: ANN401 - whatever a task's result is
    """Read JSON, or a pickle of plain values; raises Opaque for anything else."""
    payload = unfolded(payload)
    try:
        return _plain_pickle(payload) if payload.startswith(_PICKLE) else json.loads(payload)
    except (ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise Opaque(f"expected JSON or a pickle of plain values, got: {error}") from error


def task_of(task_id: str, payload: bytes, state: str | None) -> StoredTask | None:
    """Read a whole stored task, as a key-value backend has it; None for what names no state."""
    try:
        meta = value_of(payload)
    except Opaque:
        return _torn(task_id, payload, state)
    if not isinstance(meta, Mapping) or not isinstance(meta.get("status"), str):
        return None
    return stored_task(task_id, meta["status"], meta.get("result"), meta)


def stored_task(task_id: str, state: str, result: object, meta: Mapping[str, Any]) -> StoredTask:
    """Make the value of a task's state, its result, and the fields that `result_extended` adds."""
    held = result if isinstance(result, Mapping) else {}
    ran = held if state == STARTED else {}
    retries = meta.get("retries")
    return StoredTask(
        task_id=task_id,
        state=state,
        worker=_text(ran.get("hostname")) or _text(meta.get("worker")),
        pid=ran["pid"] if isinstance(ran.get("pid"), int) else None,
        task=_text(meta.get("name")),
        retries=retries if isinstance(retries, int) else None,
        cancelled=state == RETRY and not meta.get("traceback") and _is_bare_retry(held),
    )


def _is_bare_retry(held: Mapping[str, Any]) -> bool:
    """Tell a RETRY of `Request.cancel` (celery/worker/request.py) from a retry, which stores what was raised."""
    return held.get("exc_type") == "Retry" and held.get("exc_module") == "celery.exceptions"


def _torn(task_id: str, payload: bytes, state: str | None) -> StoredTask | None:
    """Make what can be made of bytes that are no whole value: JSON of many arguments has its result before them."""
    text = payload.decode(errors="replace")
    found = _RESULT.search(text)
    if found and text.startswith("{") and state:
        try:
            result, _ = json.JSONDecoder().raw_decode(text, found.end())
        except ValueError:
            result = None
        if isinstance(result, Mapping):
            return stored_task(task_id, state, result, {})
    return StoredTask(task_id, state, opaque=True) if state else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _plain_pickle(payload: bytes) -> Any:  # noqa: ANN401 - as value_of
    """Follow the opcodes of plain values (Python's pickletools names them); raises ValueError at the first other."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(payload):
        if opcode.name == "STOP":
            return stack.pop()
        _follow(opcode.name, argument, stack, memo)
    raise ValueError("a pickle without an end")


def _follow(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:  # noqa: ANN401 - as value_of
    if name in _LITERALS:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in ("EMPTY_DICT", "EMPTY_LIST"):
        stack.append({} if name == "EMPTY_DICT" else [])
    elif name in _TUPLES:
        size = _TUPLES[name]
        stack[len(stack) - size :] = [tuple(stack[len(stack) - size :])]
    elif name == "MARK":
        stack.append(_MARK)
    elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
        memo[len(memo) if argument is None else argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name not in ("PROTO", "FRAME"):
        _fill(name, stack)


def _fill(name: str, stack: list[Any]) -> None:
    """Put what was collected into the value below it."""
    if name not in ("SETITEM", "SETITEMS", "APPEND", "APPENDS", "TUPLE"):
        raise ValueError(f"the opcode {name}, which is none of a plain value")
    if name in ("SETITEM", "APPEND"):
        start = len(stack) - (2 if name == "SETITEM" else 1)
        items = stack[start:]
        del stack[start:]
    else:
        start = len(stack) - 1 - stack[::-1].index(_MARK)
        items = stack[start + 1 :]
        del stack[start:]
    if name == "TUPLE":
        stack.append(tuple(items))
    elif name.startswith("SETITEM"):
        stack[-1].update(zip(items[::2], items[1::2], strict=True))
    else:
        stack[-1].extend(items)
