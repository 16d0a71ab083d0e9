"""The sample provider's state: which request gets which answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadtests.apps.provider_state import State
from loadtests.faults import parse

if TYPE_CHECKING:
    from pathlib import Path


def state(*entries: dict[str, Any], log: Path | None = None) -> State:
    """Make a provider with faults."""
    return State(0, parse({"faults": list(entries)}), log)


def test_a_malformed_prompt_is_refused_every_time_even_while_the_engine_is_down() -> None:
    """The prompt is looked at first: 400 is what the client hears, up or down, first or not."""
    provider = state({"kind": "malformed", "share": 1})
    provider.switch(up=False)
    assert [provider.decide("a", 1, first=first).status for first in (True, False)] == [400, 400]


def test_who_is_limited_stays_so_until_the_retry_after_is_over() -> None:
    """The first request is answered 429, one that comes too early as well, one after the pause with 200."""
    early = state({"kind": "rate_limited", "share": 1, "retry_after_seconds": 100})
    assert [early.decide("a", 1, first=first).status for first in (True, False)] == [429, 429]
    late = state({"kind": "rate_limited", "share": 1, "retry_after_seconds": 0})
    late.decide("a", 1, first=True)
    assert late.decide("a", 1, first=False).status == 200


def test_slow_and_late_answers_come_once() -> None:
    """A retry of such a call gets a plain answer."""
    for kind in ("slow", "timeout"):
        provider = state({"kind": kind, "share": 1})
        assert [provider.decide("a", 1, first=first).fault is not None for first in (True, False)] == [True, False]


def test_a_fault_that_an_outage_hid_comes_with_the_next_request() -> None:
    """A call refused by an outage still meets its own fault, once."""
    provider = state({"kind": "slow", "share": 1})
    provider.switch(up=False)
    provider.decide("a", 1, first=True)
    provider.switch(up=True)
    assert [provider.decide("a", 1, first=False).fault is not None for _ in range(2)] == [True, False]


def test_an_outage_by_the_clock_begins_with_the_first_request() -> None:
    """Its window counts from there, and the state tells it."""
    provider = state({"kind": "outage", "at_seconds": 0, "for_seconds": 60})
    assert provider.stats()["up"]
    assert provider.decide("a", 1).status == 503
    told = provider.stats()
    assert (told["up"], told["fault"], told["refused"]) == (False, "outage", 1)


def test_with_a_log_no_list_grows(tmp_path: Path) -> None:
    """Each answer is a line of time, call, status, fault and id."""
    provider = state({"kind": "malformed", "share": 0.5}, log=tmp_path / "log")
    for call in range(2):
        provider.decide("a", call)
    lines = [line.split()[1:4] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(lines) == sorted([[str(call), *rest] for call, rest in zip(*_told(lines), strict=True)])
    assert provider.stats()["ids"] == []
    assert {line[1] for line in lines} == {"200", "400"}


def _told(lines: list[list[str]]) -> tuple[list[int], list[list[str]]]:
    return [0, 1], [line[1:] for line in sorted(lines)]
