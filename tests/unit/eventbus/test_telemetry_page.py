"""What docs/telemetry.md tells a user to write works as it stands there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventbus import fields, recording, telemetry, wire
from tests.unit.eventbus.test_telemetry import Kept

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()


def test_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks of code, one after the other, make one event of each type, and the decorated coroutine a span."""
    kept = Kept()
    monkeypatch.setattr(recording, "_publisher", lambda: kept)
    known: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, known)  # noqa: S102 - our own page
    types = [wire.LLM_CALL, wire.PROMPT_SIMILARITY, wire.GOVERNANCE_RECORDED, wire.SPAN_ENDED, wire.LLM_CALL]
    assert [event.type for event in kept.events] == types
    assert kept.events[-1].data["organization_id"] == "acme"
    assert asyncio.run(known["plan"]("why?")) == "why?"
    assert (kept.events[-1].type, kept.events[-1].data["agent_id"]) == (wire.SPAN_ENDED, "planner")


def test_the_page_names_every_part_and_limit() -> None:
    """Each class of tokens, each identifier and each limit of the code stands on the page."""
    for name in (*wire.TOKEN_CLASSES, *wire.IDENTIFIERS):
        assert f"`{name}`" in PAGE
    for limit in (fields.MOST_CHARACTERS, telemetry.LONGEST_ERROR, telemetry.LONGEST_PROMPT):
        assert f"{limit:,} characters" in PAGE
