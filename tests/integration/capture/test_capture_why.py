"""`redrive why` of each of the 14 ways to fail, by what real workers told; the stages are those of test_capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from rich.cells import cell_len

from orchestrator.api.why import story_view
from orchestrator.cli.stories import SCREEN, told
from orchestrator.flows.explaining.finding import story_of
from orchestrator.flows.explaining.known import Known
from orchestrator.flows.explaining.words import WAYS
from tests.integration.capture.cases import BY_NAME, ROWS, Row
from tests.integration.capture.theatre import Cell
from tests.scene import Scene

if TYPE_CHECKING:
    from tests.integration.capture.stage import Seen
    from tests.integration.capture.theatre import Theatre

pytestmark = pytest.mark.timeout(1200)
# The buses on which the quick tests of capture play, so that nothing is played for these alone.
PLAYED = {1: "rabbitmq", 2: "redis", 3: "rabbitmq", 5: "redis", 6: "redis", 7: "rabbitmq", 14: "rabbitmq"}


def lines_of(seen: Seen) -> list[str]:
    """Take in what was told of a case before it was redriven; gives the screen of its story."""
    scene, events = Scene(), [event for event in seen.events if not event.data["attempt_id"]]
    scene.now = max(event.time for event in events)
    scene.take_in(*events)
    with scene.ledger.reading() as tx:
        story = story_of(tx, str(seen.sent.failure_id), Known(scene.now))
    assert story is not None
    return list(told(orjson.loads(orjson.dumps(story_view(story), default=str))))


@pytest.mark.parametrize(
    ("told", "cell"), [(row, Cell(PLAYED.get(row.number, "sqlite"))) for row in ROWS], ids=[each.title for each in ROWS]
)
def test_why_tells_each_way_on_one_screen(
    theatre: Theatre, told: Row, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was published, how the run ended and who told, what kind it is and by which rule, what comes next."""
    monkeypatch.setenv("COLUMNS", "80")
    for case in (BY_NAME[name] for name in told.cases if BY_NAME[name].way):
        lines = lines_of(theatre.look(cell, case.name))
        text = " ".join(" ".join(lines).split())
        assert len(lines) <= SCREEN
        assert max(map(cell_len, lines)) <= 80
        assert case.way is not None
        for each in ("published to", f"{case.way}: {WAYS[case.way]}", f"classified {case.kind}", "opened incident"):
            assert each in text, (case.name, each)
        assert "redrive " in lines[-1]
