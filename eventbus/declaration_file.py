"""Declarations by name pattern in a file, TOML or JSON, that REDRIVE_DECLARATIONS_FILE names.

In TOML:

["reports.*"]
dependency = "openai"
idempotent = true
never = ["ValueError"]
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eventbus.declaration import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE: Final = "REDRIVE_DECLARATIONS_FILE"
READERS: Final[Mapping[str, Callable[[str], Any]]] = {".toml": tomllib.loads, ".json": json.loads}


def from_file() -> dict[str, Any]:
    """Give the patterns of the file and what it declares of each, unchecked; none where no file is named.

    Raises DeclarationError for a file that cannot be read.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        return {}
    path = Path(name)
    if path.suffix not in READERS:
        raise DeclarationError(f"{VARIABLE}: expected a file that ends in .toml or .json, got {name}")
    try:
        content = READERS[path.suffix](path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DeclarationError(f"{VARIABLE}: expected a readable file, got {name}: {error}") from error
    if not isinstance(content, dict):
        raise DeclarationError(f"{VARIABLE}: expected name patterns with a declaration each, got {name}: {content!r}")
    return content
