"""A server that this machine does not have is told by the package that has it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from loadtests.bed import programs
from loadtests.bed.programs import EngineMissing

if TYPE_CHECKING:
    from pathlib import Path


def test_the_newest_postgresql_is_found(tmp_path: Path) -> None:
    """Releases are numbers: 15 comes after 9."""
    for release in ("9", "15"):
        (tmp_path / release / "bin").mkdir(parents=True)
        (tmp_path / release / "bin" / "initdb").touch()
    assert programs.postgresql(tmp_path) == tmp_path / "15" / "bin"


def test_what_is_missing_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, and how to do without."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing, match="install the package postgresql, or use --engines embedded"):
        programs.postgresql(tmp_path)
    with pytest.raises(EngineMissing, match="expected rabbitmq-server on the PATH, got none"):
        programs.rabbitmq(tmp_path / "none")
    with pytest.raises(EngineMissing, match="install the package redis-server"):
        programs.redis()
    with pytest.raises(EngineMissing, match="install the package erlang-base"):
        programs.epmd()


def test_postgresql_is_not_run_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root runs it as somebody else, others as themselves; where nobody else is known, that is told."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert programs.unprivileged() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(programs, "USERS", ("no-such-user",))
    with pytest.raises(EngineMissing, match="expected a user no-such-user"):
        programs.unprivileged()
