"""The garbage of failed runs in the timed children: taken away after a failure, and not after each."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: the app's signals would stay in this one.
FAILED_AND_SUCCEEDED = """
import gc
from loadtests.apps import timed_prefork
from loadtests.apps.clock import Reading
from loadtests.apps.timed_prefork import COLLECT_SECONDS, Stopwatch
collected = []
gc.collect = lambda: collected.append(1)
watch = Stopwatch()
for state, seconds in (("SUCCESS", 1), ("FAILURE", 2), ("FAILURE", 3), ("SUCCESS", 99), ("FAILURE", 100)):
    watch.state = state
    timed_prefork.now = lambda: Reading(seconds * COLLECT_SECONDS / 2 + COLLECT_SECONDS)
    watch.ended()
    print(len(collected), end=" ")
"""


def test_a_child_collects_after_a_failure_and_not_after_each() -> None:
    """Successes leave nothing; of failures close together the first brings one, and the rest one at some later end."""
    told = subprocess.run([sys.executable, "-c", FAILED_AND_SUCCEEDED], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["0", "1", "1", "2", "2"]
