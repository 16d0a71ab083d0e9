"""The check that comes before a demo."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from loadtests.apps.plan import survey
from loadtests.faults import parse
from loadtests.trace import TraceError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
LINE = "2023-11-16 18:15:46.6805900,374,44\n"
FAULTS = parse({"seed": 1, "faults": [{"kind": "killed", "share": 0.5}]})


def test_calls_are_counted_and_those_with_a_fault_are_filed(tmp_path: Path) -> None:
    """Of four calls, two are filed; the counts say the same; no line end at the end is no error."""
    trace, out = tmp_path / "t.csv", tmp_path / "plan.sqlite"
    trace.write_text((HEAD + LINE * 4).rstrip())
    told = survey(trace, 0, FAULTS, out)
    assert (told["calls"], told["planned"]) == (4, {"killed": 2})
    assert sqlite3.connect(out).execute("SELECT count(*) FROM planned WHERE kind = 'killed'").fetchone() == (2,)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", "line 1"),
        (HEAD, "line 2"),
        ("TIMESTAMP,ContextTokens\n" + LINE, "line 1"),
        (HEAD + LINE + LINE.replace("374", "-1"), "line 3, column ContextTokens"),
    ],
)
def test_a_malformed_trace_is_refused_with_its_line_and_column(tmp_path: Path, content: str, place: str) -> None:
    """An empty file, one without calls, a missing column and a negative count are each told apart."""
    trace = tmp_path / "t.csv"
    trace.write_text(content)
    with pytest.raises(TraceError, match=place):
        survey(trace, 0, FAULTS, tmp_path / "plan.sqlite")
