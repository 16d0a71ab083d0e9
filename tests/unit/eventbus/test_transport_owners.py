"""Who holds a lease, and whether it still lives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eventbus import sqlite_owners
from eventbus.sqlite_owners import Owner, is_alive, this_process

ROOT = Path(__file__).parents[3]
NAMES_ITSELF = (
    "from eventbus.sqlite_owners import *; me = this_process(); print(me.boot, me.pid, me.started, flush=True)"
)
WAITS = "; import time; time.sleep(60)"
TAKES_A_NASTY_NAME = "open('/proc/self/comm', 'w').write('a) Z 1'); "
needs_proc = pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs Linux's /proc to name a process")


def start(code: str) -> tuple[subprocess.Popen[str], Owner]:
    """Start a process that names itself."""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    boot, pid, started = process.stdout.readline().split()
    return process, Owner(boot, int(pid), started)


def test_a_running_process_is_alive_and_an_ended_one_is_not() -> None:
    """A process lives until it ends; one that was killed is dead before its parent has noticed."""
    process, owner = start(NAMES_ITSELF + WAITS)
    with process:
        alive = is_alive(owner)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
        zombie = is_alive(owner)
    assert (alive, zombie, is_alive(owner)) == (True, False, False)


def test_another_boot_or_another_start_is_another_process() -> None:
    """Neither a reboot nor a process id in new hands makes a dead owner look alive."""
    me = this_process()
    assert is_alive(me)
    assert not is_alive(replace(me, boot="the boot before"))
    assert not is_alive(replace(me, started=me.started + "1"))


@needs_proc
def test_a_command_name_cannot_confuse_the_reading() -> None:
    """A process whose name looks like the fields that follow it is read rightly."""
    process, owner = start(TAKES_A_NASTY_NAME + NAMES_ITSELF + WAITS)
    with process:
        alive = is_alive(owner)
        process.kill()
    assert alive


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps, which serves where there is no /proc")
def test_ps_serves_where_there_is_no_proc() -> None:
    """Without /proc, ps tells the start of a process that runs, and nothing of one that ended."""
    process, owner = start(NAMES_ITSELF)
    process.communicate()
    mine = sqlite_owners._started_by_ps(os.getpid())
    assert mine
    assert mine == sqlite_owners._started_by_ps(os.getpid())
    assert sqlite_owners._started_by_ps(owner.pid) is None
