"""What the watches see of processes and of what waits."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time

import psutil
import pytest
import requests

from loadtests.playing.sampling import Watch, backlog, machine, processes, tree

# A parent that has a child burn processor time, waits for its end, says so, and sleeps.
BURNING = """
import subprocess, sys, time
burn = "import time\\nwhile time.process_time() < 0.4: pass"
subprocess.run([sys.executable, "-c", burn], check=True)
print("ended", flush=True)
time.sleep(60)
"""


def test_processor_time_of_children_that_have_ended_counts_on() -> None:
    """A killed child of a pool must not make the worker look cheap: what it took stays in the sum."""
    with subprocess.Popen([sys.executable, "-c", BURNING], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        parent.stdout.readline()
        seen = tree("parent", parent.pid)
        parent.kill()
    assert seen.cpu_seconds > 0.3
    assert seen.rss_bytes > 0
    assert seen.handles > 0


def test_a_process_that_is_gone_is_left_out() -> None:
    """The others are still looked at."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert [each.process for each in processes({"gone": gone.pid, "here": os.getpid()})] == ["here"]
    with pytest.raises(psutil.NoSuchProcess):
        tree("gone", gone.pid)


def test_a_look_that_finds_nobody_is_counted_and_the_watch_goes_on() -> None:
    """An API that is down for one look costs that look alone."""
    answers = iter([[1], requests.ConnectionError("down"), [2]])

    def look() -> list[int]:
        answer = next(answers, None)
        if isinstance(answer, Exception):
            raise answer
        return answer or []

    with Watch(look, 0.001) as watch:
        deadline = time.monotonic() + 10
        while len(watch.seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
    assert (watch.seen, watch.missed, watch.problem) == ([1, 2], 1, None)


@pytest.mark.parametrize(
    ("error", "said"),
    [(KeyError("failures"), "got KeyError"), (sqlite3.OperationalError("locked"), "got nothing in")],
)
def test_a_watch_that_sees_nothing_is_a_problem_of_the_run(error: Exception, said: str) -> None:
    """Whether each look fails or the watch itself is broken, the run does not go on as if it had been looked at."""

    def look() -> list[int]:
        raise error

    with Watch(look, 0.001) as watch:
        deadline = time.monotonic() + 10
        while watch.problem is None and time.monotonic() < deadline:
            time.sleep(0.001)
    assert said in str(watch.problem)


def test_what_waits_is_the_api_s_word() -> None:
    """Failures by state, what each sink has pending, and what the bus holds."""
    answers = {"/api/v1/summary": {"failures": {"held": 3}}, "/api/v1/sinks": {"warehouse": {"pending": 7}}}
    (seen,) = backlog(answers.__getitem__, lambda: 5)
    assert (seen.bus, seen.sinks, seen.failures) == (5, {"warehouse": 7}, {"held": 3})


def test_the_whole_machine_is_looked_at_too() -> None:
    """What is burnt here is in the machine's processor time, by whichever process."""
    before, own = machine(), time.process_time()
    while time.process_time() - own < 0.3:
        pass
    after = machine()
    assert before.process == "machine"
    assert after.cpu_seconds - before.cpu_seconds >= 0.2
    assert after.rss_bytes > 0
