"""How a Python action is loaded: from which file and class, by which interpreter, with what imported ahead."""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.embedded.runners import warm_process
from orchestrator.stackstorm.embedded.runners.running import Runners
from tests.unit.stackstorm.acting import Acting

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def runners() -> Iterator[Runners]:
    """The runners, which every test of this module shares."""
    found = Runners("http://127.0.0.1:9/v1")
    yield found
    found.close()


@pytest.fixture(scope="module")
def acting(runners: Runners, tmp_path_factory: pytest.TempPathFactory) -> Acting:
    """A pack, which the tests of this module put their files into."""
    return Acting(runners, tmp_path_factory.mktemp("pack"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", 'Found no classes in plugin file "{file}" matching requirements.'),
        ("import gone_module\n", 'ModuleNotFoundError: Failed to load action class from file "{file}"'),
        ("import st2common.util.jinja\n", "'st2common.util': the embedded StackStorm has st2common.runners"),
        ("def (:\n", "SyntaxError: Failed to load action class"),
        ("from st2common.runners.base_action import Action\nclass A(Action): pass\n", "Found no classes"),
    ],
)  # fmt: skip
def test_a_file_without_an_action_says_so(acting: Acting, text: str, expected: str) -> None:
    """The action fails with exit code 1; the error is of the class that the import raised, and names the file."""
    file = acting.file("actions/broken.py", text)
    ended = acting.run(acting.action("python-script", "broken.py"))
    assert (ended.status, ended.result["exit_code"]) == ("failed", 1)
    assert expected.format(file=file) in ended.result["stderr"]


def test_the_first_class_by_name_that_runs_is_the_action(acting: Acting) -> None:
    """An abstract base, a class without run() and an imported one are passed over; one of no base counts."""
    acting.file("actions/several.py", "from st2common.runners.base_action import Action\nfrom lib_base import Above\n"
                "class Aaa(Action): pass\nclass Bbb:\n    x = 1\n"
                "class Ccc:\n    def __init__(self, config, action_service): pass\n    def run(self): return 'c'\n"
                "class Ddd(Above):\n    def run(self): return 'd'\n")  # fmt: skip
    acting.file("actions/lib/lib_base.py", "from st2common.runners.base_action import Action\n"
                "class Above(Action):\n    def run(self): return 'above'\n")  # fmt: skip
    assert acting.run(acting.action("python-script", "several.py")).result["result"] == "c"


def test_a_constructor_of_old_gets_the_service_afterwards(acting: Acting) -> None:
    """One that takes the configuration alone has action_service all the same."""
    acting.file("actions/old.py", "from st2common.runners.base_action import Action\n"
                "class Old(Action):\n    def __init__(self, config):\n        super().__init__(config)\n"
                "    def run(self): return self.action_service is not None\n")  # fmt: skip
    assert acting.run(acting.action("python-script", "old.py")).result["result"] is True


def test_a_changed_file_is_read_anew(acting: Acting) -> None:
    """What the warm process has compiled is not used once the file is another."""
    text = ("from st2common.runners.base_action import Action\nfrom part import PART\n"
            "class A(Action):\n    def run(self): return {}\n")  # fmt: skip
    acting.file("actions/changing.py", text.format("PART"))
    acting.file("actions/lib/part.py", "PART = 1\n")
    action = acting.action("python-script", "changing.py")
    acting.runners.replace(acting.pack)
    assert acting.run(action).result["result"] == 1
    acting.file("actions/lib/part.py", "PART = 'one'\n")
    assert acting.run(action).result["result"] == "one"
    acting.file("actions/changing.py", text.format("'two'"))
    assert acting.run(action).result["result"] == "two"


def test_what_makes_the_warm_process_quick_is_not_in_the_environment(acting: Acting) -> None:
    """An action has the server's variables, those of StackStorm and the two that the runner needs; no others."""
    acting.file("actions/names.py", "import os\nfrom st2common.runners.base_action import Action\n"
                "class A(Action):\n    def run(self): return sorted(os.environ)\n")  # fmt: skip
    names = set(acting.run(acting.action("python-script", "names.py")).result["result"])
    assert {name for name in names - set(os.environ) if not name.startswith("ST2_ACTION_")} <= {
        "PYTHONPATH",
        warm_process.MARK,
    }


def test_a_module_that_starts_a_thread_is_not_imported_ahead(
    runners: Runners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork would lose the thread: the warm process begins anew without it, and the action has it."""
    library = tmp_path / "elsewhere"
    library.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(library))
    (library / "threaded.py").write_text(
        "import threading, time\nbeat = threading.Thread(target=time.sleep, args=(9,), daemon=True)\nbeat.start()\n"
    )
    found = Acting(runners, tmp_path / "threads")
    found.pack = replace(found.pack, ref="threads")
    found.file("actions/beat.py", "import threaded\n"
               "from st2common.runners.base_action import Action\n"
               "class A(Action):\n    def run(self): return threaded.beat.is_alive()\n")  # fmt: skip
    assert found.run(found.action("python-script", "beat.py")).result["result"] is True


def test_a_packs_own_virtual_environment_runs_its_actions(tmp_path: Path) -> None:
    """Where virtualenvs/<pack>/bin/python is there, that interpreter is the warm process; its packages come first."""
    (tmp_path / "virtualenvs" / "demo" / "bin").mkdir(parents=True)
    packages = tmp_path / "virtualenvs" / "demo" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "requests.py").write_text("which = 'its own'\n")
    python = tmp_path / "virtualenvs" / "demo" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nOWN=yes exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    runners = Runners("http://127.0.0.1:9/v1", virtualenvs=tmp_path / "virtualenvs")
    found = Acting(runners, tmp_path / "demo")
    found.file("actions/own.py", "import os, requests\nfrom st2actions.runners.pythonrunner import Action\n"
               "class A(Action):\n"
               "    def run(self): return os.environ['OWN'], os.environ['PATH'], requests.which\n")  # fmt: skip
    own, path, which = found.run(found.action("python-script", "own.py")).result["result"]
    runners.close()
    assert (own, which) == ("yes", "its own")
    assert path.startswith(str(python.parent))


def test_what_runs_in_a_packs_interpreter_parses_on_the_oldest_one() -> None:
    """StackStorm 3.8 ran packs on Python 3.8, and their virtual environments may be as old."""
    folder = Path(warm_process.HERE)
    files = [folder / "warm.py", *(folder / "pythonpath").rglob("*.py")]
    assert len(files) > 10
    for file in files:
        tree = ast.parse(file.read_text(), feature_version=(3, 8))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not imports or any(node.module == "__future__" for node in imports), file


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason=f"no /proc on {sys.platform} ({os.name})")
