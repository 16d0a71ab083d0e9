"""Python actions: a process for each, and the results that a StackStorm gives."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.embedded.runners import warm_process
from orchestrator.stackstorm.embedded.runners.running import Runners
from tests.unit.stackstorm.acting import Acting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.stackstorm.embedded.runners.ended import Ended

    Run = Callable[..., Ended]

ACTION = """
import atexit, os, subprocess, sys, threading, time
from st2common.runners.base_action import Action
from helping import HELP


class Probe(Action):
    def run(self, mode, given=None):
        return getattr(self, mode)(given)

    def value(self, given):
        return {"config": dict(self.config), "given": given, "help": HELP, "env": os.environ.get("GIVEN")}

    def process(self, given):
        return [os.getpid(), sys.argv, open("/proc/self/cmdline").read()]

    def environment(self, given):
        return {name: value for name, value in os.environ.items() if name.startswith(("ST2_ACTION", "PYTHONPATH"))}

    def kill(self, given):
        os.kill(os.getpid(), 9)

    def sleep(self, given):
        print("asleep")
        time.sleep(60)

    def leave(self, given):
        return subprocess.Popen(["sleep", "60"]).pid

    def escape(self, given):
        return subprocess.Popen(["sleep", "1"], start_new_session=True).pid

    def grandchild(self, given):
        print("first")
        subprocess.run(["echo", "second"])
        os.write(1, b"third\\xff\\n")

    def threads(self, given):
        atexit.register(print, "at exit")
        threading.Timer(0.05, print, ["from a thread"]).start()
        return "returned"

    def large(self, given):
        print("x" * 300000)
        return "y" * 300000

    def flood(self, given):
        while True:
            print("x" * 100000)

    def echo(self, given):
        return len(given)

    def missing(self, given):
        return self.config["gone"]
"""
PROBE: dict[str, Any] = {"mode": {"type": "string"}, "given": {}}


@pytest.fixture(scope="module")
def runners() -> Iterator[Runners]:
    """The runners, which every test of this module shares."""
    found = Runners("http://127.0.0.1:9/v1")
    yield found
    found.close()


@pytest.fixture(scope="module")
def acting(runners: Runners, tmp_path_factory: pytest.TempPathFactory) -> Acting:
    """A pack with the probe and a module in actions/lib."""
    found = Acting(runners, tmp_path_factory.mktemp("pack"), {"token": "s3cret"})
    found.file("actions/probe.py", ACTION)
    found.file("actions/lib/helping.py", "HELP = 'from lib'\n")
    return found


@pytest.fixture
def run(acting: Acting) -> Run:
    """Run the probe in a mode."""
    probe = acting.action("python-script", "probe.py", **PROBE)
    return lambda mode, given=None, **more: acting.run(probe, mode=mode, given=given, **more)


def test_an_action_gets_parameters_configuration_library_and_environment(run: Run) -> None:
    """The value that run() returns is the result; the action succeeded with exit code 0."""
    ended = run("value", {"a": 1, "b": [2]}, env={"GIVEN": "yes"})
    assert (ended.status, ended.result["exit_code"]) == ("succeeded", 0)
    expected = {"config": {"token": "s3cret"}, "given": {"a": 1, "b": [2]}, "help": "from lib", "env": "yes"}
    assert ended.result["result"] == expected


def test_each_action_is_a_process_and_its_command_line_holds_no_secret(run: Run) -> None:
    """Two runs are two processes; neither shows the configuration or a parameter to `ps`."""
    first, second = run("process", "pa55").result["result"], run("process").result["result"]
    assert first[0] != second[0]
    assert "s3cret" not in first[2]
    assert "pa55" not in first[2]


def test_the_environment_says_what_runs(run: Run, acting: Acting) -> None:
    """Pack, execution, API, a token of its own and the debug flag; the user's own variables never replace these."""
    probe = acting.action("python-script", "probe.py", **PROBE)
    ended = acting.run(
        probe, "e-1", mode="environment", env={"ST2_ACTION_PACK_NAME": "other", "PYTHONPATH": "/nowhere"}, debug=True
    )
    env = ended.result["result"]
    assert (env["ST2_ACTION_PACK_NAME"], env["ST2_ACTION_EXECUTION_ID"]) == ("demo", "e-1")
    assert (env["ST2_ACTION_API_URL"], env["ST2_ACTION_DEBUG"]) == ("http://127.0.0.1:9/v1", "True")
    assert len(env["ST2_ACTION_AUTH_TOKEN"]) == 32
    assert env["ST2_ACTION_AUTH_TOKEN"] != run("environment").result["result"]["ST2_ACTION_AUTH_TOKEN"]
    assert "/actions/lib" in env["PYTHONPATH"]
    assert "/nowhere" not in env["PYTHONPATH"]


