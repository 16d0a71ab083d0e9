"""YAML files with the line of every key; duplicate keys, oversized files and alias bombs are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from orchestrator.stackstorm.embedded.errors import ContentError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1_000_000
MAX_NODES = 100_000

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One YAML file: its data, and the line at which each key path begins."""

    path: Path
    data: Any
    lines: dict[Key, int] = field(default_factory=dict)

    def error(self, key: Key, expected: str) -> ContentError:
        """Make the error that names this file, the key and its line (of the nearest key that is there)."""
        known = key
        while known and known not in self.lines:
            known = known[:-1]
        return ContentError(self.path, dotted(key), expected, self.lines.get(known))


def dotted(key: Key) -> str:
    """Write a key path as people do: tasks.first.next[0].do."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: Path) -> Source:
    """Read one YAML file; raises ContentError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ContentError(path, "", f"expected a file that can be read, got {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ContentError(path, "", f"expected at most {MAX_BYTES} bytes, got {len(raw)}")
    try:
        return parse(path, raw.decode())
    except UnicodeDecodeError:
        raise ContentError(path, "", "expected UTF-8 text, got other bytes") from None


def parse(path: Path, text: str) -> Source:
    """Parse YAML text that was read from `path`; raises ContentError."""
    loader = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Key, int] = {}
        if node is not None:
            _Walk(path, lines).visit(node, ())
        data = loader.construct_document(node) if node is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "unreadable text"
        raise ContentError(path, "", f"expected YAML, got {problem}", mark.line + 1 if mark else None) from None
    finally:
        loader.dispose()
    return Source(path, data, lines)


class _Walk:
    """Visits every node of a document once for each place it stands in, and counts them."""

    def __init__(self, path: Path, lines: dict[Key, int]) -> None:
        self._path = path
        self._lines = lines
        self._nodes = 0

    def visit(self, node: yaml.Node, key: Key) -> None:
        self._nodes += 1
        line = node.start_mark.line + 1
        if self._nodes > MAX_NODES:
            raise ContentError(self._path, dotted(key), f"expected at most {MAX_NODES} values", line)
        self._lines.setdefault(key, line)
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, key)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.visit(item, (*key, index))

    def _mapping(self, node: yaml.MappingNode, key: Key) -> None:
        seen: set[str] = set()
        for name_node, value_node in node.value:
            name = str(name_node.value)
            line = name_node.start_mark.line + 1
            if name in seen:
                raise ContentError(self._path, dotted((*key, name)), "expected each key once, got it twice", line)
            seen.add(name)
            self._lines[(*key, name)] = line
            self.visit(value_node, (*key, name))
