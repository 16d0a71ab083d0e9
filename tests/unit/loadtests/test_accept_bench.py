"""The accept benchmark's verdict on figures that are given, and its peer and callers."""

from __future__ import annotations

import json
import sqlite3
from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from loadtests.accept.callers import Turn, called
from loadtests.accept.peer import BareSqlite
from loadtests.bench import accept

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = Namespace(callers=4, events=10, batched=100, rounds=3, no_http=True)


def turns(log: float, microseconds: float) -> dict[str, dict[str, float]]:
    """Give what one turn of each arm tells."""
    return {
        "log": {"rate": log, "p50": 1.0, "p99": 2.0},
        "bare": {"rate": 100.0, "p50": 1.0, "p99": 2.0},
        "batches": {"log": microseconds, "bare": 5.0},
    }


@pytest.mark.parametrize(("log", "microseconds", "code"), [(80.0, 10.0, 0), (79.0, 10.0, 99), (90.0, 10.1, 99)])
def test_a_missed_target_is_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log: float, microseconds: float, code: int
) -> None:
    """Both targets must be met; every figure is in the JSON."""
    told = turns(log, microseconds)
    monkeypatch.setattr(accept, "turn_of", lambda _processes, arm, _given: told[arm])
    assert accept.main(True, GIVEN) == code
    report = json.loads(capsys.readouterr().out)
    assert (report["ratio"], report["batch_microseconds"]) == (log / 100, microseconds)
    assert list(report["targets"].values()).count(True) == (2 if code == 0 else 1)
    assert accept.main(False, GIVEN) == code
    assert ("MISSED" in capsys.readouterr().out) is (code == 99)


def test_the_peer_has_every_row_that_it_gave_a_receipt_for(tmp_path: Path) -> None:
    """Many threads, one row at a time: all are in the file, each once."""
    peer = BareSqlite(tmp_path / "bare.sqlite")
    work = [[[(bytes([caller, number]), b"payload")] for number in range(20)] for caller in range(8)]
    turn = called(work, lambda: peer.append)
    peer.close()
    with sqlite3.connect(tmp_path / "bare.sqlite") as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT key) FROM rows").fetchone() == (160, 160)
    assert turn.rate > 0


def test_a_call_that_fails_ends_the_turn() -> None:
    """No figure is made of calls that did not succeed."""

    def fail(_item: int) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        called([[1], [2]], lambda: fail)


def test_waits_are_summed_up() -> None:
    """The rate is all calls over the time; percentiles are in milliseconds."""
    assert Turn.of(2.0, [0.001] * 99 + [0.5]) == Turn(50.0, 1.0, 500.0)
