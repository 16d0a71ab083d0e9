"""What the tests of the 14 ways share: one theatre for the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.capture.table import Table
from tests.integration.capture.theatre import Cell, Theatre

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.integration.capture.cases import Row

CAPTURED = pytest.StashKey[Table]()
CONTROL = pytest.StashKey[Table]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the tables that the tests fill in."""
    config.stash[CAPTURED] = Table("Failures in the ledger (events on the bus), of each case")
    config.stash[CONTROL] = Table("What Celery alone reports")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Note how each of the 14 ways came out."""
    report = yield
    row, cell = _row_of(item), _cell_of(item)
    if row and cell and call.when == "call":
        figures = "FAILED" if report.failed else item.funcargs["theatre"].figures(cell, row.cases)
        item.config.stash[CAPTURED].note(row, f"{cell.bus} {cell.version}", figures)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tables of a run of the whole."""
    if config.option.markexpr != "slow":
        return
    for table in (config.stash[CAPTURED], config.stash[CONTROL]):
        terminalreporter.write_line("")
        for line in table.markdown():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def control_table(request: pytest.FixtureRequest) -> Table:
    """The table of what Celery reports by itself."""
    return request.config.stash[CONTROL]


@pytest.fixture(scope="session")
def theatre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Every stage that this session's tests look at."""
    cache = request.config.cache
    folder = cache.mkdir("celery56") if cache else tmp_path_factory.mktemp("celery56")
    made = Theatre(tmp_path_factory.mktemp("capture"), folder)
    for item in request.session.items:
        row, cell = _row_of(item) or _told_row_of(item), _cell_of(item)
        if row and cell:
            made.want(cell, row.cases)
    yield made
    made.close()


def _row_of(item: pytest.Item) -> Row | None:
    return getattr(getattr(item, "function", None), "row", None)


def _told_row_of(item: pytest.Item) -> Row | None:
    """Give the way whose story a test asks for; its figures are noted by the test of its capture."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("told") if callspec else None


def _cell_of(item: pytest.Item) -> Cell | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("cell") if callspec else None
