"""What the embedded StackStorm refuses to start with, and what it keeps for its owner alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import stackstorm_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 20.0


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack with nothing in it."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "pack.yaml").write_text("{name: demo, description: d, version: 0.1.0, author: a}")
    return tmp_path / "demo"


def damaged_state(home: Path) -> tuple[str, ...]:
    """Let the state be no database."""
    (home / "state").mkdir()
    (home / "state" / "stackstorm.sqlite").write_bytes(b"no database" * 100)
    return ()


def file_for_state(home: Path) -> tuple[str, ...]:
    """Let a file stand where the folder of the state should."""
    (home / "state").write_text("")
    return ()


def key_file(content: bytes) -> Callable[[Path], tuple[str, ...]]:
    """Let the file of the API key hold this."""

    def options(home: Path) -> tuple[str, ...]:
        (home / "key").write_bytes(content)
        return "--api-key-file", str(home / "key")

    return options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (key_file(b" \n"), "expected an API key in {home}/key, got an empty file; write one into it"),
        (key_file(b"\xff"), "expected an API key in {home}/key, got "),
        (lambda _home: ("--host", "some.where"), "expected an IP address or localhost to listen on, got some.where"),
        (lambda _home: ("--port", "70000"), "expected an address to listen on, got 127.0.0.1:70000"),
        (damaged_state, "expected a state to go on with in {home}/state/stackstorm.sqlite, got "),
        (file_for_state, "expected a folder for the state, which may be written to, got {home}/state: "),
    ],
)
def test_what_cannot_be_served_ends_with_exit_code_3(
    tmp_path: Path, pack: Path, options: Callable[[Path], tuple[str, ...]], said: str
) -> None:
    """One line on stderr says what was expected, what came and what to do; no traceback does."""
    process = stackstorm_server.start(tmp_path, pack, options=options(tmp_path))
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert errors.startswith(said.format(home=tmp_path))
    assert errors.count("\n") == 1


def test_localhost_is_served_and_its_state_is_for_its_owner_alone(tmp_path: Path, pack: Path) -> None:
    """The name needs no API key; others may read neither the folder of the state nor the files in it."""
    with stackstorm_server.embedded(tmp_path, pack, options=("--host", "localhost")) as url:
        assert url.startswith("http://127.0.0.1:")
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
        held = list((tmp_path / "state").glob("*.sqlite*"))
        assert len(held) == 3
        assert {path.stat().st_mode & 0o777 for path in held} == {0o600}
