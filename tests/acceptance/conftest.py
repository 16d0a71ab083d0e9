"""Fields that are taken down after each test."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.packs import packs_dir
from tests.acceptance.field import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def make_field(tmp_path: Path) -> Iterator[Callable[..., Field]]:
    """Make a field in this test's folder, started; it is stopped when the test ends."""
    made: list[Field] = []

    def make(**given: object) -> Field:
        one = Field(tmp_path, **given)
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def field(make_field: Callable[..., Field]) -> Field:
    """A field on the SQLite engines, in mode act."""
    return make_field()


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """A copy of the packs, to be changed."""
    copy = tmp_path / "packs"
    shutil.copytree(packs_dir(), copy)
    return copy
