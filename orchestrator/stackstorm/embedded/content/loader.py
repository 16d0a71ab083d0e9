"""Loads pack folders as they are. What a StackStorm would refuse is a ContentError.

What this one does not support is listed in the content, never left out unsaid.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.content import references
from orchestrator.stackstorm.embedded.content.packs import PackRead, read_pack
from orchestrator.stackstorm.embedded.content.rules import parameter_errors, read_rule
from orchestrator.stackstorm.embedded.content.triggers import CORE_TYPES
from orchestrator.stackstorm.embedded.content.values import Content
from orchestrator.stackstorm.embedded.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUILT_IN = Path(__file__).parents[1] / "builtin"


def load(folders: Iterable[Path], configs: Path | None) -> Content:
    """Load every pack of the given folders (a pack itself, or a folder of packs); raises ContentError.

    The packs that every StackStorm has come first; a folder with a pack of the same ref takes its place.
    """
    read = read_all(folders, configs)
    for error in read.errors:
        raise error
    return read.content


def read_all(folders: Iterable[Path], configs: Path | None) -> PackRead:
    """Read as `load` does, to the end: gives what could be read, and every error."""
    content = Content()
    errors: list[ContentError] = []
    for path in [*sorted(file.parent for file in BUILT_IN.glob("*/pack.yaml")), *pack_folders(folders)]:
        read = read_pack(path, configs, read_rule)
        errors += [*read.errors, *_twins(content, read.content)]
        content = content.only(set(content.packs) - set(read.content.packs)).with_all(read.content)
    content, unknown = references.checked(Content(triggers=CORE_TYPES).with_all(content))
    return PackRead(content, [*errors, *unknown, *parameter_errors(content, content.rules.values())])


def _twins(content: Content, read: Content) -> Iterator[ContentError]:
    for ref, pack in read.packs.items():
        other = content.packs[ref].path if ref in content.packs else pack.path
        if other != pack.path and other.parent != BUILT_IN:
            expected = f"expected each pack once, {ref!r} is in {other} as well"
            yield ContentError(pack.path / "pack.yaml", "ref", expected)


def pack_folders(folders: Iterable[Path]) -> Iterator[Path]:
    """Give the folder of each pack; raises ContentError where there is none."""
    for folder in folders:
        found = [folder] if (folder / "pack.yaml").exists() else sorted(p.parent for p in folder.glob("*/pack.yaml"))
        if not found:
            raise ContentError(folder, "", "expected pack.yaml in this folder or in the ones below it, got none")
        yield from found
