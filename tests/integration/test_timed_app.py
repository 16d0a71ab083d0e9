"""The timed sample app on a real worker: what its stamps say of runs with the plugin and without."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from eventbus import wire
from loadtests.stamps import SKIPPED, asked_of, read_lines, runs_of
from tests.integration.worker_harness import CHECKOUT, PATIENCE, WorkerBench, new_id, republish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadtests.evidence import Run

CALL = "loadtests.apps.llm_app.call_model"
SCALE = 0.01
TOKENS = 30
# The plugin's hooks that `slowed_app` makes slow, by so many seconds: in the parent, then in the child.
RECEIPT, ACCEPTANCE, BEFORE, AFTER = 0.03, 0.05, 0.07, 0.11
STORE = 0.4


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    """The URL of a provider that takes 0.3 s for an answer, and says what it was asked."""
    ready = tmp_path / "provider.json"
    command = [sys.executable, "-m", "loadtests.apps.provider", "--ready-file", str(ready), "--scale", str(SCALE)]
    command += ["--asked", str(tmp_path / "asked"), "--parent-pid", str(os.getpid())]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield json.loads(ready.read_text())["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def worker(folder: Path, provider: str, app: str = "loadtests.apps.timed", **settings: str) -> WorkerBench:
    """Make a worker of the timed app."""
    told = {"LLM_APP_BROKER": f"redrive+sqlite:///{folder}/bus.sqlite", "LLM_APP_PROVIDER": provider, **settings}
    told |= {"LLM_APP_BACKEND": f"db+sqlite:///{folder}/results.sqlite", "LLM_APP_STAMPS": str(folder / "stamps")}
    return WorkerBench(folder, told["LLM_APP_BROKER"], app=app, **told)


def runs(bench: WorkerBench, count: int) -> list[Run]:
    """Wait for so many runs that have ended, with what the worker's parent says of them."""

    def look() -> list[Run] | None:
        found = runs_of(read_lines(bench.folder / "stamps"))
        return found if sum(run.ended is not None for run in found) >= count else None

    return bench.wait_for(look)


@pytest.mark.parametrize("plugin", ["on", "off"])
def test_a_run_has_all_its_moments_with_the_plugin_and_without(tmp_path: Path, provider: str, plugin: str) -> None:
    """Received, begun, ended, in this order; the model's answer is no part of what it took inside."""
    with worker(tmp_path, provider, LLM_APP_PLUGIN=plugin) as bench:
        sent = bench.send(CALL, context_tokens=1, generated_tokens=TOKENS)
        (run,) = runs(bench, 1)
    assert (run.id, run.attempt, run.state) == (sent.id, "-", "SUCCESS")
    assert run.received < run.began < run.ended
    assert 0 < run.inside <= run.ended - run.began - SCALE * TOKENS
    assert run.received_for > 0
    (asked,) = asked_of(read_lines(tmp_path / "asked"))
    assert (asked.id, asked.attempt, asked.status, asked.trouble) == (sent.id, "-", 200, "-")
    assert (asked.tokens_in, asked.tokens_out) == (1, TOKENS)
    assert run.began < asked.at < run.ended


def test_every_hook_of_the_plugin_is_timed(tmp_path: Path, provider: str) -> None:
    """What the plugin does around a run is inside, what it does in the parent in `received_for`; storing is neither."""
    slowed = {"Parent.queue_of": RECEIPT, "Parent.began": ACCEPTANCE, "Tracer._skips": BEFORE, "Reporter.count": AFTER}
    slowed["DatabaseBackend._store_result"] = STORE
    with worker(tmp_path, provider, app="tests.integration.slowed_app", SLOWED=json.dumps(slowed)) as bench:
        first = bench.send(CALL, context_tokens=1, generated_tokens=0)
        (run,) = runs(bench, 1)
        bench.send(CALL, context_tokens=1, generated_tokens=0, malformed=True)
        (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
        attempt = new_id()
        republish(bench.broker, failure.data["message"], attempt)
        redriven = next(each for each in runs(bench, 3) if each.attempt == attempt)
    assert run.id == first.id
    assert run.received_for >= RECEIPT + ACCEPTANCE
    assert AFTER <= run.inside <= run.ended - run.began - STORE
    assert redriven.state == "FAILURE"
    assert redriven.inside >= BEFORE + AFTER


@contextmanager
def collector() -> Iterator[tuple[str, list[str]]]:
    """Serve as a collector of spans; gives its URL, and the paths that were posted to."""
    posted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            posted.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()
        server.server_close()


def test_a_traced_run_is_timed_and_sends_its_spans(tmp_path: Path, provider: str) -> None:
    """A run of the traced arm is stamped as the others are, and its spans leave the worker."""
    with collector() as (url, posted):
        traced = {"REDRIVE_TRACES": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with worker(tmp_path, provider, **traced) as bench:
            bench.send(CALL, context_tokens=1, generated_tokens=0)
            (run,) = runs(bench, 1)
            bench.wait_for(lambda: posted or None)
    assert (run.state, set(posted)) == ("SUCCESS", {"/v1/traces"})


def test_a_killed_run_has_no_end_and_a_skipped_one_says_so(tmp_path: Path, provider: str) -> None:
    """A copy of an attempt that has ended is skipped, and has a run of its own; a killed child's run never ends."""
    with worker(tmp_path, provider) as bench:
        killed = bench.send(CALL, context_tokens=1, generated_tokens=0, killed=True)
        (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
        attempt = new_id()
        for copy in (1, 2):
            republish(bench.broker, failure.data["message"], attempt)
            found = runs(bench, copy)
    assert {run.id for run in found} == {killed.id}
    assert [(run.attempt, run.state) for run in found] == [("-", None), (attempt, "SUCCESS"), (attempt, SKIPPED)]
    assert found[0].began is not None
    assert found[1].received != found[2].received
