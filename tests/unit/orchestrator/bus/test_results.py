"""Which result backend a URL names, and how its bytes are read without executing any."""

from __future__ import annotations

import os
import pickle
import sqlite3
from typing import TYPE_CHECKING

import pytest

from orchestrator.bus.results import ResultsRefused, open_results
from orchestrator.bus.stored import Opaque, value_of

if TYPE_CHECKING:
    from pathlib import Path

# As Celery 5.6.3 with SQLAlchemy wrote them into celery_taskmeta.result: pickles, whatever the serializer.
STARTED_5_6 = (
    b"\x80\x05\x95&\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x03pid\x94J@\xe2\x01\x00\x8c\x08hostname\x94"
    b"\x8c\x08celery@h\x94u."
)
CANCELLED_5_6 = (
    b"\x80\x05\x95k\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x08exc_type\x94\x8c\x05Retry\x94\x8c\x0bexc_message\x94"
    b"\x8c\x1dRetry(Retry(...), None, None)\x94NN\x87\x94\x8c\nexc_module\x94\x8c\x11celery.exceptions\x94u."
)
PLAIN = {
    "pid": 2**31 + 7,
    "hostname": "celery@ä",
    "more": [1.5, None, True, (), (1, 2, 3, 4)],
    "deep": {"a": {"b": []}},
}
TABLE = "CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, task_id TEXT, status TEXT, result BLOB, traceback TEXT)"


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_plain_values_is_read(protocol: int) -> None:
    """A dict of texts, numbers, lists and tuples is read as it was written, in each protocol that Celery writes."""
    assert value_of(pickle.dumps(PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_that_names_code_is_opaque(tmp_path: Path, protocol: int) -> None:
    """Bytes that would run something are refused, and nothing has run."""
    with pytest.raises(Opaque):
        value_of(pickle.dumps({"pid": Bomb(tmp_path / "ran")}, protocol))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "payload", [b"", b"\x80", b"\x80\x05.", b"\x80\x05u.", b"{", b"\x00celery-compressed\x00x\x00y"]
)
def test_broken_bytes_are_opaque(payload: bytes) -> None:
    """What is torn, empty or compressed in an unknown way is refused, not guessed."""
    with pytest.raises(Opaque):
        value_of(payload)


def test_rows_of_celery_5_6_are_read(tmp_path: Path) -> None:
    """Celery 5.6 pickles every result in its tables: what was running is read from it all the same."""
    path = tmp_path / "results.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(TABLE)
        connection.execute("INSERT INTO celery_taskmeta VALUES (1, 's', 'STARTED', ?, NULL)", [STARTED_5_6])
        connection.execute("INSERT INTO celery_taskmeta VALUES (2, 'r', 'RETRY', ?, NULL)", [CANCELLED_5_6])
        connection.execute("INSERT INTO celery_taskmeta VALUES (3, 'o', 'STARTED', ?, NULL)", [b"\x80\x05?"])
    started, retry, opaque = open_results(f"db+sqlite:///{path}").unfinished(10).tasks
    assert (started.worker, started.pid) == ("celery@h", 123456)
    assert retry.cancelled
    assert (opaque.worker, opaque.opaque) == (None, True)


def test_a_file_that_no_worker_made_is_not_made_here(tmp_path: Path) -> None:
    """Reading never creates the SQLite file of a backend that is not there so far."""
    assert open_results(f"db+sqlite:///{tmp_path}/none.sqlite").unfinished(10).tasks == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", [None, "", "rpc://", "disabled://"])
def test_what_shows_nothing_says_why(url: str | None) -> None:
    """Without a backend, and on one that keeps no results, nothing is found and the reason is told."""
    results = open_results(url)
    assert results.blind
    assert results.unfinished(10).tasks == ()
    assert results.state_of(["t"]) == {}


@pytest.mark.parametrize(
    "url", ["mongodb://u:hunter2@h/x", "cache+memcached://h", "sentinel://:hunter2@a;sentinel://b", "db://x", "none",
            "redis://:hunter2@a;redis://b", "db+nosuch://u:hunter2@h/x"]
)  # fmt: skip
def test_other_backends_are_refused_by_name(url: str) -> None:
    """A backend that cannot be read is refused with what to do, without a secret."""
    with pytest.raises(ResultsRefused, match="REDRIVE_RESULT_BACKEND_URL: expected") as raised:
        open_results(url)
    assert "hunter2" not in str(raised.value)
