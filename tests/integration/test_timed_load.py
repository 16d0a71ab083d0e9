"""Locust, front, worker and provider of the load test together: what each wrote down of the same calls agrees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import requests

from loadtests.processes import Processes
from loadtests.stamps import answered_of, asked_of, calls_of, read_lines, runs_of
from tests.integration.locust_peer import locust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCALE = 0.0001


@pytest.fixture
def front(tmp_path: Path) -> Iterator[str]:
    """The URL of a front whose calls a worker with the plugin runs, against a provider."""
    bus = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    environ = {"LLM_APP_BROKER": bus, "LLM_APP_BACKEND": f"db+sqlite:///{tmp_path}/results.sqlite"}
    environ |= {"REDRIVE_BUS_URL": bus, "REDRIVE_SPOOL_DIR": str(tmp_path / "spool")}
    with Processes(tmp_path) as processes:
        options = ["--scale", str(SCALE), "--asked", str(tmp_path / "asked")]
        provider = processes.serve("provider", ["-m", "loadtests.apps.provider", *options])["url"]
        environ["LLM_APP_PROVIDER"] = provider
        sent = ["--log", str(tmp_path / "sent")]
        url = processes.serve("front", ["-m", "loadtests.apps.front", *sent], environ | {"LLM_APP_PLUGIN": "off"})[
            "url"
        ]
        told = {"LLM_APP_STAMPS": str(tmp_path / "stamps"), "LLM_APP_PARENT_PID": str(os.getpid())}
        told["LLM_APP_READY_FILE"] = str(processes.ready_file("worker"))
        command = ["-m", "celery", "-A", "loadtests.apps.timed", "worker", "-c", "2", "-l", "ERROR"]
        processes.await_ready(processes.start("worker", command, environ | told))
        yield str(url)


def finished(folder: Path) -> bool | None:
    """Tell whether every call that was sent has ended."""
    calls, runs = calls_of(read_lines(folder / "sent"), SCALE), runs_of(read_lines(folder / "stamps"))
    return {each.id for each in calls} == {each.id for each in runs if each.ended} or None


def test_four_records_of_the_same_calls_agree(front: str, tmp_path: Path) -> None:
    """What Locust saw end, front, worker and provider wrote down too, with the same intended starts and ends."""
    rates = tmp_path / "rates"
    rates.write_text('{"rate": 20, "malformed": 0.2}')
    options = ["--headless", "--host", front, "--operators", "0", "--stamps", str(tmp_path / "stamps")]
    with locust(tmp_path, *options, "--rate-file", str(rates)) as running:
        running.wait_for(lambda: len(running.answered("call, end to end")) >= 20 or None)
        running.wait_for(lambda: running.answered("call, malformed") or None)
        rates.write_text('{"rate": 0}')
        running.wait_for(lambda: finished(tmp_path))
        running.stop()
    calls = {each.id: each for each in calls_of(read_lines(tmp_path / "sent"), SCALE)}
    runs = {each.id: each for each in runs_of(read_lines(tmp_path / "stamps"))}
    ends = [each for each in answered_of(read_lines(running.answers)) if each.name.startswith("call, ")]
    assert set(runs) == set(calls) == {each.id for each in asked_of(read_lines(tmp_path / "asked"))}
    assert {each.id for each in calls.values() if each.malformed} == {
        each.id for each in asked_of(read_lines(tmp_path / "asked")) if each.status == 400
    }
    expected = {round(each.intended, 6): runs[each.id].ended - each.intended for each in calls.values()}
    assert {round(each.at, 6): pytest.approx(each.seconds, abs=1e-5) for each in ends} == expected
    assert all(each.well for each in ends)
    assert all(each.intended <= each.sent < runs[each.id].received for each in calls.values())
    told: dict[str, Any] = requests.get(f"{front}/calls", timeout=10).json()
    assert {each["id"] for each in told["calls"]} == set(calls)
