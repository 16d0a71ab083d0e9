"""Redaction: chosen arguments are replaced in a message before it leaves the worker, and denied headers with them.

A rule is a path: `kwargs.password`, `args.0`, `kwargs.card.number`, `*` for every item on its level. A parameter is
found by its name and by its position, whichever way a call passed it. Links, callbacks and errbacks in the message are
looked through too, and signatures among the arguments (a chord's, a map's), each with the rules of its own task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kombu.serialization import dumps, loads, prepare_accept_content, registry

if TYPE_CHECKING:
    from collections.abc import Callable

REDACTED: Final = "[redacted]"
DENIED_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-auth-token"}
)
ROOTS: Final = ("args", "kwargs")
LONGEST_REPR: Final = 1024
# A value of up to so many characters is hidden only where it stands as a word.
LONGEST_WORD: Final = 3
_HOLDS_NOTHING: Final = (type(None), bool, int, float, Decimal)

Path = tuple[str, ...]
# What a resolver gave to the run that is going on: it must not stand in what is told of that run.
RESOLVED: Final[ContextVar[tuple[Any, ...]]] = ContextVar("RESOLVED", default=())


class Unreadable(ValueError):
    """A body in which nothing can be replaced, for it cannot be decoded, or not be encoded again."""


@dataclass(slots=True)
class Found:
    """What was replaced: the paths, and the values that must not stand in a text either; `call` is what is left.

    `inner` says that some of it belongs to other tasks, whose links or signatures the message carries.
    """

    paths: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    call: Mapping[str, Any] = field(default_factory=dict)
    inner: bool = False

    def note(self, path: str, value: object) -> str:
        """File a value, and give what stands in its place."""
        self.paths.append(path)
        self.values.append(value)
        return REDACTED


def read_path(given: object) -> Path:
    """Read a rule; raises ValueError saying what was expected."""
    parts = tuple(given.split(".")) if isinstance(given, str) else ()
    if len(parts) < 2 or parts[0] not in ROOTS or not all(parts):  # noqa: PLR2004 - a root, and what is beneath it
        raise ValueError(
            f"expected `redact` paths such as kwargs.password, args.0 or kwargs.card.number, got {given!r}"
        )
    if parts[0] == "args" and parts[1] != "*" and not parts[1].isdecimal():
        raise ValueError(f"expected a number after `args.` in a `redact` path, got {given!r}")
    return parts


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a task, in order, without `self`; `args` and `kwargs`: it takes any more of them."""

    names: Sequence[str] = ()
    by_name_only: Sequence[str] = ()
    args: bool = True
    kwargs: bool = True

    def has(self, path: Path) -> bool:
        """Tell whether a call can have this argument at all."""
        root, first = path[0], path[1]
        if first == "*":
            return True
        if root == "args":
            return self.args or int(first) < len(self.names)
        return self.kwargs or first in (*self.names, *self.by_name_only)

    def ways(self, path: Path) -> list[Path]:
        """Give the path, and the other one under which a call may pass the same argument."""
        root, first, *rest = path
        if root == "kwargs" and first in self.names:
            return [path, ("args", str(self.names.index(first)), *rest)]
        if root == "args" and first != "*" and int(first) < len(self.names):
            return [path, ("kwargs", self.names[int(first)], *rest)]
        return [path]


