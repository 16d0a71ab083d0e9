"""The processes of a load test come up or say why, and none is left behind."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING

import psutil
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


def test_what_is_killed_on_purpose_is_not_missed_and_starts_again(tmp_path: Path) -> None:
    """All that it started is killed with it; started again it waits for a new sign, at the same place."""
    with Processes(tmp_path) as processes:
        served = processes.start("server", ["-c", SERVING, *processes.told("server")])
        processes.await_ready(served)
        processes.kill(served)
        assert served.popen.returncode == -signal.SIGKILL
        processes.refuse_ended()
        assert processes.running() == {}
        again = processes.again(served)
        assert again.popen.pid != served.popen.pid
        assert processes.running() == {"server": again.popen.pid}


def test_an_old_sign_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """Whoever does not come up a second time is told, whatever the first time left behind."""
    with Processes(tmp_path) as processes:
        processes.ready_file("server").write_text("{}")
        with pytest.raises(ProcessFailed, match="exit code 4"):
            processes.serve("server", ["-c", "raise SystemExit(4)"])


def test_all_are_told_at_once_and_the_needed_ones_last(tmp_path: Path) -> None:
    """The servers still run when the last of the others has ended; one that is stopped ends too."""
    watching = (
        "import os, signal, sys, time; signal.signal(15, lambda *_: sys.exit(os.kill({pid}, 0) or 7)); time.sleep(60)"
    )
    processes = Processes(tmp_path)
    server = processes.start("server", ["-c", "import time; time.sleep(60)"])
    sign = f"open({str(tmp_path / 'user.ready')!r}, 'w').write('{{}}');"
    user = processes.start(
        "user", ["-c", watching.format(pid=server.popen.pid).replace("time.sleep", sign + "time.sleep", 1)]
    )
    processes.await_ready(user)
    stopped = processes.start("stopped", ["-c", "import time; time.sleep(60)"])
    stopped.signal(signal.SIGSTOP)
    processes.stop_all(last=["server"])
    assert user.popen.returncode == 7
    assert stopped.popen.returncode == server.popen.returncode == -signal.SIGTERM


def test_who_is_behind_waits_for_the_processor(tmp_path: Path) -> None:
    """A process that stands for another machine's has a lower priority than ours, and the others have ours."""
    with Processes(tmp_path, {"far"}) as processes:
        far, near = (processes.start(name, ["-c", "import time; time.sleep(60)"]) for name in ("far", "near"))
        found = [os.getpriority(os.PRIO_PROCESS, each.popen.pid) for each in (far, near)]
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert (found[0] > ours, found[1]) == (True, ours)


def test_what_a_shell_exports_for_us_reaches_nobody_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token, traces switched on and Locust's own settings change no process; what a part is told comes through."""
    for name in ("REDRIVE_API_TOKEN", "REDRIVE_TRACES", "OTEL_SDK_DISABLED", "LLM_APP_PLUGIN", "LOCUST_RUN_TIME"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("OTHERS", "stays")
    shown = "import os; print(*sorted(set(os.environ) & {*%r}))"
    names = ("REDRIVE_API_TOKEN", "REDRIVE_TRACES", "OTEL_SDK_DISABLED", "LLM_APP_PLUGIN", "LOCUST_RUN_TIME", "OTHERS")
    with Processes(tmp_path) as processes:
        started = processes.start("shown", ["-c", shown % (names,)], {"LLM_APP_PLUGIN": "on"})
        started.popen.wait()
    assert started.log.read_text().split() == ["LLM_APP_PLUGIN", "OTHERS"]


LEAVING = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_one_that_died_left_behind_is_ended_too(tmp_path: Path) -> None:
    """Its children have no parent any more, and are still of its group."""
    with Processes(tmp_path) as processes:
        started = processes.start("leaving", ["-c", LEAVING])
        started.popen.wait()
        left = psutil.Process(int(started.log.read_text()))
    deadline = monotonic() + 10
    while _lives(left) and monotonic() < deadline:
        sleep(0.02)
    assert not _lives(left)


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False
