"""Whether the process that leads a part is alive, as another process of this machine sees it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from orchestrator.bootstrap.leadership import is_dead, process_name

CODE = """
import sys
from orchestrator.bootstrap.leadership import process_name
print(process_name(), flush=True)
sys.stdin.read()
"""
NAMED = bool(process_name().split("/")[0])


@pytest.mark.skipif(not NAMED, reason="needs /proc, which tells one process of another")
def test_a_process_that_was_killed_is_dead_though_nobody_has_fetched_its_status() -> None:
    """Its parent may never do so, and the lead of its parts must not wait for that."""
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as led:
        try:
            assert led.stdout is not None
            name = led.stdout.readline().strip()
            assert not is_dead(name)
        finally:
            led.kill()
        os.waitid(os.P_PID, led.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(name)
        led.wait()
        assert is_dead(name)


def test_this_process_is_alive() -> None:
    """What leads is not taken for dead by itself."""
    assert not is_dead(process_name())


def test_a_process_of_another_machine_is_never_known_to_be_dead() -> None:
    """Its number says nothing here: only its lease does."""
    assert not is_dead(f"another boot/{os.getpid()}/1/x")
    assert not is_dead(f"/{os.getpid()}/1/x")
