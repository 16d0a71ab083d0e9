"""The report's files, all made from the one document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loadtests.report.junit import junit
from loadtests.report.markdown import markdown
from loadtests.report.page import page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def write(document: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """Write report.json, report.md, junit.xml and report.html into a folder; gives their paths by these names.

    The JSON comes first: whatever fails to be drawn, the figures are kept. Raises OSError, and ValueError for a
    document that is no JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forms: dict[str, Callable[[], str]] = {
        "report.json": lambda: json.dumps(document, indent=1, allow_nan=False) + "\n",
        "report.md": lambda: markdown(document),
        "junit.xml": lambda: junit(document),
        "report.html": lambda: page(document),
    }
    for name, form in forms.items():
        (folder / name).write_text(form(), encoding="utf-8")
    return {name: folder / name for name in forms}
