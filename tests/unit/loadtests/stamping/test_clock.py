"""The stamps' clock: what a thread waits for a processor, as the kernel counts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from loadtests.apps import clock
from loadtests.apps.clock import Reading, now

BUSY = "import time; end = time.monotonic() + 20\nwhile time.monotonic() < end: pass"


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="this kernel does not count the waits")
def test_a_thread_that_shares_its_processor_waits_for_it() -> None:
    """With another that is busy on the same one, about half of the time is waiting."""
    took: list[Reading] = []

    def work(busy: int) -> None:
        processor = min(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processor})
        os.sched_setaffinity(busy, {processor})
        began = now()
        while (passed := now() - began).at < 0.5:
            pass
        took.append(passed)

    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        thread = Thread(target=work, args=(busy.pid,))
        thread.start()
        thread.join()
    finally:
        busy.kill()
        busy.wait()
    assert 0.05 < took[0].delayed < took[0].at


def test_sleep_is_no_wait_for_a_processor() -> None:
    """Who sleeps is not ready to run, however long it then takes to get on."""
    began = now()
    time.sleep(0.2)
    passed = now() - began
    assert passed.at - passed.delayed > 0.19


def test_a_system_that_does_not_count_says_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is told all the same."""
    monkeypatch.setattr(clock, "_schedstat", lambda _pid: None)
    assert now().delayed == 0.0
    assert now().at > 0.0


def test_a_forked_child_reads_its_own() -> None:
    """What its parent has waited is not told as the child's."""
    asked = "import os; from loadtests.apps.clock import now, _own; now(); before = _own.file\n"
    asked += "if not os.fork(): now(); os._exit(_own.file is before)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "0"


def test_readings_add_up() -> None:
    """Stretches of time are taken apart and put together, either number by itself."""
    assert Reading(3.0, 1.0) - Reading(1.0, 0.5) + Reading(1.0, 1.0) == Reading(3.0, 1.5)
