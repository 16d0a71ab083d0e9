"""Python actions: a process for each, and the results that a StackStorm gives."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.embedded.runners.python_script import Ended, Job, WarmProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., Ended]

ACTION = """
import os, subprocess, sys, time
from st2common.runners.base_action import Action
from helping import HELP


class Probe(Action):
    def run(self, mode, **rest):
        if mode == "value":
            return {"config": self.config, "rest": rest, "help": HELP, "env": os.environ.get("GIVEN")}
        if mode == "process":
            return [os.getpid(), sys.argv, open("/proc/self/cmdline").read()]
        if mode == "prints":
            print("to stdout")
            self.logger.info("to the log")
            return None
        if mode == "pair":
            return (rest["status"], {"data": 1})
        if mode == "object":
            return (True, object())
        if mode == "raise":
            raise ValueError("what is wrong")
        if mode == "exit":
            sys.exit(rest["code"])
        if mode == "kill":
            os.kill(os.getpid(), 9)
        if mode == "sleep":
            time.sleep(60)
        if mode == "leave":
            child = subprocess.Popen(["sleep", "60"])
            return child.pid
        if mode == "large":
            print("x" * 300000)
            return "y" * 300000
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack folder with one action and a module in actions/lib."""
    folder = tmp_path_factory.mktemp("pack")
    (folder / "actions" / "lib").mkdir(parents=True)
    (folder / "actions" / "probe.py").write_text(ACTION)
    (folder / "actions" / "lib" / "helping.py").write_text("HELP = 'from lib'\n")
    return folder


@pytest.fixture(scope="module")
def process(pack: Path) -> Iterator[WarmProcess]:
    """The pack's warm process."""
    with WarmProcess(pack) as warm:
        yield warm


@pytest.fixture
def run(process: WarmProcess, pack: Path) -> Run:
    """Run the probe action in a mode."""

    def run(mode: str, timeout: float = 20, **rest: object) -> Ended:
        job = Job(
            pack / "actions" / "probe.py",
            {"mode": mode, **rest},
            config={"token": "s3cret"},
            env={"GIVEN": "yes"},
            path=[str(pack / "actions" / "lib")],
            timeout=timeout,
        )
        return process.run(job)

    return run


def test_an_action_gets_parameters_configuration_library_and_environment(run: Run) -> None:
    """The value that run() returns is the result; the action succeeded with exit code 0."""
    ended = run("value", a=1, b=[2])
    assert (ended.status, ended.result["exit_code"]) == ("succeeded", 0)
    value = ended.result["result"]
    assert value == {"config": {"token": "s3cret"}, "rest": {"a": 1, "b": [2]}, "help": "from lib", "env": "yes"}


def test_each_action_is_a_process_and_its_command_line_holds_no_secret(run: Run) -> None:
    """Two runs are two processes; neither shows the configuration to `ps`."""
    first, second = run("process").result["result"], run("process").result["result"]
    assert first[0] != second[0]
    assert "s3cret" not in first[2]


def test_prints_and_log_lines_are_kept_apart(run: Run) -> None:
    """What is printed goes to stdout, the logger to stderr in StackStorm's format; None is a result."""
    result = run("prints").result
    assert result["stdout"] == "to stdout\n"
    assert result["stderr"] == "st2.actions.python.Probe: INFO     to the log\n"
    assert result["result"] is None


@pytest.mark.parametrize(("status", "expected"), [(True, "succeeded"), (False, "failed")])
def test_a_pair_tells_success_from_failure(run: Run, status: bool, expected: str) -> None:
    """(True, data) succeeds and (False, data) fails, both with exit code 0 and the data."""
    ended = run("pair", status=status)
    assert (ended.status, ended.result["exit_code"], ended.result["result"]) == (expected, 0, {"data": 1})


def test_a_pair_without_a_status_fails_with_an_explanation(run: Run) -> None:
    """Any other tuple of two is an error that says what to return."""
    ended = run("pair", status="fine")
    assert ended.status == "failed"
    assert "must either be True or False, got: fine" in ended.result["error"]


def test_what_json_cannot_hold_becomes_text(run: Run) -> None:
    """An object is given as its text, and the action succeeds."""
    ended = run("object")
    assert ended.status == "succeeded"
    assert ended.result["result"].startswith("<object object")


def test_an_exception_fails_with_its_traceback(run: Run) -> None:
    """Exit code 1, the traceback in stderr, and the string None as the result."""
    result = run("raise").result
    assert (result["exit_code"], result["result"]) == (1, "None")
    assert result["stderr"].endswith("ValueError: what is wrong\n")


@pytest.mark.parametrize(("code", "exit_code"), [(3, 3), (0, 0), ("words", 1)])
def test_system_exit_sets_the_exit_code(run: Run, code: object, exit_code: int) -> None:
    """sys.exit(n) ends with n; a text ends with 1."""
    ended = run("exit", code=code)
    assert ended.result["exit_code"] == exit_code
    assert ended.status == ("succeeded" if exit_code == 0 else "failed")


def test_an_action_that_is_too_slow_is_killed(run: Run) -> None:
    """Status timeout, exit code -9, the string None, and the sentence that a StackStorm gives."""
    ended = run("sleep", timeout=0.3)
    assert (ended.status, ended.result["exit_code"], ended.result["result"]) == ("timeout", -9, "None")
    assert ended.result["error"] == "Action failed to complete in 0.3 seconds"


def test_an_action_that_dies_fails_alone(run: Run) -> None:
    """A killed action fails; the next one runs."""
    assert run("kill").result["exit_code"] == -9
    assert run("value").status == "succeeded"


def test_what_an_action_leaves_running_goes_with_it(run: Run) -> None:
    """A grandchild that holds stdout neither blocks the end nor outlives it."""
    left = run("leave").result["result"]
    deadline = time.monotonic() + 10
    while alive(left) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(left)


def test_large_results_and_output_arrive_whole(run: Run) -> None:
    """Neither a pipe's size nor a message's bounds them."""
    result = run("large", blob="z" * 300000).result
    assert (len(result["stdout"]), len(result["result"])) == (300001, 300000)


def test_several_run_at_once(run: Run) -> None:
    """Threads share the warm process, and each gets its own result."""
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda number: run("value", n=number), range(20)))
    assert [e.result["result"]["rest"]["n"] for e in ended] == list(range(20))


def test_an_action_file_without_an_action_says_so(process: WarmProcess, tmp_path: Path) -> None:
    """The error names the file."""
    file = tmp_path / "empty.py"
    file.write_text("x = 1\n")
    ended = process.run(Job(file, {}, {}, {}))
    assert ended.status == "failed"
    assert f'File "{file}" has no action class' in ended.result["stderr"]


def test_a_closed_process_leaves_nothing_behind(pack: Path) -> None:
    """Closing kills what runs, and the runs end as killed."""
    warm = WarmProcess(pack)
    with ThreadPoolExecutor(1) as pool:
        job = Job(pack / "actions" / "probe.py", {"mode": "sleep"}, {}, {}, [str(pack / "actions" / "lib")])
        running = pool.submit(warm.run, job)
        while not children(warm._process.pid):
            time.sleep(0.01)
        (child,) = children(warm._process.pid)
        warm.close()
        assert running.result(timeout=10).status == "failed"
    assert not alive(child)
    assert not warm.alive


def alive(process: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(process: int) -> list[int]:
    """Give the processes that a process has forked."""
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason=f"no /proc on {sys.platform} ({os.name})")