def replace_at(value: Any, path: Path, at: str, found: Found) -> Any:  # noqa: ANN401 - an argument is anything
    """Give a copy of `value` with what lies under `path` replaced; what cannot be looked into is replaced whole."""
    if not path:
        return found.note(at, value)
    head, *rest = path
    under = tuple(rest)
    if isinstance(value, Mapping):
        return {
            key: replace_at(each, under, f"{at}.{key}", found) if head in ("*", str(key)) else each
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = [
            replace_at(each, under, f"{at}.{index}", found) if head in ("*", str(index)) else each
            for index, each in enumerate(value)
        ]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    return value if isinstance(value, _HOLDS_NOTHING) else found.note(at, value)


def put_at(value: Any, path: Path, new: Any) -> Any:  # noqa: ANN401 - as above
    """Give a copy of `value` with `new` under `path`, which has to be there."""
    if not path:
        return new
    if isinstance(value, Mapping):
        key = next((each for each in value if str(each) == path[0]), path[0])
        return {**value, key: put_at(value.get(key), path[1:], new)}
    if isinstance(value, (list, tuple)):
        items = [put_at(each, path[1:], new) if str(index) == path[0] else each for index, each in enumerate(value)]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    return value


def deny(headers: Mapping[str, Any], denied: Iterable[str], at: str, found: Found) -> dict[str, Any]:
    """Give headers with the denied ones replaced, whatever their case; those beneath `headers` too."""
    kept: dict[str, Any] = {}
    for name, value in headers.items():
        if str(name).lower() in denied and value is not None:
            kept[name] = found.note(f"{at}.{name}", value)
        elif name == "headers" and isinstance(value, Mapping):
            kept[name] = deny(value, denied, f"{at}.headers", found)
        else:
            kept[name] = value
    return kept


@dataclass(frozen=True, slots=True)
class Redaction:
    """Replaces in a body what the rules of a task name. `paths_of` gives the paths for a task's name."""

    paths_of: Callable[[str], Sequence[Path]]
    denied: frozenset[str] = DENIED_HEADERS
    accept: Callable[[], Iterable[str] | None] = lambda: None

    def body(self, task: str, body: bytes, content_type: str, content_encoding: str, found: Found) -> bytes:
        """Give the body without what its task's rules name, the same bytes when there is nothing; raises Unreadable."""
        try:
            payload = loads(body, content_type, content_encoding, accept=prepare_accept_content(self.accept()))
            changed = self._payload(task, payload, found)
            return _encoded(changed, content_type, content_encoding) if found.paths else body
        except Exception as error:  # noqa: BLE001 - a serializer raises what it likes, with the body in its text
            raise Unreadable(f"expected a body that can be decoded and encoded, got {type(error).__name__}") from None

    def call(self, body: bytes, content_type: str, content_encoding: str) -> Mapping[str, Any]:
        """Read the call in a body, {"args", "kwargs"}; raises Unreadable."""
        try:
            payload = loads(body, content_type, content_encoding, accept=prepare_accept_content(self.accept()))
            return payload if isinstance(payload, Mapping) else dict(zip(ROOTS, payload[:2], strict=True))
        except Exception as error:  # noqa: BLE001 - as above
            raise Unreadable(f"expected a body that can be decoded, got {type(error).__name__}") from None

    def _payload(self, task: str, payload: Any, found: Found) -> Any:  # noqa: ANN401 - what a serializer gives
        if isinstance(payload, Mapping):  # protocol 1
            found.call = self._call(task, payload, found)
            links = {key: self._links(each, f"embed.{key}", found) for key, each in payload.items() if key not in ROOTS}
            return {**found.call, **links}
        args, kwargs, embed = payload
        found.call = self._call(task, {"args": args, "kwargs": kwargs}, found)
        return [found.call["args"], found.call["kwargs"], self._links(embed, "embed", found)]

    def _call(self, task: str, call: Mapping[str, Any], found: Found) -> dict[str, Any]:
        changed = self.arguments(task, call, "", found)
        return changed | {root: self._links(changed[root], root, found) for root in ROOTS if root in changed}

    def arguments(self, task: str, call: Mapping[str, Any], at: str, found: Found) -> dict[str, Any]:
        """Give a call, {"args", "kwargs", ...}, without what the rules of its task name."""
        changed = dict(call)
        for path in self.paths_of(task):
            root = path[0]
            if changed.get(root):
                changed[root] = replace_at(changed[root], path[1:], f"{at}{root}", found)
        return changed

    def _links(self, value: Any, at: str, found: Found) -> Any:  # noqa: ANN401 - as above
        """Give a value without what the rules of the signatures in it name; the same one when there is nothing."""
        before = len(found.paths)
        if isinstance(value, (list, tuple)):
            items = [self._links(each, f"{at}.{index}", found) for index, each in enumerate(value)]
            if len(found.paths) > before:
                return value._make(items) if hasattr(value, "_make") else type(value)(items)
        elif isinstance(value, Mapping):
            inner = {key: self._links(each, f"{at}.{key}", found) for key, each in value.items()}
            inner = self._signature(self._mapped(inner, at, found), at, found)
            if len(found.paths) > before:
                return inner
        return value

    def _mapped(self, inner: dict[str, Any], at: str, found: Found) -> dict[str, Any]:
        """Replace the items of a map, a starmap or chunks whole where their task has rules."""
        task = inner.get("task")
        name = task.get("task") if isinstance(task, Mapping) else None
        if isinstance(name, str) and inner.get("it") is not None and self.paths_of(name):
            found.inner = True
            return inner | {"it": found.note(f"{at}.it", inner["it"])}
        return inner

    def _signature(self, inner: dict[str, Any], at: str, found: Found) -> dict[str, Any]:
        if not isinstance(inner.get("task"), str) or "kwargs" not in inner:
            return inner
        before = len(found.paths)
        inner = self.arguments(inner["task"], inner, f"{at}.", found)
        options = inner.get("options")
        if isinstance(options, Mapping):
            inner["options"] = dict(options) | _denied_beneath(options, self.denied, f"{at}.options.headers", found)
        found.inner = found.inner or len(found.paths) > before
        return inner


def _denied_beneath(options: Mapping[str, Any], denied: frozenset[str], at: str, found: Found) -> dict[str, Any]:
    headers = options.get("headers")
    return {"headers": deny(headers, denied, at, found)} if isinstance(headers, Mapping) else {}


def _encoded(payload: Any, content_type: str, content_encoding: str) -> bytes:  # noqa: ANN401 - as above
    encoded = dumps(payload, serializer=registry.type_to_name[content_type])[2]
    return encoded.encode(content_encoding or "utf-8") if isinstance(encoded, str) else bytes(encoded)


def texts_of(values: Iterable[Any]) -> set[str]:
    """Give as text whatever lies in the values that were replaced, at every depth."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, Mapping):
            found |= texts_of(value.values())
        elif isinstance(value, (list, tuple, set, frozenset)):
            found |= texts_of(value)
        elif isinstance(value, (bytes, bytearray)):
            found.add(bytes(value).decode(errors="replace"))
        elif not isinstance(value, (type(None), bool)):
            found.add(str(value))
    return found - {REDACTED, ""}


def without(told: str, hidden: Iterable[str]) -> str:
    """Give a text in which none of these stands: one of up to three characters counts as a word only."""
    forms = {form for each in hidden for form in (each, repr(each)[1:-1], quote(each, safe=""))}
    for form in sorted(forms, key=len, reverse=True):
        told = _cut_short(told, form)
        if len(form) > LONGEST_WORD:
            told = told.replace(form, REDACTED)
        elif len(form) > 1:
            told = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", REDACTED, told)
    return told


def _cut_short(told: str, form: str) -> str:
    """Take away what is left of a value where a long text was cut in its middle."""
    head, mark, tail = told.partition("\n... ")
    if not mark or len(form) <= LONGEST_WORD:
        return told
    for length in range(len(form) - 1, LONGEST_WORD, -1):
        if head.endswith(form[:length]):
            head = head[:-length] + REDACTED
        first, gap, rest = tail.partition(" ...\n")
        if gap and rest.startswith(form[-length:]):
            tail = first + gap + REDACTED + rest[length:]
    return head + mark + tail