def test_a_variable_that_is_no_text_fails_the_action(run: Run) -> None:
    """As a process's environment holds texts alone; the error is that of the real runner."""
    ended = run("value", env={"N": 1})
    assert ended.status == "failed"
    assert ended.result["error"] == "expected str, bytes or os.PathLike object, not int"


def test_an_action_that_is_too_slow_is_killed(run: Run) -> None:
    """Status timeout, exit code -9, the string None, what it printed, and the sentence that a StackStorm gives."""
    ended = run("sleep", timeout=1)
    assert (ended.status, ended.result["exit_code"], ended.result["result"]) == ("timeout", -9, "None")
    assert ended.result["error"] == "Action failed to complete in 1 seconds"
    assert ended.result["stdout"] == "asleep\n"


def test_an_action_that_dies_fails_alone(run: Run) -> None:
    """One that SIGKILL ended counts as too slow, as in StackStorm; the next one runs."""
    ended = run("kill")
    assert (ended.status, ended.result["exit_code"]) == ("timeout", -9)
    assert run("value").status == "succeeded"


def test_what_an_action_leaves_running_goes_with_it(run: Run) -> None:
    """A grandchild that holds stdout neither blocks the end nor outlives it."""
    left = run("leave").result["result"]
    assert gone(left)


def test_a_process_that_escaped_does_not_block_the_end(run: Run) -> None:
    """One in a session of its own goes on, and the action has ended though it holds the output."""
    left = run("escape").result["result"]
    assert alive(left)


def test_output_comes_in_the_order_of_writing(run: Run) -> None:
    """The action's, its children's and what is written past Python; what is no UTF-8 is marked."""
    assert run("grandchild").result["stdout"] == "first\nsecond\nthird�\n"


def test_an_action_ends_as_an_interpreter_does(run: Run) -> None:
    """Its threads are waited for and what is registered for the end is called, after the result is told."""
    result = run("threads").result
    assert (result["result"], result["stdout"]) == ("returned", "from a thread\nat exit\n")


def test_large_results_output_and_parameters_arrive_whole(run: Run) -> None:
    """Neither a pipe's size nor a message's bounds them."""
    result = run("large").result
    assert (len(result["stdout"]), len(result["result"])) == (300001, 300000)
    assert run("echo", "z" * 10_000_000).result["result"] == 10_000_000


def test_an_action_that_floods_is_killed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its output is bounded as MongoDB bounds it, and the error says so."""
    monkeypatch.setattr(warm_process, "MAX_OUTPUT", 500_000)
    ended = run("flood")
    assert ended.status == "failed"
    assert "bytes of output and result, got more" in ended.result["error"]
    assert len(ended.result["stdout"]) <= 500_000


def test_a_missing_configuration_value_is_named(run: Run) -> None:
    """A ValueError that says which value of which pack, as StackStorm raises it."""
    assert 'ValueError: Config for pack "demo" is missing key "gone"' in run("missing").result["stderr"]


def test_times_of_a_yaml_file_reach_the_action_as_text(runners: Runners, tmp_path: Path) -> None:
    """A configuration may hold one, and JSON has none."""
    found = Acting(runners, tmp_path / "dated", {"since": date(2020, 1, 2)})
    found.file("actions/dated.py", "from st2common.runners.base_action import Action\n"
               "class A(Action):\n    def run(self): return self.config['since']\n")  # fmt: skip
    found.pack = replace(found.pack, ref="dated")
    assert found.run(found.action("python-script", "dated.py")).result["result"] == "2020-01-02"


def test_several_run_at_once(run: Run) -> None:
    """Threads share the warm process, and each gets its own result."""
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda number: run("value", number), range(20)))
    assert [e.result["result"]["given"] for e in ended] == list(range(20))


def test_a_running_action_shows_its_output_and_can_be_stopped(acting: Acting) -> None:
    """What it printed is there while it runs; stopped, its process is killed and it is canceled."""
    probe = acting.action("python-script", "probe.py", **PROBE)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(acting.run, probe, "e-stop", mode="sleep")
        until(lambda: acting.runners.printed("e-stop")[0] == "asleep\n")
        acting.runners.cancel("e-stop")
        ended = running.result(timeout=10)
    assert (ended.status, ended.result["stdout"]) == ("canceled", "asleep\n")
    assert acting.runners.printed("e-stop") == ("", "")


def test_a_warm_process_that_died_is_replaced(acting: Acting, run: Run) -> None:
    """What ran in it failed and says why, its process is killed too; the next action runs."""
    probe = acting.action("python-script", "probe.py", **PROBE)
    warm = acting.runners._processes.of(acting.pack)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(acting.run, probe, "e-lost", mode="sleep")
        until(lambda: acting.runners.printed("e-lost")[0])
        until(lambda: len(children(warm.pid)) == 2)
        action, spare = children(warm.pid)
        os.kill(warm.pid, 9)
        ended = running.result(timeout=10)
    assert ended.status == "failed"
    assert "The process that ran this action is gone" in ended.result["error"]
    assert gone(action)
    assert gone(spare)
    assert run("value").status == "succeeded"
    until(lambda: warm._poll.closed)


def test_a_child_that_waits_is_replaced_where_it_was_killed(acting: Acting, run: Run) -> None:
    """One child is forked ahead; without it the next action runs all the same, in another."""
    run("value")
    warm = acting.runners._processes.of(acting.pack)
    spare = waiting(warm.pid)
    os.kill(spare, 9)
    assert run("process").result["result"][0] != spare
    assert waiting(warm.pid) != spare
    assert acting.runners._processes.of(acting.pack) is warm


def test_each_child_is_used_once(acting: Acting, run: Run) -> None:
    """The one that waits is the next action's process, in a session of its own, and then another waits."""
    run("value")
    warm = acting.runners._processes.of(acting.pack)
    spare = waiting(warm.pid)
    assert run("process").result["result"][0] == spare
    assert waiting(warm.pid) != spare


