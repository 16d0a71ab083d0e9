"""The locustfile as anybody would run it: `locust -f`, against a server that notes what it is asked."""

from __future__ import annotations

import json
import time
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from loadtests.stamps import accepted_of, read_lines
from loadtests.trace import read_trace
from tests.integration.locust_peer import Peer, locust, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server on a free port."""
    with serving() as peer:
        yield peer


def headless(peer: Peer) -> list[str]:
    """Give the options that every run here has."""
    return ["--headless", "--host", peer.url, "--api-url", peer.url, "--load-seed", "3"]


def test_plain_locust_plays_web_users_and_an_operator(peer: Peer, tmp_path: Path) -> None:
    """Web users ask for the calls of the trace; the operator foresees, and has a failure tried, twice by one key."""
    with locust(tmp_path, *headless(peer), "--rate", "20", "--operator-rate", "4") as running:
        running.wait_for(lambda: True if sum(key is not None for _, key, _ in peer.asked) >= 4 else None)
        running.wait_for(lambda: True if len(peer.calls) >= 20 else None)
        assert running.stop() == 0, running.log
    calls = [(body["context_tokens"], body["generated_tokens"]) for body in peer.calls]
    trace = [(call.context_tokens, call.generated_tokens) for call in islice(read_trace(), 3, 3 + len(calls))]
    assert Counter(calls) == Counter(trace)
    assert len({body["id"] for body in peer.calls}) == len(calls)
    asked = [(key, body) for path, key, body in peer.asked if path == "/recovery/retry"]
    retries = [(key, body["failure_id"]) for key, body in asked if not body.get("dry_run")]
    assert set(Counter(retries).values()) == {2}
    assert {body["failure_id"] for _, body in asked} == {"f-1"}
    counted = running.counted()
    assert counted["POST /calls"] == (len(calls), 0) == (len(running.answered()), 0)
    assert counted["POST /recovery/retry (dry run)"] == counted["POST /recovery/retry (again)"]


def test_a_rate_file_changes_what_arrives_and_every_receipt_is_noted(peer: Peer, tmp_path: Path) -> None:
    """At a rate of 0 nobody comes; later calls and batches do, some malformed; a file that says nothing is left out."""
    rates, accepted, ready = tmp_path / "rates", tmp_path / "accepted", tmp_path / "ready"
    rates.write_text('{"rate": 0, "telemetry_rate": 0}')
    options = ["--telemetry-rate", "1", "--rate-file", str(rates), "--accepted", str(accepted), "--operators", "0"]
    options += ["--stamps", str(tmp_path / "none")]
    with locust(tmp_path, *headless(peer), *options, "--load-ready-file", str(ready)) as running:
        running.wait_for(lambda: True if ready.exists() else None)
        time.sleep(1)
        assert peer.asked == []
        rates.write_text('{"rate": 50, "telemetry_rate": 10, "malformed": 0.5}')
        running.wait_for(lambda: True if len(peer.calls) >= 40 else None)
        running.wait_for(lambda: True if len(peer.asked) - len(peer.calls) >= 6 else None)
        rates.write_text("as before, please")
        seen = len(peer.calls)
        running.wait_for(lambda: True if len(peer.calls) >= seen + 20 else None)
        assert running.stop() == 0, running.log
    assert running.log.count("expected JSON, got 'as before, please'") == 1
    malformed = sum(body["malformed"] for body in peer.calls)
    assert 0 < malformed < len(peer.calls)
    told = [body for path, _, body in peer.asked if path == "/v1/events"]
    messages = [body["batch"] for path, _, body in peer.asked if path == "/v1/batch"]
    ids = [each["id"] for batch in told for each in batch] + [each["messageId"] for batch in messages for each in batch]
    assert told
    assert messages
    assert sorted(accepted_of(read_lines(accepted))) == sorted(ids)


def test_a_server_that_stalls_delays_everybody_who_was_meant_to_come(peer: Peer, tmp_path: Path) -> None:
    """While it stalls arrivals go on: each waits from its own intended start, not one for all of them."""
    with locust(tmp_path, *headless(peer), "--rate", "40", "--operators", "0") as running:
        running.wait_for(lambda: True if peer.calls else None)
        with peer.stall:
            stalled = time.monotonic()
            time.sleep(1.5)
            over = time.monotonic()
        running.wait_for(lambda: True if any(each.at > over for each in running.answered()) else None)
        assert running.stop() == 0, running.log
    met = [each for each in running.answered() if stalled < each.at < over - 0.5]
    # 40 a second for one second, or a little less: fewer than 15 would have been drawn once in 10^5 runs.
    assert len(met) >= 15
    assert all(each.seconds >= over - each.at - 0.05 for each in met)
    intended = {body["intended"] for body in peer.calls}
    assert all(any(abs(each.at - moment) < 1e-5 for moment in intended) for each in met)


def test_locust_sees_calls_end_by_the_workers_stamps(peer: Peer, tmp_path: Path) -> None:
    """From the intended start to the end of the run; one that failed at first is a failure and has a recovery."""
    peer.stamps = tmp_path / "stamps"
    with locust(tmp_path, *headless(peer), "--rate", "40", "--stamps", str(peer.stamps)) as running:
        running.wait_for(lambda: True if len(running.answered("call, recovered")) >= 5 else None)
        assert running.stop() == 1, running.log  # Locust's own code for a failure among its requests
    ends, recoveries = running.answered("call, end to end"), running.answered("call, recovered")
    assert len(ends) == len(peer.calls)
    assert len(recoveries) == sum(not each.well for each in ends) == len(peer.calls) // 4
    intended = sorted(body["intended"] for body in peer.calls)
    assert sorted(each.at for each in ends) == pytest.approx(intended, abs=1e-4, rel=0)
    assert running.counted()["call, end to end"] == (len(ends), len(recoveries))


def test_stamps_that_cannot_be_read_are_no_silence(peer: Peer, tmp_path: Path) -> None:
    """Where Locust can no longer see how calls end it says so, and its exit code is not 0."""
    stamps = tmp_path / "stamps"
    stamps.write_text("ended and over\n")
    with locust(tmp_path, *headless(peer), "--stamps", str(stamps), "--operators", "0") as running:
        running.wait_for(lambda: True if "expected 'ended ID" in running.log else None)
        running.wait_for(lambda: True if running.answered() else None)
        assert running.stop() == 2


def test_without_stamps_some_calls_are_asked_for(peer: Peer, tmp_path: Path) -> None:
    """A share of the calls is looked after until it has ended well."""
    with locust(tmp_path, *headless(peer), "--rate", "60", "--operators", "0") as running:
        running.wait_for(lambda: True if running.answered("call, end to end") else None)
        assert running.stop() == 0, running.log
    assert len(running.answered("call, end to end")) < len(peer.calls)
    assert json.loads(running.told.read_text())


def test_a_front_on_another_machine_is_told_its_own_time(peer: Peer, tmp_path: Path) -> None:
    """Intended starts are moments of the front's clock, those in our own files moments of ours."""
    peer.boot, peer.ahead = "another", 5000.0
    with locust(tmp_path, *headless(peer), "--rate", "40", "--operators", "0") as running:
        running.wait_for(lambda: True if len(running.answered()) >= 5 else None)
        assert running.stop() == 0, running.log
    ours = sorted(each.at for each in running.answered())
    # Half of a round trip is what the clock may be off, and one was well below a second.
    assert abs(min(body["intended"] for body in peer.calls) - ours[0] - 5000) < 1
