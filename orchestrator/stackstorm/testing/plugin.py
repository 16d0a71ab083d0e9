"""The pytest plugin `redrive_stackstorm`. It imports nothing that a session without StackStorm tests would pay for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from orchestrator.stackstorm.testing.process import Served
    from orchestrator.stackstorm.testing.stackstorm import StackStorm

PATIENCE = "30"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what a session may say of its StackStorm."""
    parser.addini("stackstorm_packs", "packs, or folders of packs; by default the pack that pytest runs in", "paths")
    parser.addini("stackstorm_configs", "the folder with PACK.yaml files that tests begin with", "paths")
    parser.addini("stackstorm_patience", f"how many seconds a test waits for anything ({PATIENCE})", default=PATIENCE)
    group = parser.getgroup("stackstorm", "StackStorm packs")
    group.addoption("--stackstorm-packs", action="append", type=Path, metavar="DIR", help="instead of stackstorm_packs")


@pytest.fixture(scope="session")
def stackstorm_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the session's packs, in a process of its own; for the fixture `stackstorm`."""
    from orchestrator.stackstorm.testing.process import CannotStart, served

    folder = tmp_path_factory.mktemp("stackstorm")
    for configs in pytestconfig.getini("stackstorm_configs"):
        shutil.copytree(configs, folder / "configs", dirs_exist_ok=True)
    try:
        with served(folder, _packs(pytestconfig)) as server:
            yield server
    except CannotStart as error:
        pytest.fail(f"the embedded StackStorm cannot serve these packs:\n{error}", pytrace=False)


@pytest.fixture
def stackstorm(stackstorm_server: Served, pytestconfig: pytest.Config) -> Iterator[StackStorm]:
    """Give a StackStorm with your packs, where nothing of another test is left."""
    from orchestrator.stackstorm.testing.stackstorm import StackStorm

    found = StackStorm(stackstorm_server, float(pytestconfig.getini("stackstorm_patience")))
    yield found
    found.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test what its executions that did not succeed have to say."""
    report = yield
    used: Any = getattr(item, "funcargs", {}).get("stackstorm")
    if call.when == "call" and report.failed and used is not None and (text := _explained(used)):
        report.sections.append(("StackStorm", text))
    return report


def _explained(stackstorm: StackStorm) -> str:
    try:
        return stackstorm.explain()
    except (AssertionError, OSError) as error:
        return f"StackStorm cannot be asked any more: {error}"


def _packs(config: pytest.Config) -> list[Path]:
    named: list[Path] = config.getoption("stackstorm_packs") or config.getini("stackstorm_packs")
    if named:
        return named
    started = config.invocation_params.dir
    for folder in (started, *started.parents, config.rootpath, *config.rootpath.parents):
        if (folder / "pack.yaml").is_file():
            return [folder]
    expected = (
        "expected stackstorm_packs in the configuration of pytest, or a pack.yaml in or above the folder it runs in"
    )
    pytest.fail(f"{expected}, got neither at {started}", pytrace=False)
