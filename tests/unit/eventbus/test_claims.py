"""Claim-check: a large body is stored once, found by its claim, checked by its hash, and deleted when it is old."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from eventbus import claims
from eventbus.claims import ClaimLost, Claims, delete, fetch

if TYPE_CHECKING:
    from pathlib import Path

BODY = b"a large body" * 1000


@pytest.fixture(params=["folder", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Claims:
    """A store of each kind: a plain folder, a folder as URL, one that fsspec knows."""
    if request.param == "memory://":
        return Claims(f"memory://{uuid4()}")
    return Claims(str(tmp_path / "a b") if request.param == "folder" else f"file://{tmp_path}/a%20b")


def test_a_body_is_found_by_its_claim(store: Claims) -> None:
    """The claim tells where, how many bytes, and their hash; a second one for the same content is the same."""
    claim = store.put(BODY)
    assert claim["bytes"] == len(BODY)
    assert fetch(claim) == BODY
    assert store.put(BODY) == claim
    assert store.put(b"another")["url"] != claim["url"]


def test_content_is_written_once(tmp_path: Path) -> None:
    """The second time the file is left as it is; a damaged one is written anew."""
    store = Claims(str(tmp_path))
    store.put(BODY)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    written = file.stat().st_ino
    claim = store.put(BODY)
    assert file.stat().st_ino == written
    file.write_bytes(b"damaged")
    with pytest.raises(ClaimLost, match="other bytes"):
        fetch(claim)
    store.put(BODY)
    assert fetch(claim) == BODY


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    """No one else on the machine reads a body."""
    Claims(str(tmp_path / "claims")).put(BODY)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("url", ["file:///nowhere/at/all", "memory://nowhere/x", "nosuchscheme://x/y"])
def test_a_body_that_is_not_there_is_lost_with_a_reason(url: str) -> None:
    """The error names the place and what to do."""
    with pytest.raises(ClaimLost, match="expected"):
        fetch({"url": url, "bytes": 1, "sha256": "0" * 64})


def test_a_claim_is_deleted_when_it_is_old(store: Claims) -> None:
    """A file that was used within the last hour stays; one that is gone already is no error."""
    claim = store.put(BODY)
    if not claim["url"].startswith("memory"):
        path = claims._path(claim["url"])
        assert delete(claim) is False
        os.utime(path, (0, time.time() - claims.YOUNG_SECONDS - 1))
    assert delete(claim) is True
    with pytest.raises(ClaimLost):
        fetch(claim)
    assert delete(claim) is True


def test_a_worker_that_finds_its_content_marks_it_as_used(tmp_path: Path) -> None:
    """Between its look and the deletion of an old claim nothing is lost."""
    store = Claims(str(tmp_path))
    claim = store.put(BODY)
    os.utime(claims._path(claim["url"]), (0, 0))
    store.put(BODY)
    assert delete(claim) is False


def test_nothing_but_a_claim_is_deleted(tmp_path: Path) -> None:
    """An URL comes from an event: one that ends in no hash is refused."""
    file = tmp_path / "precious"
    file.write_text("x")
    os.utime(file, (0, 0))
    with pytest.raises(ValueError, match="ends in its hash"):
        delete({"url": f"file://{file}"})
    assert file.exists()
