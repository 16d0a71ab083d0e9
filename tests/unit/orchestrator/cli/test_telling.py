"""`redrive incidents show`: all that a person has to know of one incident, within 80 columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from orchestrator.cli.exits import DONE
from tests.recovery import failed_event
from tests.unit.orchestrator.cli.conftest import flat
from tests.unit.orchestrator.cli.test_operating import outage, said

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

LINE = (
    '  File "/srv/app/trips/booking.py", line {0}, in step_{0}\n    return ask(prompt, temperature=0.2, retries={0})\n'
)
TRACEBACK = "Traceback (most recent call last):\n" + "".join(map(LINE.format, range(20))) + "HTTPError: 503 for call 1"


@pytest.fixture
def incident(api: Served, monkeypatch: pytest.MonkeyPatch) -> str:
    """An incident with a long traceback whose first redrive has failed, on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    made = outage(api, exception=failed_event().data["exception"] | {"traceback": TRACEBACK})
    api.scene.plan()
    api.scene.release()
    api.scene.later(10_000)
    api.scene.answer(api.scene.release(), "failed")
    return made


def test_it_fits_80_columns_and_shows_the_end_of_the_traceback(api: Served, incident: str) -> None:
    """The end is where it broke; how to see all of it stands beside, and --all shows it."""
    done = said(api, "incidents", "show", incident)
    assert done.exit_code == DONE, done.output
    assert [line for line in done.stdout.splitlines() if cell_len(line) > 80] == []
    assert "step_19" in done.stdout
    assert "step_10" not in done.stdout
    assert f"redrive incidents show {incident} --all" in done.stdout
    assert "step_0" in said(api, "incidents", "show", incident, "--all").stdout


def test_it_tells_what_happened_and_what_comes_next(api: Served, incident: str) -> None:
    """First failure, opened, plan, release, first redrive; what it waits for, when it goes, what to type."""
    text = flat(said(api, "incidents", "show", incident).stdout)
    for each in (
        "first failure: app.call (t0)", "opened as transient", "plan retry: it passes by itself",
        "first redrive (retry)", "waits for the next canary of model goes at", "goes at 2025-11-20 14:46:42Z, or later",
    ):  # fmt: skip
        assert each in text, each
    assert text.endswith("redrive dependencies model")


def test_it_tells_whose_it_is(api: Served, incident: str) -> None:
    """Owner, severity, who knows of it, until when it is snoozed."""
    with api.scene.ledger.transaction() as tx:
        now = api.scene.now
        told = {"owner": "ann", "acknowledged_by": "bob", "acknowledged_at": now, "snoozed_until": now}
        tx.save_incident(replace(api.scene.incident, **told))
    text = flat(said(api, "incidents", "show", incident).stdout)
    assert "severity error; owner ann known to bob since 2025-11-20 14:46:40Z snoozed until 2025-11-20" in text
    assert "acknowledged by bob" in text
