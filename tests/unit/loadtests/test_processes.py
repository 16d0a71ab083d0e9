"""The processes of a load test come up or say why, and none is left behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from loadtests.processes import Processes, ProcessFailed

if TYPE_CHECKING:
    from pathlib import Path

SERVING = """
import json, pathlib, sys, time
path = pathlib.Path(sys.argv[sys.argv.index("--ready-file") + 1])
path.with_suffix(".new").write_text(json.dumps({"parent": sys.argv[-1]}))
path.with_suffix(".new").replace(path)
time.sleep(60)
"""


def test_what_serves_is_stopped_at_the_end(tmp_path: Path) -> None:
    """A process is waited for, told its parent, and gone when the block is left."""
    with Processes(tmp_path) as processes:
        assert processes.serve("server", ["-c", SERVING]) == {"parent": str(os.getpid())}
        other = processes.start("other", ["-c", "import time; time.sleep(60)"])
        processes.stop(other)
        processes.refuse_ended()
        (server,) = processes._started
    assert server.popen.poll() is not None
    assert other.popen.poll() is not None


def test_what_ends_before_it_serves_is_said_with_its_log(tmp_path: Path) -> None:
    """A process that dies instead of serving is an error that holds its exit code and what it printed."""
    with (
        Processes(tmp_path) as processes,
        pytest.raises(ProcessFailed, match=r"expected server to run, got exit code 3; .*\n.*no such luck"),
    ):
        processes.serve("server", ["-c", "print('no such luck', flush=True); raise SystemExit(3)"])


def test_what_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    """A process that was not stopped has to run: its end is an error, an orderly one too."""
    with Processes(tmp_path) as processes:
        processes.start("worker", ["-c", "pass"]).popen.wait()
        with pytest.raises(ProcessFailed, match="expected worker to run, got exit code 0"):
            processes.refuse_ended()
