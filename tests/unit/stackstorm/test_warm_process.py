"""The process that a pack's actions are forked from: started, replaced, in the way of nobody, and gone at the end."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.embedded.runners import warm_process
from orchestrator.stackstorm.embedded.runners.running import Runners
from tests.unit.stackstorm.acting import Acting
from tests.unit.stackstorm.test_python_script import alive, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stackstorm.embedded.content.values import Pack
    from orchestrator.stackstorm.embedded.runners.warm_process import WarmProcess

PATIENCE = 10.0
PROCESS = """
import os
from st2common.runners.base_action import Action

class A(Action):
    def run(self): return os.getppid()
"""


@pytest.fixture
def runners() -> Iterator[Runners]:
    """The runners of a test."""
    found = Runners("http://127.0.0.1:9/v1")
    yield found
    found.close()


@pytest.fixture
def acting(runners: Runners, tmp_path: Path) -> Acting:
    """A pack with an action that tells the process that it was forked from."""
    found = Acting(runners, tmp_path / "demo")
    found.file("actions/process.py", PROCESS)
    return found


def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put a module `odd` on the path of packs, and not into a pack."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "odd.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))


def test_a_module_that_exits_ends_its_own_action_alone(
    acting: Acting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sys.exit() where a module is imported is that action's end; the pack's other actions run."""
    elsewhere(tmp_path, monkeypatch, "import sys\nsys.exit(3)\n")
    acting.file("actions/leaves.py", "import odd\n" + PROCESS)
    assert acting.run(acting.action("python-script", "process.py")).status == "succeeded"
    assert acting.run(acting.action("python-script", "leaves.py")).status == "failed"


def test_an_action_that_meets_the_change_of_its_pack_runs(acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that had been given the old process when the pack was read again runs in the new one."""
    processes = acting.runners._processes
    of, given = processes.of, []

    def replaced(pack: Pack | None) -> WarmProcess:
        found = of(pack)
        given.append(found)
        if len(given) == 1:
            acting.runners.replace(acting.pack)
            found._reader.join(timeout=PATIENCE)
        return found

    monkeypatch.setattr(processes, "of", replaced)
    ended = acting.run(acting.action("python-script", "process.py"))
    assert ended.result["result"] == of(acting.pack).pid
    assert given[0].pid != of(acting.pack).pid


def test_a_module_that_ends_the_process_is_left_to_its_action(
    acting: Acting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process begins without imports; once the pack is read again they are tried again."""
    elsewhere(tmp_path, monkeypatch, "import os\nos._exit(3)\n")
    leaves = acting.file("actions/leaves.py", "import odd\n" + PROCESS)
    acting.runners._processes.of(acting.pack)._reader.join(timeout=PATIENCE)
    assert acting.run(acting.action("python-script", "process.py")).status == "succeeded"
    assert acting.run(acting.action("python-script", "leaves.py")).result["exit_code"] == 3
    leaves.unlink()
    acting.runners.replace(acting.pack)
    assert acting.runners._processes._bare == set()
    assert acting.run(acting.action("python-script", "process.py")).status == "succeeded"


def test_an_import_without_end_is_left_to_its_action(
    acting: Acting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other actions of the pack run; the one that imports it is too slow, as its time-out says."""
    monkeypatch.setattr(warm_process, "WARM_UP_SECONDS", 1)
    elsewhere(tmp_path, monkeypatch, "import time\ntime.sleep(100000)\n")
    acting.file("actions/hangs.py", "import odd\n" + PROCESS)
    assert acting.run(acting.action("python-script", "process.py")).status == "succeeded"
    assert acting.run(acting.action("python-script", "hangs.py"), timeout=1).status == "timeout"


def test_a_process_that_does_not_answer_holds_nobody_up(acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    """To cancel an action returns at once though more waits than the socket holds; then that process is replaced."""
    monkeypatch.setattr(warm_process, "ENDING_SECONDS", 1.0)
    action = acting.action("python-script", "process.py", more={"type": "string"})
    warm = acting.runners._processes.of(acting.pack)
    assert acting.run(acting.action("python-script", "process.py")).result["result"] == warm.pid
    os.kill(warm.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(9) as pool:
        running = [pool.submit(acting.run, action, f"e-{number}", more="x" * 60_000) for number in range(8)]
        until(lambda: len(warm._running) > 4)
        canceled = pool.submit(acting.runners.cancel, "e-0")
        try:
            canceled.result(timeout=0.5)
        finally:
            os.kill(warm.pid, signal.SIGKILL) if not canceled.done() else None
        assert running[0].result(timeout=PATIENCE).status == "canceled"
    assert acting.runners._processes.of(acting.pack).pid != warm.pid


def test_processes_that_do_not_answer_end_together(acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end takes no longer with several of them, and none is left."""
    monkeypatch.setattr(warm_process, "CLOSE_SECONDS", 1.0)
    other = replace(acting.pack, ref="other")
    found = [acting.runners._processes.of(pack) for pack in (acting.pack, other, None)]
    for warm in found:
        os.kill(warm.pid, signal.SIGSTOP)
    began = time.monotonic()
    acting.runners.close()
    assert time.monotonic() - began < 2
    assert not any(alive(warm.pid) for warm in found)


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason=f"no /proc on {sys.platform} ({os.name})")
