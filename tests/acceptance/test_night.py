"""From the alert to recovered in six commands, an abort, and counts: each held against what the tasks count."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.night.engines import SERVERS, SQLITE, engines_of
from tests.acceptance.night.figures import expect_all
from tests.acceptance.night.night import Night
from tests.acceptance.night.page import figures, page, shape, table, typed_in
from tests.acceptance.night.terminal import COLUMNS
from tests.acceptance.night.walk import Walk

PAGE: Final = Path(__file__).parents[2] / "docs" / "night.md"
MOST_COMMANDS: Final = 6
SECONDS: Final = 1_800.0


@pytest.mark.parametrize(
    ("engine", "failures"),
    [
        (SQLITE, 400),
        pytest.param(SERVERS, 4_000, marks=pytest.mark.slow),
        pytest.param(SQLITE, 40_000, marks=pytest.mark.slow),
        pytest.param(SERVERS, 40_000, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(3_600)
def test_a_person_recovers_the_night_in_six_commands(
    engine: str, failures: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Six commands bring back all that leans on what is up again, once each; the rest goes by itself once it can."""
    with Night(tmp_path, failures, engines_of(engine, request), paged=True) as night:
        night.break_out(SECONDS)
        walk = Walk(night)
        walk.go()
        print("\n".join(table(figures(walk))))  # noqa: T201 - measured figures, for whoever runs it with -s
        assert len(walk.terminal.screens) <= MOST_COMMANDS
        typed = [shape(each.typed) for each in walk.terminal.screens]
        assert typed == [shape(each) for each in typed_in(PAGE.read_text())]
        expect_all(walk)
        assert max(map(len, page(walk).splitlines())) <= COLUMNS
