"""The recipe of docs/audit.md, run as it stands there on an export: it names what was done to the chain."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.ledger.sql import SqlLedger
from tests.contracts.test_ledger_audit import grown

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[2] / "docs/audit.md").read_text()
(RECIPE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
Told = list[dict[str, Any]]


def ran(entries: Told) -> subprocess.CompletedProcess[str]:
    """Run the recipe on entries as orjson and others write them: with any order of members, in UTF-8."""
    lines = "\n".join(json.dumps(dict(reversed(each.items())), ensure_ascii=False) for each in entries)
    return subprocess.run(
        [sys.executable, "-I", "-c", RECIPE], input=lines, capture_output=True, text=True, timeout=30, check=False
    )


def exported() -> Told:
    """Give a chain as it is exported."""
    return [each.told for each in grown(SqlLedger.in_memory())]


def test_it_holds_what_was_exported() -> None:
    """Whole, in any order, and from the middle on."""
    entries = exported()
    head = f"the last is 4:{entries[-1]['hash']}"
    assert ran(entries).stdout == f"4 entries hold, {head}\n"
    assert ran(entries[::-1]).returncode == 0
    assert ran(entries[2:]).stdout == f"2 entries hold, {head}\n"
    assert len(RECIPE.splitlines()) <= 20


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (lambda told: told[1].update(reason="naïve"), "entry 2 was changed"),
        (lambda told: told.pop(1), "entry 2 is missing before 3"),
        (lambda told: told[0].update(former="1" * 64), "entry 1 follows something"),
        (lambda told: told[2].update(seq=2) or told[1].update(seq=3), "entry 2 was changed"),
    ],
)
def test_it_names_what_was_done_to_it(tamper: Callable[[Told], object], says: str) -> None:
    """Changed, removed, put before the first, exchanged."""
    entries = exported()
    tamper(entries)
    done = ran(entries)
    assert (done.returncode, done.stderr) == (1, f"{says}\n")
