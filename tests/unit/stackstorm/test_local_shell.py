"""The runners local-shell-cmd and local-shell-script: what the shell gets, and what it gives."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.embedded.runners.running import Runners
from tests.unit.stackstorm.acting import Acting
from tests.unit.stackstorm.test_python_script import alive, gone, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.stackstorm.embedded.runners.ended import Ended

SCRIPT = '#!/bin/sh\nfor argument in "$@"; do echo "[$argument]"; done\n'


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """A pack with a script."""
    runners = Runners("http://127.0.0.1:9/v1")
    found = Acting(runners, tmp_path_factory.mktemp("pack"))
    found.file("actions/say.sh", SCRIPT)
    yield found
    runners.close()


@pytest.fixture
def run(acting: Acting) -> Callable[..., Ended]:
    """Run a command."""
    return lambda cmd, **given: acting.run(acting.action("local-shell-cmd"), cmd=cmd, **given)


def test_a_command_gives_its_output_and_exit_code(run: Callable[..., Ended]) -> None:
    """One end of line is taken off; the exit code 0 succeeds, any other fails."""
    good = run("echo out; echo; echo err >&2")
    assert good.status == "succeeded"
    assert good.result == {"failed": False, "succeeded": True, "return_code": 0, "stdout": "out\n", "stderr": "err"}
    bad = run("exit 7")
    assert (bad.status, bad.result["return_code"], bad.result["failed"]) == ("failed", 7, True)
    assert run("gone_command").result["return_code"] == 127


@pytest.mark.parametrize(
    ("printed", "expected"),
    [('{"a": [1]}', {"a": [1]}), ("42", 42), ("true", True), ("NaN", "NaN"), ("{a}", "{a}"), ("", "")],
)
def test_output_that_is_json_is_parsed(run: Callable[..., Ended], printed: str, expected: object) -> None:
    """As StackStorm does it: by trying."""
    assert run(f"echo '{printed}'").result["stdout"] == expected


def test_the_shell_has_its_folder_and_environment(run: Callable[..., Ended]) -> None:
    """cwd, env and what every action's environment holds; a folder that is not there is the error."""
    shown = run("pwd; echo $A $ST2_ACTION_PACK_NAME", cwd="/usr", env={"A": "1"})
    assert shown.result["stdout"] == "/usr\n1 demo"
    lost = run("pwd", cwd="/gone")
    assert (lost.status, lost.result["error"]) == ("failed", "[Errno 2] No such file or directory: '/gone'")


def test_a_command_that_is_too_slow_is_killed_with_its_children(run: Callable[..., Ended]) -> None:
    """Status timeout, exit code -9, what was printed until then, and nothing left running."""
    ended = run("sleep 60 & echo $!; wait", timeout=1)
    assert (ended.status, ended.result["return_code"], ended.result["failed"]) == ("timeout", -9, True)
    assert ended.result["error"] == "Action failed to complete in 1 seconds"
    assert gone(ended.result["stdout"])


def test_what_a_command_left_in_the_background_goes_on(run: Callable[..., Ended]) -> None:
    """As with StackStorm, where its output goes elsewhere; where it does not, the action waits for it."""
    left = run("sleep 0.5 >/dev/null 2>&1 & echo $!").result["stdout"]
    assert alive(left)
    began = time.monotonic()
    assert run("{ sleep 0.3; echo late; } & echo early").result["stdout"] == "early\nlate"
    assert time.monotonic() - began >= 0.3


def test_output_held_open_for_ever_ends_with_the_time_out(run: Callable[..., Ended]) -> None:
    """The command has ended well; a real StackStorm would wait without end."""
    ended = run("sleep 3 & echo early", timeout=1)
    assert ended.status == "timeout"
    assert ended.result["stdout"] == "early"


def test_a_command_can_be_stopped(acting: Acting) -> None:
    """Its whole group is killed, and it is canceled."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(acting.run, acting.action("local-shell-cmd"), "e-shell", cmd="sleep 60 & echo $!; wait")
        until(lambda: acting.runners.printed("e-shell")[0].endswith("\n"))
        child = int(acting.runners.printed("e-shell")[0])
        acting.runners.cancel("e-shell")
        assert running.result(timeout=10).status == "canceled"
    assert gone(child)


def test_sudo_is_refused(run: Callable[..., Ended]) -> None:
    """With a reason; nothing runs."""
    ended = run("echo ran", sudo=True)
    assert ended.status == "failed"
    assert ended.result["error"].startswith("sudo is not supported")


def test_a_shell_that_sigterm_ended_was_abandoned(run: Callable[..., Ended]) -> None:
    """The status that StackStorm gives for the exit code -15."""
    assert run("kill -TERM $$").status == "abandoned"


SCHEMAS: dict[str, Any] = {
    "second": {"type": "array", "position": 1},
    "first": {"type": "string", "position": 0},
    "third": {"type": "object", "position": 2},
    "fourth": {"type": "boolean", "position": 3},
    "fifth": {"type": "integer", "position": 4},
    "name": {"type": "string"},
    "flag": {"type": "boolean"},
    "off": {"type": "boolean"},
}


def test_a_script_gets_named_arguments_then_those_with_a_position(acting: Acting) -> None:
    """Lists with commas, mappings as JSON, booleans as 1 and 0; named ones as --name=value, a true one as its name."""
    action = acting.action("local-shell-script", "say.sh", **SCHEMAS)
    given = {"first": "a b; 'c'", "second": [1, "x"], "third": {"k": [1]}, "fourth": True, "fifth": 5}
    ended = acting.run(action, **given, name="it's", flag=True, off=False)
    expected = ["[--name=it's]", "[--flag]", "[a b; 'c']", "[1,x]", '[{"k":[1]}]', "[1]", "[5]"]
    assert ended.result["stdout"].split("\n") == expected


def test_a_folder_of_any_name_holds_scripts(acting: Acting, tmp_path: Path) -> None:
    """The script is made one that runs, though a blank and a command stand in the name of its folder."""
    found = Acting(acting.runners, tmp_path / "a b; touch $HOME x")
    found.file("actions/say.sh", SCRIPT)
    ended = found.run(found.action("local-shell-script", "say.sh", **SCHEMAS), first="a")
    assert (ended.status, ended.result["stderr"]) == ("succeeded", "")


def test_what_has_no_value_is_an_empty_argument_or_none(acting: Acting) -> None:
    """With a position it is empty, so that the others keep theirs; with a name it is left out; -- may be another."""
    action = acting.action("local-shell-script", "say.sh", **SCHEMAS)
    ended = acting.run(action, fifth=0, name="n", kwarg_op="-")
    assert ended.result["stdout"].split("\n") == ["[-name=n]", "[]", "[]", "[]", "[]", "[]"]
