"""A worker that was to trace and did not is told: its figures would be of something else."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import pytest
import requests

from loadtests.bed.collector import Collector
from loadtests.playing.traces import untraced
from loadtests.scenarios.reading import load

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def collector() -> Iterator[str]:
    """A collector that serves."""
    with Collector(0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_traced_phase_without_a_span_is_told_until_one_came(collector: str) -> None:
    """The first post is enough: that the package is there, and the collector is reached."""
    phases = load("nightly").phases
    assert "install redrive[otel]" in (untraced(phases, collector) or "")
    requests.post(f"{collector}/v1/traces", data=b"spans", timeout=5)
    assert untraced(phases, collector) is None


def test_where_nothing_is_traced_nobody_is_asked() -> None:
    """The smoke has no traced phase."""
    assert untraced(load("smoke").phases, "http://127.0.0.1:1") is None
