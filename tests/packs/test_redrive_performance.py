"""The pack redrive_performance as it lies on disk; what its workflows do, its own tests/workflows.py says."""

from __future__ import annotations

from typing import Any

import yaml

from orchestrator.stackstorm.embedded.content.validation import validate
from orchestrator.stackstorm.packs import packs_dir

PACK = packs_dir() / "redrive_performance"


def rule(name: str) -> dict[str, Any]:
    """Read a rule."""
    return dict(yaml.safe_load((PACK / "rules" / f"{name}.yaml").read_text()))


def test_the_packs_validate_together() -> None:
    """No error, nothing that the embedded StackStorm lacks, and no workflow that its inspection finds fault with."""
    verdict = validate([packs_dir()], None)
    assert (verdict.errors, verdict.refused) == ((), ())
    assert set(verdict.content.packs) >= {"redrive", "redrive_performance"}


def test_nothing_is_played_before_somebody_says_so() -> None:
    """Both rules are off."""
    assert [rule(name)["enabled"] for name in ("nightly", "watch")] == [False, False]


def test_the_planned_time_is_that_of_the_timer_and_the_watch_looks_after_it() -> None:
    """Both rules name the time at which the rule nightly fires, and what it plays."""
    nightly, watch = rule("nightly"), rule("watch")
    timer = nightly["trigger"]["parameters"]
    told = nightly["action"]["parameters"]
    assert told == watch["action"]["parameters"]
    assert told["at"] == "{hour:02}:{minute:02}".format(**timer)
    assert told["timezone"] == timer["timezone"] == watch["trigger"]["parameters"]["timezone"]
    assert watch["trigger"]["parameters"]["hour"] > timer["hour"]


def test_the_pack_speaks_http_and_nothing_else() -> None:
    """Its actions import the standard library, requests and StackStorm's base class, and nothing of Redrive."""
    for file in PACK.glob("actions/**/*.py"):
        roots = {line.split()[1].partition(".")[0] for line in file.read_text().splitlines() if _imports(line)}
        assert roots <= {"__future__", "load_api", "requests", "st2common", "time", "typing", "urllib"}, file


def _imports(line: str) -> bool:
    return line.startswith(("import ", "from "))
