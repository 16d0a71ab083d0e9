"""`redrive stackstorm serve`, started as a person starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
PATIENCE = 30
PACK = {
    "pack.yaml": "{name: small, description: d, version: 0.1.0, author: a}",
    "actions/nothing.yaml": "{name: nothing, runner_type: noop}",
}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack with one action."""
    for name, text in PACK.items():
        (tmp_path / "small" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "small" / name).write_text(text)
    return tmp_path / "small"


def command(pack: Path, *options: str) -> list[str]:
    """Give the command line for one pack."""
    return [sys.executable, "-m", "orchestrator", "stackstorm", "serve", "--packs", str(pack), *options]


@contextmanager
def served(pack: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Start the verb; gives its process and the variables that it prints."""
    environ = {**os.environ, "TMPDIR": str(pack.parent)}
    process = subprocess.Popen(
        command(pack, *options), cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        yield process, dict(re.findall(r"export (\w+)=(.*)", "".join(lines)))
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def refused(pack: Path, *options: str) -> str:
    """Run the verb to its end, which is exit code 3; gives what it said."""
    done = subprocess.run(
        command(pack, *options), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 3, done.stderr
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_st2client_reads_and_stops_at_a_signal(pack: Path, number: signal.Signals) -> None:
    """The printed URL answers; a signal ends it with 0, and a state that nobody named is gone with it."""
    with served(pack) as (process, variables):
        assert requests.get(f"{variables['ST2_API_URL']}/actions/small.nothing", timeout=5).status_code == 200
        assert variables["ST2_API_URL"] == f"{variables['ST2_BASE_URL']}/v1"
        assert [path.name for path in pack.parent.glob("redrive-stackstorm-*")] != []
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
    assert list(pack.parent.glob("redrive-stackstorm-*")) == []


def test_the_line_for_the_api_key_names_any_file(pack: Path) -> None:
    """The shell that takes the line has the key, though the file's name has a blank and a command in it."""
    file = pack.parent / "a key; echo gone"
    file.write_text("pa55\n")
    with served(pack, "--api-key-file", str(file)) as (process, _):
        assert process.stdout is not None
        line = process.stdout.readline()
    shown = subprocess.run(
        ["/bin/sh", "-c", f'{line}echo "$ST2_API_KEY"'], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (shown.stdout, shown.stderr) == ("pa55\n", "")


def test_a_state_belongs_to_one_at_a_time(pack: Path) -> None:
    """A second one is told so and ends with 3; once the first has ended, its state serves the next at once."""
    state = ["--state", str(pack.parent / "state")]
    with served(pack, *state) as (_, variables):
        asked = {"action": "small.nothing"}
        execution = requests.post(f"{variables['ST2_API_URL']}/executions", json=asked, timeout=5).json()["id"]
        assert "expected a state folder that no other embedded StackStorm serves from" in refused(pack, *state)
    with served(pack, *state, "--port", variables["ST2_BASE_URL"].rsplit(":", 1)[1]) as (_, again):
        assert again == variables
        assert requests.get(f"{again['ST2_API_URL']}/executions/{execution}", timeout=5).json()["id"] == execution


def test_a_broken_pack_is_named(pack: Path) -> None:
    """File and key stand on stderr, without a traceback."""
    (pack / "actions" / "nothing.yaml").write_text("{name: nothing, runner_type: gone}")
    said = refused(pack)
    assert f"{pack}/actions/nothing.yaml" in said
    assert "runner_type" in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_named(pack: Path) -> None:
    """The error says which address it is about."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}" in refused(pack, "--port", port)


def test_beyond_loopback_it_asks_for_a_key(pack: Path) -> None:
    """Nothing that everybody may call is served to others by mistake."""
    assert "expected an API key's file" in refused(pack, "--host", "0.0.0.0")  # noqa: S104 nothing is bound: it refuses