def test_another_child_waits_while_a_long_action_runs(acting: Acting) -> None:
    """The next action begins at once, and not after a fork."""
    probe = acting.action("python-script", "probe.py", **PROBE)
    warm = acting.runners._processes.of(acting.pack)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(acting.run, probe, "e-long", mode="sleep")
        until(lambda: acting.runners.printed("e-long")[0])
        until(lambda: len(children(warm.pid)) == 2)
        acting.runners.cancel("e-long")
        assert running.result(timeout=10).status == "canceled"


def test_what_an_actions_own_log_handler_holds_is_written_at_the_end(acting: Acting) -> None:
    """As an interpreter does at its end; what was made ready ahead writes each line at once."""
    acting.file("actions/logs.py", "import logging, logging.handlers\n"
                "from st2common.runners.base_action import Action\n"
                "class A(Action):\n    def run(self):\n        target = logging.StreamHandler()\n"
                "        handler = logging.handlers.MemoryHandler(9, target=target)\n"
                "        logging.getLogger('mine').addHandler(handler)\n"
                "        logging.getLogger('mine').warning('held until the end')\n")  # fmt: skip
    assert acting.run(acting.action("python-script", "logs.py")).result["stderr"] == "held until the end\n"


def test_an_actions_own_fork_forgets_the_actions_threads(acting: Acting) -> None:
    """What threading and logging do at a fork is put off for the action's process, and not for its children."""
    acting.file("actions/forks.py", "import logging, os, threading, time\n"
                "from st2common.runners.base_action import Action\n"
                "class A(Action):\n    def run(self):\n"
                "        assert threading.main_thread().native_id == os.getpid()\n"
                "        threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
                "        logging._acquireLock()\n        ours, theirs = os.pipe()\n"
                "        if os.fork() == 0:\n"
                "            os.write(theirs, str(threading.active_count()).encode())\n            os._exit(0)\n"
                "        return os.read(ours, 9).decode()\n")  # fmt: skip
    assert acting.run(acting.action("python-script", "forks.py")).result["result"] == "1"


def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    """What runs is killed, and the run ends."""
    runners = Runners("http://127.0.0.1:9/v1")
    found = Acting(runners, tmp_path)
    found.file("actions/probe.py", "import time\nfrom st2common.runners.base_action import Action\n"
               "class A(Action):\n    def run(self): print('runs'), time.sleep(60)\n")  # fmt: skip
    warm = runners._processes.of(found.pack)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(found.run, found.action("python-script", "probe.py"), "e-closed")
        until(lambda: runners.printed("e-closed")[0])
        until(lambda: len(children(warm.pid)) == 2)
        action, spare = children(warm.pid)
        runners.close()
        assert running.result(timeout=10).status == "failed"
    assert gone(action)
    assert gone(spare)
    assert not warm.alive


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition to hold."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(process: int) -> bool:
    """Wait for a process to be gone."""
    until(lambda: not alive(process))
    return True


def waiting(warm: int) -> int:
    """Give the child of a warm process that waits for the next action, while none runs."""
    until(lambda: [alive(child) for child in children(warm)] == [True])
    return children(warm)[0]


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
