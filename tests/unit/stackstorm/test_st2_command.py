"""StackStorm's own command line against the embedded one, told its URL by the environment and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from st2client.shell import Shell

from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 20.0

# What st2client does to argparse is deprecated, each time that its parser is built.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded StackStorm with the recorded pack."""
    folder = tmp_path_factory.mktemp("st2")
    shutil.copytree(Path(__file__).parent / "recorded_pack", folder / "demo", ignore=shutil.ignore_patterns("rules"))
    with embedded(folder, folder / "demo") as found:
        yield found


@pytest.fixture
def st2(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The command, in this process: give it words, get what it prints; a failure is an AssertionError."""
    monkeypatch.setattr(os, "environ", {**os.environ, "ST2_API_URL": f"{url}/v1", "ST2_AUTH_URL": f"{url}/auth/v1"})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _seconds, sleep=time.sleep: sleep(0.05))

    def run(*words: str) -> str:
        code = Shell().run(["--skip-config", *words])
        printed = capsys.readouterr()
        assert code == 0, f"{words}: {printed.out}{printed.err}"
        return printed.out

    return run


def of(st2: Callable[..., str], *words: str) -> Any:  # noqa: ANN401 what the command gives as JSON
    """Give what a command prints as JSON."""
    return json.loads(st2(*words, "-j"))


def ended(st2: Callable[..., str], id_: str) -> str:
    """Give the status of an execution once it has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status: str = of(st2, "execution", "get", id_)["status"].split(" ")[0]
        if status in ("succeeded", "failed", "canceled", "timeout"):
            return status
    raise AssertionError(f"expected the execution {id_} to end")


def test_it_runs_as_a_process_of_its_own(url: str, tmp_path: Path) -> None:
    """`st2 run` waits for the action and prints its result, with ST2_API_URL alone and no file of settings."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ST2_API_URL": f"{url}/v1"}
    words = [sys.executable, "-W", "ignore", "-m", "st2client.shell"]
    done = subprocess.run(
        [*words, "run", "demo.probe", "message=hello", "count=2", "-j"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.lstrip(".\n"))["result"]["result"] == ["hello", "hello"]


def test_keys_are_set_listed_decrypted_loaded_and_deleted(st2: Callable[..., str], tmp_path: Path) -> None:
    """Plain and encrypted ones, a user's, and those of a file."""
    st2("key", "set", "st2.plain", "1", "--ttl", "600")
    st2("key", "set", "st2.secret", "hidden", "--encrypt")
    st2("key", "set", "st2.mine", "2", "--scope", "user")
    assert of(st2, "key", "get", "st2.secret", "--decrypt")["value"] == "hidden"
    listed = of(st2, "key", "list", "--prefix", "st2.")
    assert {key["name"] for key in listed} == {"st2.plain", "st2.secret", "st2.mine"}
    assert "hidden" not in json.dumps(listed)
    (tmp_path / "keys.json").write_text(json.dumps([{"name": "st2.loaded", "value": {"a": 1}}]))
    st2("key", "load", "--convert", str(tmp_path / "keys.json"))
    assert json.loads(of(st2, "key", "get", "st2.loaded")["value"]) == {"a": 1}
    st2("key", "delete", "st2.plain")
    st2("key", "delete_by_prefix", "-p", "st2.s")
    assert {key["name"] for key in of(st2, "key", "list", "--prefix", "st2.")} == {"st2.mine", "st2.loaded"}


def test_executions_are_run_listed_and_canceled(st2: Callable[..., str]) -> None:
    """One that runs is canceled and ends so; the list shows it with its status."""
    (running,) = re.findall(
        "execution get ([0-9a-f]{24})", st2("action", "execute", "demo.slow", "seconds=30", "--async")
    )
    assert running in st2("execution", "cancel", running)
    assert ended(st2, running) == "canceled"
    assert running in {each["id"] for each in of(st2, "execution", "list", "--action", "demo.slow")}


def test_aliases_are_matched_and_carried_out(st2: Callable[..., str]) -> None:
    """The words are the action's parameters."""
    assert "demo.probe" in st2("action-alias", "list")
    assert "probe" in st2("action-alias", "match", "probe hi count=2")
    assert "Matching Action-alias: 'demo.probe'" in st2("action-alias", "execute", "probe hi")
    (newest,) = of(st2, "execution", "list", "--action", "demo.probe", "-n", "1")
    assert of(st2, "execution", "get", newest["id"])["parameters"] == {"message": "hi", "count": 2}


def test_api_keys_and_tokens_are_made(st2: Callable[..., str]) -> None:
    """A key is shown once; a password brings a token."""
    made = of(st2, "apikey", "create", "-u", "bob")
    assert len(made["key"]) == 64
    assert made["key"] not in st2("apikey", "list")
    assert "deleted" in st2("apikey", "delete", made["id"])
    assert of(st2, "auth", "ann", "-p", "any")["user"] == "ann"
