"""YAML files with the line of every key; what no pack needs and could harm (bombs, tags, huge files) is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from orchestrator.stackstorm.embedded.errors import ContentError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 1_000_000
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 60
MAX_DIGITS: Final = 19
MAX_OPENINGS: Final = 1_000
_TOO_DEEP: Final = f"expected at most {MAX_DEPTH} levels of lists and mappings, got more, or an anchor inside itself"
_TAG: Final = "tag:yaml.org,2002:"
_PLAIN: Final = frozenset(f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge"))
_NO_NUMBER: Final = re.compile(r"[-+]?\.inf|\.nan|.*e[-+]?\d{3,}", re.IGNORECASE)
_OPENING: Final = ("[", "{", "- ", "? ")

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One YAML file: its data, and the line at which each key path begins."""

    path: Path
    data: Any
    lines: dict[Key, int] = field(default_factory=dict)

    def error(self, key: Key, expected: str) -> ContentError:
        """Make the error that names this file, the key and its line."""
        return ContentError(self.path, dotted(key), expected, self.line(key))

    def line(self, key: Key) -> int | None:
        """Give the line of a key, or of the nearest one above it that is there."""
        known = key
        while known and known not in self.lines:
            known = known[:-1]
        return self.lines.get(known)


def dotted(key: Key) -> str:
    """Write a key path as people do: tasks.first.next[0].do."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: Path) -> Source:
    """Read one YAML file; raises ContentError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ContentError(path, "", f"expected a file that can be read, got: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ContentError(path, "", f"expected at most {MAX_BYTES} bytes, got more")
    try:
        return parse(path, raw.decode())
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ContentError(path, "", f"expected UTF-8 text, got the byte 0x{raw[error.start]:02x}", line) from None


def parse(path: Path, text: str) -> Source:
    """Parse YAML text that was read from `path`; raises ContentError."""
    lines: dict[Key, int] = {}
    try:
        _check_depth(path, text)
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _Walk(path, lines).visit(node, ())
            data = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except (ValueError, KeyError):
        raise ContentError(path, "", "expected values that fit the tags they are given, got another") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ContentError(path, "", f"expected YAML, got: {problem}", mark.line + 1 if mark else None) from None
    return Source(path, data, lines)


def _check_depth(path: Path, text: str) -> None:
    """Refuse what is nested too deep before it is composed, which takes the C stack and, at its end, the process."""
    if sum(text.count(opening) for opening in _OPENING) <= MAX_OPENINGS and f"\n{' ' * MAX_OPENINGS}" not in text:
        return
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ContentError(path, "", _TOO_DEEP, event.start_mark.line + 1 if event.start_mark else None)


class _Walk:
    """Visits every node of a document once for each place it stands in, and counts them."""

    def __init__(self, path: Path, lines: dict[Key, int]) -> None:
        self._path = path
        self._lines = lines
        self._nodes = 0

    def visit(self, node: yaml.Node, key: Key) -> None:
        self._nodes += 1
        self._lines.setdefault(key, node.start_mark.line + 1)
        if self._nodes > MAX_NODES:
            raise self._error(node, key, f"expected at most {MAX_NODES} values, anchors counted where they are used")
        if len(key) > MAX_DEPTH:
            raise self._error(node, key[:3], _TOO_DEEP)
        if node.tag not in _PLAIN:
            raise self._error(node, key, _expected_instead(node.tag))
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, key, set())
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.visit(item, (*key, index))
        elif isinstance(node, yaml.ScalarNode):
            self._scalar(node, key)

    def _mapping(self, node: yaml.MappingNode, key: Key, seen: set[str]) -> None:
        for name_node, value_node in node.value:
            if name_node.tag == f"{_TAG}merge":
                self._merged(value_node, key)
                continue
            name = self._name(name_node, key)
            if name in seen:
                raise self._error(name_node, (*key, name), "expected each key once, got it twice")
            seen.add(name)
            self._lines[(*key, name)] = name_node.start_mark.line + 1
            self.visit(value_node, (*key, name))

    def _merged(self, node: yaml.Node, key: Key) -> None:
        """Visit what `<<` brings in; its keys may be there already, and yield to those."""
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(part, yaml.MappingNode):
                raise self._error(part, key, "expected a mapping, or a list of them, after <<")
            self.visit(part, (*key, "<<"))

    def _name(self, node: yaml.Node, key: Key) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, key, "expected text as a key, got a list or a mapping")
        if node.tag != f"{_TAG}str":
            kind = node.tag.removeprefix(_TAG)
            raise self._error(node, (*key, node.value), f"expected text as a key, got {kind} {node.value}: quote it")
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> None:
        whole = node.tag == f"{_TAG}int"
        if whole and len(node.value) > MAX_DIGITS:
            raise self._error(
                node, key, f"expected a whole number of at most {MAX_DIGITS} digits, got {len(node.value)}"
            )
        if node.tag == f"{_TAG}float" and _NO_NUMBER.fullmatch(node.value):
            raise self._error(node, key, f"expected a number that JSON has, got {node.value}")

    def _error(self, node: yaml.Node, key: Key, expected: str) -> ContentError:
        return ContentError(self._path, dotted(key), expected, node.start_mark.line + 1)


def _expected_instead(tag: str) -> str:
    if tag == f"{_TAG}timestamp":
        return "expected what JSON has, got a date: quote it"
    return f"expected plain YAML, got the tag {tag.replace(_TAG, '!!')}"
